"""Runs on two cheap tasks: a trial each, with the defaults, compared with the untuned reference."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.checking.grounds import grounds
from suite.checking.subject import Subject
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk
from suite.components.method import Method
from suite.components.registry import Component
from suite.execution.executor import Ended, Event, Executor, Job, Refused
from suite.problems.task import Task
from suite.results.model import Run
from suite.studies.plan import make_plan
from suite.studies.protocol import PROTOCOLS

#: seconds that a trial may take
LIMIT = 25.0
#: a task counts as cheap up to this number of seconds of a tuned trial
CHEAP = 1.0
RUNS = 2
_NOT_APPLICABLE = "NotApplicable"


@dataclass(frozen=True)
class Scale:
    """What the scores of a task mean: mean scores of the untuned reference and of a tuned one."""

    task: Task
    untuned: float
    tuned: float
    #: seconds of a trial
    seconds: float


def cheap(scales: Iterable[Scale]) -> list[Scale]:
    """The tasks that a quick look can afford: core tasks and few steps first, families in turn."""
    found = [
        scale
        for scale in scales
        if scale.task.track == "mini" and not scale.task.problem.needs and scale.seconds <= CHEAP
    ]
    found.sort(key=lambda s: (not s.task.core, s.task.gradient_evaluations, s.task.name))
    families = {family: i for i, family in enumerate(dict.fromkeys(s.task.family for s in found))}
    turns: dict[str, int] = {}
    keyed = []
    for scale in found:
        turn = turns[scale.task.family] = turns.get(scale.task.family, -1) + 1
        keyed.append(((turn, families[scale.task.family]), scale))
    return [scale for _, scale in sorted(keyed, key=lambda pair: pair[0])]


def suited(component: Component, scales: Sequence[Scale]) -> list[Scale]:
    """The order in which tasks are tried: a stream first for a method that is told of changes."""
    single = [s for s in scales if not s.task.stream]
    told = [s for s in scales if s.task.stream and s.task.problem.boundaries_known]
    if follows_tasks(component):
        return [*told[:1], *single, *told[1:]]
    return [*single, *told]


def follows_tasks(component: Component) -> bool:
    """Whether a component does something when a stream's task changes."""
    subject = Subject(component)
    stream = next(task for task in grounds() if task.stream)
    with subject.registered(stream):
        try:
            parts = Walk(subject.ways[0], stream).parts
        except Exception:  # the checks report it
            return False
    hook = "on_task_change"
    return hasattr(parts.optimizer, hook) or any(r.overrides(hook) for r in parts.regularizers)


class Runs:
    """The trials of one component, under way while it is checked."""

    def __init__(
        self,
        component: Component,
        around: Component | None,
        scales: Sequence[Scale],
        executor: Executor,
        data: Path,
    ) -> None:
        kept = around is not None and component.kind != "optimizer"
        self._method = Method((around, component) if kept and around else (component,))
        self._waiting = deque(suited(component, scales))
        self._executor = executor
        self._data = data
        #: by the job's study: the scale of its task
        self._running: dict[str, Scale] = {}
        for _ in range(RUNS):
            self._submit()

    def _submit(self) -> None:
        if not self._waiting:
            return
        scale = self._waiting.popleft()
        plan = make_plan(
            self._method,
            scale.task,
            PROTOCOLS["quick"],
            seed=0,
            device="cpu",
            threads=1,
            results=Path("unused"),
            data=self._data,
        )
        trial = plan.trial(0, "evaluation", 0, self._method.defaults)
        study = f"check of {self._method.name} on {scale.task.name}"
        self._running[study] = scale
        self._executor.submit(Job(study, trial, scale.task, LIMIT))

    def verdicts(self) -> Iterator[Verdict]:
        """A verdict on each run, when it has ended."""
        refused: list[Verdict] = []
        done = 0
        while self._running:
            event = self._executor.next_event(0.5)
            scale = self._ended(event)
            if scale is None:
                continue
            verdict = self._verdict(event, scale)
            if verdict.outcome == "not applicable":
                refused.append(verdict)
                self._submit()  # another task in its place
                continue
            done += 1
            yield verdict
        if not done:
            yield from refused[:RUNS]

    def _ended(self, event: Event | None) -> Scale | None:
        if isinstance(event, (Ended, Refused)):
            return self._running.pop(event.job.study, None)
        return None

    def _verdict(self, event: Event | None, scale: Scale) -> Verdict:
        title = f"task {scale.task.name}"
        if isinstance(event, Refused):
            return Verdict(title, "problem", str(event.error))
        assert isinstance(event, Ended)
        run = event.outcome.run
        reason = run.reason or ""
        if reason.startswith(_NOT_APPLICABLE):
            return Verdict(title, "not applicable", reason.partition(": ")[2])
        if run.status == "timeout":
            seen = f"has not ended after {LIMIT:g} s: too slow to be looked at here"
            return Verdict(title, "warning", seen, "See `time of a step`.")
        if run.status == "diverged":
            return Verdict(title, "warning", f"diverged: {reason}", "Choose defaults that do not.")
        if run.status != "completed":
            return Verdict(title, "problem", f"{run.status}: {reason}", "See the line it names.")
        return _compared(title, run, scale)


def _compared(title: str, run: Run, scale: Scale) -> Verdict:
    assert run.test_score is not None
    share = (run.test_score - scale.untuned) / (scale.tuned - scale.untuned)
    beats = "beats" if share > 0 else "does not beat"
    seen = (
        f"{beats} the untuned reference: {run.test_score:.4g} against {scale.untuned:.4g}, "
        f"{share:.2f} on the task's scale, with the defaults and one seed"
    )
    cure = "" if share > 0 else "No defect in itself: see whether the defaults suit such tasks."
    return Verdict(title, "ok" if share > 0 else "warning", seen, cure)
