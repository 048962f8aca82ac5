"""The coordinator of studies in Slurm's queue: submits, watches, submits again what died.

It holds nothing that is not on the disk: beside each study's journal a file names the array and the
task that run it. So it can be left and begun again on any machine that shares the folder, and two
coordinators do not submit one study twice. What a study has come to is read from its files alone;
Slurm is asked, rarely, whether a job without a result still lives.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from suite import atomic, interrupts
from suite.clusters import queue
from suite.clusters.element_job import Arguments, ElementJob
from suite.clusters.queue import ENDED, Place, Resources
from suite.clusters.watching import WatchedStudy
from suite.errors import StudyStopped, SuiteError, UsageError
from suite.home import home, make_folder
from suite.results.model import Result
from suite.studies.elements import element_of, text_of
from suite.studies.plan import Plan
from suite.studies.progress import progress_file
from suite.studies.run_studies import View

#: how often one coordinator submits a study whose job ends without a result
ATTEMPTS = 3
#: seconds between two questions to Slurm: more and more, since a job's end changes its files
_FIRST_POLL, _LAST_POLL, _SLOWER = 2.0, 30.0, 1.5
#: seconds between two looks at the files, for each study that runs
_LOOK_SECONDS = 0.05
#: the longest time that is asked for; a job whose time ends resumes in another one
_LONGEST_MINUTES = 24 * 60


@dataclass(frozen=True)
class Asked:
    """How the studies of one command are run."""

    resources: Resources
    #: trials at a time in each element
    jobs: int
    keep_going: bool


class Coordinator:
    """Submits studies and watches them until each has a result or cannot get one."""

    def __init__(self, plans: Sequence[Plan], asked: Asked) -> None:
        self._plans = plans
        self._asked = asked
        self._folder = home() / "slurm"
        self._places: dict[str, Place] = {}
        self._attempts: dict[str, int] = {}
        #: what has been said of each study's job, by its identity
        self._states: dict[str, str] = {}

    @property
    def arrays(self) -> list[str]:
        """The names of the arrays that run the studies."""
        return sorted({name for name, _ in self._places.values()})

    def begin(self, *, force: bool) -> tuple[int, int]:
        """Submit what is neither done nor submitted: how many studies are, and how many were.

        Raises UsageError with `force` if one of them is in the queue, SuiteError if Slurm refuses.
        """
        make_folder(self._folder)
        with filelock.FileLock(self._folder / "submitting"):
            places = {plan.identity: place for plan in self._plans if (place := _read(plan))}
            found = queue.states({name for name, _ in places.values()}) if places else {}
            if found is None:
                raise SuiteError("Slurm does not answer (squeue). Run the same command later.")
            living = {
                identity: place
                for identity, place in places.items()
                if found.get(place, "COMPLETED") not in ENDED
            }
            if force:
                self._restart(living)
            todo = [plan for plan in self._plans if plan.finished() is None]
            self._places = {p.identity: living[p.identity] for p in todo if p.identity in living}
            rest = [plan for plan in todo if plan.identity not in living]
            self._submit(rest)
        return len(rest), len(self._places) - len(rest)

    def watch(self, view: View) -> list[Result | StudyStopped]:
        """Show what happens until all studies have ended; returns how, in order."""
        ended: dict[str, Result | StudyStopped] = {
            plan.identity: there for plan in self._plans if (there := plan.finished()) is not None
        }
        watched = {
            plan.identity: _Watched(WatchedStudy(plan), view)
            for plan in self._plans
            if plan.identity not in ended
        }
        pause, poll = _FIRST_POLL, 0.0
        while watched:
            interrupts.check()
            now = time.monotonic()
            for identity, each in watched.items():
                if self._states.get(identity) != "PENDING":
                    each.look()
            if now >= poll:
                died = self._ask(watched)
                if died:
                    with filelock.FileLock(self._folder / "submitting"):
                        self._submit([p for each in died if self._is_mine(p := each.study.plan)])
                    pause = _FIRST_POLL
                poll, pause = now + pause, min(pause * _SLOWER, _LAST_POLL)
            for identity in [i for i, each in watched.items() if each.ended is not None]:
                each = watched.pop(identity)
                assert each.ended is not None
                ended[identity] = each.ended
                each.close()
            if watched:
                time.sleep(max(0.5, len(watched) * _LOOK_SECONDS))
        return [ended[plan.identity] for plan in self._plans]

    def _ask(self, watched: dict[str, _Watched]) -> list[_Watched]:
        """Ask Slurm for the jobs of the studies; returns those to submit again."""
        found = queue.states(self.arrays)
        if found is None:  # it may be restarting
            return []
        died = []
        for identity, each in watched.items():
            state = found.get(self._places[identity])
            self._states[identity] = state or "gone"
            if state is not None and state not in ENDED:
                each.gone = False
                continue
            # The files of another machine may show late: believed at the second look.
            each.look()
            if each.ended is None and each.gone:
                if state == "CANCELLED":
                    each.stop("its Slurm job was cancelled")
                elif self._attempts.get(identity, 0) >= ATTEMPTS:
                    each.stop(self._why_given_up(identity, state))
                else:
                    each.gone = False
                    died.append(each)
                    continue
            each.gone = True
        return died

    def _is_mine(self, plan: Plan) -> bool:
        """Whether nobody else has submitted a study again; else it is watched there from now on."""
        place = _read(plan)
        if place is None or place == self._places[plan.identity]:
            return True
        self._places[plan.identity] = place
        return False

    def _why_given_up(self, identity: str, state: str | None) -> str:
        name, _ = self._places[identity]
        last = f", the last time as {state}" if state else ""
        return (
            f"its Slurm job ended {ATTEMPTS} times without a result{last}. What it printed is in "
            f"{self._folder / name}"
        )

    def _restart(self, living: dict[str, Place]) -> None:
        for plan in self._plans:
            if plan.identity in living:
                name, number = living[plan.identity]
                raise UsageError(
                    f"{plan.name} is in Slurm's queue: end it first, by `scancel --name {name}` "
                    f"(its task is number {number}), or leave out --force to wait for it."
                )
        for plan in self._plans:
            plan.restart()

    def _submit(self, plans: Sequence[Plan]) -> None:
        """Submit studies as arrays: those on a GPU apart, and none longer than the site allows."""
        if not plans:
            return
        longest = queue.longest_array()
        for gpu in (False, True):
            alike = [plan for plan in plans if (plan.device == "cuda") == gpu]
            for first in range(0, len(alike), longest):
                self._submit_array(alike[first : first + longest])

    def _submit_array(self, plans: Sequence[Plan]) -> None:
        name = f"suite-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        folder = self._folder / name
        make_folder(folder)
        file = folder / "elements.jsonl"
        lines = [element_of(plan, keep_going=self._asked.keep_going) for plan in plans]
        atomic.write(file, lambda into: into.write(text_of(lines).encode()))
        jobs, minutes = self._asked.jobs, self._minutes(plans)
        elements = []
        for number, plan in enumerate(plans):
            arguments = Arguments(
                file=str(file),
                number=number,
                jobs=jobs,
                minutes=minutes,
                home=str(home()),
                journal=str(plan.journal),
                progress=str(progress_file(plan)),
            )
            elements.append(ElementJob(arguments))
            progress_file(plan).unlink(missing_ok=True)
            _write(plan, (name, number))
            self._places[plan.identity] = name, number
            self._attempts[plan.identity] = self._attempts.get(plan.identity, 0) + 1
        gpu = plans[0].device == "cuda"
        queue.submit(
            name,
            elements,
            self._asked.resources,
            folder=folder,
            minutes=minutes,
            cores=jobs * plans[0].threads,
            memory=None if gpu else f"{2 + jobs}G",
            gpus=1 if gpu else 0,
        )

    def _minutes(self, plans: Iterable[Plan]) -> int:
        """The time of each element: as asked for, or what its trials may take by the tasks."""
        if self._asked.resources.minutes is not None:
            return self._asked.resources.minutes
        longest = 0.0
        for plan in plans:
            rounds = math.ceil(plan.trials / self._asked.jobs)
            longest = max(longest, rounds * (plan.time_limit or plan.task.time_limit))
        return min(_LONGEST_MINUTES, math.ceil(longest / 60) + 5)


class _Watched:
    """A study in the queue: what is shown of it, and how it ended."""

    def __init__(self, study: WatchedStudy, view: View) -> None:
        self.study = study
        self._view = view
        self._open = False
        #: how it ended, once it did
        self.ended: Result | StudyStopped | None = None
        #: Slurm did not know its job when it was last asked
        self.gone = False

    def look(self) -> None:
        """Show what is new in the study's files, and find out whether it has ended."""
        for event in self.study.news():
            self._show()
            self._view.event(self.study, event)
        if self.ended is None and (self.gone or self.study.done == self.study.trials):
            self.ended = self.study.plan.finished()
        if self.ended is None:
            self.ended = self.study.stopped

    def stop(self, reason: str) -> None:
        """It gets no result, for a reason that is not in its files."""
        plan = self.study.plan
        self.ended = self.study.stopped = StudyStopped(
            f"{plan.name}: {reason}. Finished trials are kept; the same command tries again."
        )

    def close(self) -> None:
        """Show how it ended."""
        self._show()
        self.study.path = self.study.plan.result_path()[0]
        self._view.closed(self.study)

    def _show(self) -> None:
        if not self._open:
            self._open = True
            self._view.opened(self.study)


def _place_file(plan: Plan) -> Path:
    return plan.journal.with_suffix(".slurm")


def _read(plan: Plan) -> Place | None:
    """The array and the task that run a study, as the last coordinator wrote it."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(_place_file(plan).read_text(encoding="utf-8"))
        return str(said["array"]), int(said["task"])
    return None


def _write(plan: Plan, place: Place) -> None:
    make_folder(plan.journal.parent)
    text = json.dumps({"array": place[0], "task": place[1]}).encode()
    atomic.write(_place_file(plan), lambda file: file.write(text))
