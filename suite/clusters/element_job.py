"""An element as a job of a scheduler: what submitit starts on a compute node.

Imports no torch: the element is a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.home import ROOT
from suite.studies.journal import read_entries

#: seconds before the end of a job's time at which Slurm says so
WARNING_SECONDS = 90
#: what the element may take to end when it is asked to
_ENDING_SECONDS = 45.0


@dataclass(frozen=True)
class Arguments:
    """Which element a job runs, and how; plain values, the same on every machine."""

    #: the file of elements, and which one
    file: str
    number: int
    #: trials at a time
    jobs: int
    #: the job's time
    minutes: int
    #: the suite's own folder, and in it the study's journal and its progress
    home: str
    journal: str
    progress: str


class ElementJob:
    """Runs one element. Called by submitit, which asks for a checkpoint before the job's end."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()
        self._finished = 0

    def __call__(self) -> None:
        """Run the element; the job fails if the element does, for those who look at the queue."""
        asked = self._arguments
        self._began, self._finished = time.monotonic(), self._finished_trials()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        command = ["run", "--elements", asked.file, "--element", str(asked.number)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "suite.cli", *command, "--jobs", str(asked.jobs)],
            env={**os.environ, "PYTHONPATH": path, "SUITE_HOME": asked.home},
            # Slurm sends this signal to all processes of the job; it is for submitit.
            preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN),
        )
        # Not `wait`, which holds a lock that the signal handler's checkpoint needs.
        while self._process.poll() is None:
            time.sleep(0.2)
        code = self._process.returncode
        if code != 0:
            raise SystemExit(code if code > 0 else 128 - code)

    def checkpoint(self) -> Any:
        """End the element, whose finished trials are kept; returns the job that resumes it.

        None, which ends the job for good, if its whole time was not enough for a single trial.
        """
        from submitit.helpers import DelayedSubmission

        self._end()
        if self._used_its_time() and self._finished_trials() == self._finished:
            self._say_that_time_is_too_short()
            return None
        return DelayedSubmission(ElementJob(self._arguments))

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        until = time.monotonic() + _ENDING_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
        self._process.kill()

    def _finished_trials(self) -> int:
        return sum("finished" in entry for entry in read_entries(Path(self._arguments.journal)))

    def _used_its_time(self) -> bool:
        """Whether the job ends because its time does; otherwise it is preempted."""
        whole = self._arguments.minutes * 60.0
        return time.monotonic() - self._began > min(0.8 * whole, whole - 2 * WARNING_SECONDS)

    def _say_that_time_is_too_short(self) -> None:
        text = (
            f"no trial ended within the job's {self._arguments.minutes} minutes: give it more "
            "with --slurm time=MINUTES."
        )
        with open(self._arguments.progress, "ab") as file:
            file.write(json.dumps({"error": text, "exit_code": 1}).encode() + b"\n")
