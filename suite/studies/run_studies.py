"""Running studies: several at once over one executor, from Python or from the command line."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from suite import interrupts
from suite.components.method import make_method
from suite.disk import naming_full
from suite.errors import StudyStopped, UsageError
from suite.execution.executor import Ended, Event, Executor, Refused, Started
from suite.execution.local import LocalExecutor
from suite.execution.resources import gpus
from suite.execution.starting import Starter, worker_log
from suite.home import data_folder, make_home
from suite.results.model import Result
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.storage import StudyStorage
from suite.studies.study import Study
from suite.training.trial import Key


class Shown(Protocol):
    """What a view reads of a study, which runs in this process or elsewhere."""

    @property
    def plan(self) -> Plan:
        """What it is to do."""

    @property
    def trials(self) -> int:
        """Trials of the whole study."""

    @property
    def done(self) -> int:
        """Trials that have ended, with any status."""

    @property
    def resumed(self) -> int:
        """Trials that had ended when it began."""

    @property
    def damage(self) -> str | None:
        """What was damaged in its storage, in words."""

    @property
    def best_score(self) -> float | None:
        """The best validation score among its tuning trials so far."""

    @property
    def stopped(self) -> StudyStopped | None:
        """Why it stopped, if it did."""

    @property
    def path(self) -> Path:
        """Its result file."""


class View(Protocol):
    """Observes running studies, as the command line's live view does."""

    def opened(self, study: Shown) -> None:
        """A study begins or resumes."""

    def event(self, study: Shown, event: Event) -> None:
        """Something happened to one of its trials; a finished one is counted already."""

    def closed(self, study: Shown) -> None:
        """Its result is written, or it has stopped."""


class Silent:
    """A view that shows nothing."""

    def opened(self, study: Shown) -> None:
        """Show nothing."""

    def event(self, study: Shown, event: Event) -> None:
        """Show nothing."""

    def closed(self, study: Shown) -> None:
        """Show nothing."""


def run_studies(
    plans: Sequence[Plan],
    executor: Executor,
    jobs: int,
    view: View,
    *,
    force: bool = False,
    keep_going: bool = True,
) -> list[Result]:
    """As `attempt_studies`; raises the first StudyStopped after the other studies have ended."""
    results = []
    for ended in attempt_studies(plans, executor, jobs, view, force=force, keep_going=keep_going):
        if isinstance(ended, StudyStopped):
            raise ended
        results.append(ended)
    return results


def attempt_studies(
    plans: Sequence[Plan],
    executor: Executor,
    jobs: int,
    view: View,
    *,
    force: bool = False,
    keep_going: bool = False,
) -> list[Result | StudyStopped]:
    """Run several studies, `jobs` trials at a time, and return their results in order.

    Without `keep_going` a study whose first trial ends in an error of the method's code stops
    there, and the reason is returned in the place of its result.

    A later study starts when the earlier ones have no trial left that could run, so that no core
    is idle at the end of a generation. Results that exist already are returned unchanged,
    unless `force`: then all studies restart, and a later run without it resumes them.
    """
    make_home()
    if force:
        for plan in plans:
            plan.restart()
    finished: dict[int, Result | StudyStopped] = {}
    #: when each running trial was handed to a process
    started: dict[Key, float] = {}
    waiting = deque(enumerate(plans))
    #: by identity: two studies of one method and task may differ in seed or protocol
    active: dict[str, tuple[int, Study]] = {}
    running = 0
    with ExitStack() as owned:
        while waiting or active:
            interrupts.check()
            while running < jobs:
                job = next(filter(None, (s.next_job() for _, s in active.values())), None)
                if job is not None:
                    executor.submit(job)
                    running += 1
                elif waiting:
                    index, plan = waiting.popleft()
                    there = plan.finished()
                    if there is not None:
                        finished[index] = there
                        continue
                    path, _ = plan.result_path()
                    with naming_full(plan.journal.parent, plan.results):
                        storage = owned.enter_context(_storage(plan))
                        here = executor.environment(plan.device, plan.packages)
                        study = Study(plan, storage, path, keep_going=keep_going, here=here)
                    view.opened(study)
                    active[plan.identity] = (index, study)
                    _close_if_done(study, index, active, finished, view)
                else:
                    break
            event = executor.next_event(0.5) if running else None
            if event is None:
                continue
            if isinstance(event, Refused):
                raise event.error
            if isinstance(event, Ended):
                running -= 1
            if event.job.study not in active:  # a trial that ran while its study stopped
                continue
            index, study = active[event.job.study]
            if isinstance(event, Started):
                started[event.job.key] = time.monotonic()
            elif isinstance(event, Ended):
                seconds = time.monotonic() - started.pop(event.job.key, math.nan)
                with naming_full(study.plan.journal.parent, study.plan.results):
                    study.take(
                        event.job, event.outcome, None if math.isnan(seconds) else round(seconds, 3)
                    )
            view.event(study, event)
            _close_if_done(study, index, active, finished, view)
    return [finished[index] for index in range(len(plans))]


def _storage(plan: Plan) -> StudyStorage:
    return StudyStorage(plan.journal, plan.direction, plan.space)


def _close_if_done(
    study: Study,
    index: int,
    active: dict[str, tuple[int, Study]],
    finished: dict[int, Result | StudyStopped],
    view: View,
) -> None:
    ended = study.result or study.stopped
    if ended is not None:
        finished[index] = ended
        del active[study.plan.identity]
        view.closed(study)


def run(
    optimizer: str,
    task: str,
    *,
    regularizers: Sequence[str] = (),
    schedule: str | Sequence[str] | None = None,
    protocol: str = "quick",
    jobs: int | None = None,
    threads: int = 1,
    seed: int = 0,
    device: str = "auto",
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    force: bool = False,
    keep_going: bool = False,
    executor: Executor | None = None,
) -> Result:
    """Tune and evaluate one method on one task; returns the result, which is also a file.

    Names may be paths to files that are not in the repo; several schedules multiply. An interrupted
    study is resumed; for a finished one the result is read and returned, unless `force`, which
    restarts it; if that is interrupted, a run without `force` resumes it. `jobs` defaults to the
    number of CPU cores or GPUs, `device` to "cuda" for full tasks if there is a GPU. Raises
    `suite.SuiteError` with what to do; also if the first trial ends in an error of the method's
    code, unless `keep_going`.

    Each trial runs in its own process, unless there is an `executor`:
    `suite.execution.inline.InlineExecutor()` runs them in this one, where a debugger works.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs={jobs}: at least 1 trial at a time.")
    schedules = [schedule] if isinstance(schedule, str) else schedule or []
    plan = make_plan(
        make_method(optimizer, regularizers, schedules),
        find_task(task),
        get_protocol(protocol),
        seed=seed,
        device=device,
        threads=threads,
        results=Path(results),
        data=data_folder(data_dir),
    )
    plan.task.problem.prepare(plan.data)
    count = jobs or default_jobs(plan.device)
    per_device = 1 if jobs is None else None
    chosen = executor or LocalExecutor(count, Starter(threads, worker_log()), per_device)
    try:
        return run_studies([plan], chosen, count, Silent(), force=force, keep_going=keep_going)[0]
    finally:
        chosen.close()


def default_jobs(device: str, per_device: int = 1) -> int:
    """Trials at a time: so many on each GPU, otherwise one per core."""
    if device == "cuda":
        return max(1, len(gpus()) * per_device)
    if device != "cpu":
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
