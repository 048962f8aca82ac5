"""Rankings on a task: every method's rank, with its uncertainty and its cost.

A method's rank is 1 + the number of methods whose bootstrap interval of the mean test score is
completely better than its own. Overlap is not transitive: two methods whose intervals overlap
have different ranks if a third is completely better than only one of them. A method whose
evaluation runs all failed ranks after all methods with a run that did not fail.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from leaderboard import references as frozen
from leaderboard.references import Reference, References
from leaderboard.selection import Group, select
from leaderboard.statistics import Interval
from leaderboard.statistics.retired import generator, mean_interval
from suite.results.frames import Stored
from suite.results.model import ProtocolRecord, Result, Run, TaskRecord


@dataclass(frozen=True)
class Entry:
    """One method on one task under one protocol; numbers are over its evaluation runs."""

    stored: Stored
    #: mean raw test score with its interval
    raw: Interval
    #: the same on the task's frozen scale, and each run's; None without a reference
    scaled: Interval | None
    scaled_scores: list[float] | None
    #: mean of the metric at the last evaluation on test data, over completed runs, and their number
    metric: float | None
    metric_runs: int
    #: gradient evaluations, one per run; infinite where the target was missed; not for streams
    times_to_target: list[float]
    #: medians over completed runs, None without one: a run that ended early would look fast
    gradient_evaluations: float | None
    seconds: float | None
    #: completed runs that ended no better than they were before training
    not_learning: int
    #: runs that did not complete, by status, tuning runs included
    failures: Counter[str]
    #: no evaluation run completed
    failed: bool
    rank: int | None = None
    #: why it has no rank
    note: str = ""

    @property
    def result(self) -> Result:
        """The whole result."""
        return self.stored.result

    @property
    def method(self) -> str:
        """The method's name."""
        return self.stored.result.method.name

    @property
    def runs(self) -> int:
        """How many evaluation runs there are, failed ones included."""
        return len(self.result.evaluation)

    @property
    def reached(self) -> int:
        """Runs that reached the target."""
        return sum(math.isfinite(time) for time in self.times_to_target)

    @property
    def time_to_target(self) -> float:
        """Median over runs, infinite if half of them or more missed."""
        return statistics.median(self.times_to_target)

    @property
    def remark(self) -> str:
        """Why it has no rank, whether its runs learned, and what data it kept."""
        learning = stored = ""
        if self.not_learning:
            learning = f"not learning ({self.not_learning} of {self.runs} runs)"
        if self.stored_examples:
            stored = f"stores up to {self.stored_examples} training examples"
        return "; ".join(filter(None, (self.note, learning, stored)))

    @property
    def stored_examples(self) -> int:
        """The most training examples that the method may keep for replay."""
        return max(run.cost.stored_examples for run in self.result.evaluation)

    @property
    def default(self) -> Run:
        """The tuning run with the declared defaults."""
        return self.result.tuning[0]

    @property
    def tuned(self) -> Run:
        """The tuning run that was chosen."""
        return self.result.tuning[self.result.chosen]


@dataclass(frozen=True)
class TaskStanding:
    """All methods on one task under one protocol."""

    task: TaskRecord
    protocol: ProtocolRecord
    #: of this task version, or None
    reference: Reference | None
    #: why scores are raw, if they are
    reference_note: str
    #: best first; empty if the protocol is never ranked
    ranked: list[Entry] = field(default_factory=list)
    #: each with its note
    unranked: list[Entry] = field(default_factory=list)

    @property
    def stream(self) -> bool:
        """Whether the task is a stream: its first, easy part alone would reach the target."""
        return self.task.stream is True

    @property
    def entries(self) -> list[Entry]:
        """The ranked, then the unranked."""
        return [*self.ranked, *self.unranked]


def task_standing(group: Group, references: References) -> TaskStanding:
    """Rank the comparable results of a group."""
    task, protocol = group.task, group.protocol
    reference, note = _reference(group, references)
    apart = [replace(entry_of(item, reference), note=reason) for item, reason in group.apart]
    entries = [entry_of(item, reference) for item in group.comparable]
    if not protocol.ranked:
        rule = f"the protocol {protocol.name} is never ranked"
        apart = [*(replace(entry, note=rule) for entry in entries), *apart]
        entries = []
    sign = 1 if task.higher_is_better else -1
    ranked = [replace(entry, rank=_rank(entry, entries, sign)) for entry in entries]
    ranked.sort(key=lambda entry: (entry.rank, -sign * entry.raw.value, entry.method))
    apart.sort(key=lambda entry: entry.method)
    return TaskStanding(task, protocol, reference, note, ranked, apart)


def _reference(group: Group, references: References) -> tuple[Reference | None, str]:
    task = group.task
    reference = references.get(task.name)
    if reference is None:
        return None, "there is no frozen reference for this task: raw scores only"
    if reference.task_version != task.version:
        return None, (
            f"the frozen reference is of task version {reference.task_version}, these results "
            f"are of version {task.version}: raw scores only"
        )
    if not all(_on_data_of(reference, item.result) for item in group.comparable):
        return None, "the frozen reference is on other data than these results: raw scores only"
    return reference, ""


def _on_data_of(reference: Reference, result: Result) -> bool:
    return result.data is None or result.data.fingerprint == reference.data_fingerprint


def entry_of(stored: Stored, reference: Reference | None) -> Entry:
    """A result's numbers, not ranked yet."""
    result, runs = stored.result, stored.result.evaluation
    scores = [run.test_score for run in runs if run.test_score is not None]
    name = (result.task.name, result.method.name, result.protocol.name)
    raw = mean_interval(scores, generator("score", *name))
    scaled, scaled_scores = None, None
    same_version = reference is not None and reference.task_version == result.task.version
    if reference is not None and same_version and _on_data_of(reference, result):
        scaled_scores = [frozen.scaled(reference, score) for score in scores]
        ends = sorted(frozen.scaled(reference, end) for end in (raw.low, raw.high))
        scaled = Interval(frozen.scaled(reference, raw.value), ends[0], ends[1])
    done = [run for run in runs if run.status == "completed"]
    metrics = [run.curve.test.get(result.task.metric, []) for run in done]
    last = [values[-1] for values in metrics if values]
    missed = math.inf
    times = [missed if run.time_to_target is None else run.time_to_target for run in runs]
    return Entry(
        stored=stored,
        raw=raw,
        scaled=scaled,
        scaled_scores=scaled_scores,
        metric=statistics.fmean(last) if last else None,
        metric_runs=len(last),
        times_to_target=times,
        gradient_evaluations=_median(done, lambda run: run.cost.gradient_evaluations),
        seconds=_median(done, lambda run: run.cost.seconds),
        not_learning=sum(run.learned(result.task) is False for run in runs),
        failures=Counter(run.status for run in result.failed),
        failed=not any(run.succeeded for run in runs),
    )


def _median(runs: list[Run], read: Callable[[Run], float]) -> float | None:
    return statistics.median(map(read, runs)) if runs else None


def _rank(entry: Entry, entries: list[Entry], sign: int) -> int:
    if entry.failed:
        return 1 + sum(not other.failed for other in entries)
    return 1 + sum(not o.failed and wholly_better(o.raw, entry.raw, sign) for o in entries)


def wholly_better(mine: Interval, theirs: Interval, sign: int = 1) -> bool:
    """Whether `mine` is completely better; `sign` is -1 if lower is better."""
    return mine.low > theirs.high if sign > 0 else mine.high < theirs.low


def task_standings(
    stored: Iterable[Stored], references: References | None = None
) -> list[TaskStanding]:
    """The rankings of every task and protocol in some results."""
    references = frozen.load() if references is None else references
    groups, _ = select(stored, references)
    return [task_standing(group, references) for group in groups]
