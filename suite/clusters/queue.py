"""Slurm's queue: submit arrays through submitit, and ask what state their tasks are in.

`squeue` and no accounting: many sites have no `sacct`. A task is found by its array's name, which
is chosen before the submission: whoever knows the name knows its jobs, also after a crash between
submission and answer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from suite.clusters.element_job import WARNING_SECONDS, ElementJob
from suite.errors import SuiteError, UsageError

#: an array's name, and the number of one of its tasks
Place = tuple[str, int]

#: states of a job that will not run again
ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
}
#: how often a job that its time ends is put back into the queue; it goes on each time
_REQUEUES = 1000
#: seconds that a command of Slurm may take: its controller may be busy
_PATIENCE_SECONDS = 60
#: what the suite sets itself
_OURS = {
    *("array", "chdir", "comment", "cpus-per-task", "error", "export", "job-name", "nodes"),
    *(
        "ntasks",
        "ntasks-per-node",
        "open-mode",
        "output",
        "requeue",
        "no-requeue",
        "signal",
        "wrap",
    ),
}
_GPU = {"gres", "gpus", "gpus-per-node", "gpus-per-task"}


class Resources:
    """What each task of an array asks for: `sbatch`'s own options by their long names.

    Beside them `time` is in minutes, and `parallel` is how many tasks may run at a time.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        rest = dict(given)
        for name, value in rest.items():
            if not re.fullmatch(r"[a-z][a-z-]*", name) or not value.isprintable():
                raise UsageError(f"--slurm {name}={value}: NAME=VALUE, as a long option of sbatch.")
            if name in _OURS:
                raise UsageError(
                    f"--slurm {name}: the suite sets that itself. --jobs and --threads say how "
                    "many cores an element gets."
                )
        self.minutes = _whole("time", rest.pop("time", None))
        self.parallel = _whole("parallel", rest.pop("parallel", None))
        self.options = rest

    def says_gpus(self) -> bool:
        """Whether GPUs are asked for in the user's own way."""
        return bool(_GPU & set(self.options))


def _whole(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        unit = " of minutes" if name == "time" else ""
        raise UsageError(f"--slurm {name}={text}: a whole number{unit}.")
    return int(text)


def check_slurm() -> None:
    """Raise UsageError unless this machine can submit jobs."""
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise UsageError("--on slurm needs `pip install 'optimizer-suite[slurm]'`.") from None
    missing = [name for name in ("sbatch", "squeue", "srun") if shutil.which(name) is None]
    if missing:
        raise UsageError(
            f"--on slurm: there is no {' and no '.join(missing)} here. Run it on a login node."
        )


def longest_array() -> int:
    """How many tasks one array may have at this site."""
    found = re.search(
        r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.MULTILINE
    )
    return int(found[1]) if found else 1


def submit(
    name: str,
    jobs: Sequence[ElementJob],
    resources: Resources,
    *,
    folder: Path,
    minutes: int,
    cores: int,
    memory: str | None,
    gpus: int,
) -> str:
    """Submit jobs as one array of this name; returns its number.

    Raises SuiteError with what `sbatch` said.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    options: dict[str, object] = {"requeue": True, **resources.options}
    if memory is not None and not {"mem", "mem-per-cpu", "mem-per-gpu"} & set(options):
        options["mem"] = memory
    if gpus and not resources.says_gpus():
        options["gpus-per-node"] = gpus
    executor = submitit.SlurmExecutor(folder, max_num_timeout=_REQUEUES)
    executor.update_parameters(
        job_name=name,
        time=minutes,
        cpus_per_task=cores,
        array_parallelism=resources.parallel or len(jobs),
        signal_delay_s=WARNING_SECONDS,
        stderr_to_stdout=True,
        additional_parameters=options,
    )
    try:
        with executor.batch():
            # Nothing reads what submitit keeps of a call's end: the result file says that.
            (first, *_) = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        raise SuiteError(f"Slurm refused the jobs: {_last_line(str(error))}") from None
    return str(first.job_id).partition("_")[0]


def states(names: Collection[str]) -> dict[Place, str] | None:
    """The state of each task of these arrays, as far as Slurm still knows it.

    None if Slurm does not answer: that says nothing about the jobs.
    """
    listed = f"--name={','.join(sorted(names))}"
    command = [f"--user={os.getuid()}", listed, "--noheader", "--array", "--states=all"]
    try:
        answer = _ask("squeue", *command, "--format=%j|%K|%T")
    except SuiteError:
        return None
    found: dict[Place, str] = {}
    for line in answer.splitlines():
        name, number, state = line.strip().split("|")
        place = name, int(number) if number.isdigit() else 0  # an array of one is no array
        # After a requeue, the task of before may be listed, too: the one that lives counts.
        if found.get(place, state) in ENDED or place not in found:
            found[place] = state
    return found


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True
        )
    except subprocess.CalledProcessError as error:
        raise SuiteError(f"{command[0]}: {_last_line(error.stderr)}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SuiteError(f"{command[0]}: {error}") from None
    return done.stdout


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
