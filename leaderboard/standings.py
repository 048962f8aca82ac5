"""Standings on a task: every method's score, the ranks that it may have, and what it costs.

The unit is the replicate: a method's score is the mean over its replicates, and its interval is
computed from them, with the variance that the methods of the task share. Methods are in order of
their scores. A method's ranks are a range, by the verdicts of `leaderboard.statistics` on all
pairs: from 1 + the number of methods that are better, to the number of methods that are not worse.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from leaderboard import references as frozen
from leaderboard.references import Reference, References
from leaderboard.selection import BASELINE, Group, method_of, select
from leaderboard.statistics import (
    Comparisons,
    Interval,
    Pair,
    Prior,
    Rank,
    Verdict,
    mean_interval,
    pool,
    task_comparisons,
)
from leaderboard.tuning import (
    TuningFacts,
    calibrated_step,
    trials_needed,
    tuned_threshold,
    tuning_facts,
)
from suite.results.frames import Stored
from suite.results.model import ProtocolRecord, Result, Run, TaskRecord

#: protocols whose few trials and replicates decide little
PRELIMINARY = ("quick",)


@dataclass(frozen=True)
class Standing:
    """How a ranked method compares with the others on the task."""

    #: the best and the worst rank that it may have
    ranks: Rank
    #: no other method is better
    may_be_best: bool
    #: its raw score minus tuned AdamW's under the same protocol, with interval and verdict; None
    #: for AdamW itself and where AdamW is not ranked
    against_adamw: Pair | None

    @property
    def verdict(self) -> Verdict | None:
        """Against tuned AdamW: better, worse or tied."""
        return None if self.against_adamw is None else self.against_adamw.verdict


@dataclass(frozen=True)
class Entry:
    """One method on one task under one protocol."""

    stored: Stored
    #: raw test score of each replicate, by the replicate's seed
    scores: dict[int, float]
    #: mean raw test score with its interval
    raw: Interval
    #: the same on the task's frozen scale, and each replicate's; None without a reference
    scaled: Interval | None
    scaled_scores: list[float] | None
    #: mean of the metric at the last evaluation on test data, over completed runs, and their number
    metric: float | None
    metric_runs: int
    #: gradient evaluations, one per run; infinite where the target was missed; not for streams
    times_to_target: list[float]
    #: medians over completed runs, None without one: a run that ended early would look fast
    gradient_evaluations: float | None
    #: seconds of a training step relative to those of AdamW on this task, both in units of a bare
    #: AdamW step that was timed in the same process; None if not measured, or without AdamW
    step_cost: float | None
    #: what the stored trials say: out of the box, gain by tuning, sensitivity, failed trials
    tuning: TuningFacts
    #: expected number of trials until within 5% of tuned AdamW; None without AdamW on the board
    trials_needed: float | None
    #: completed evaluation runs that ended no better than they were before training
    not_learning: int
    #: runs that did not complete, by status, tuning runs included
    failures: Counter[str]
    #: no evaluation run completed
    failed: bool
    #: None if it has no rank
    standing: Standing | None = None
    #: why it has no rank
    note: str = ""

    @property
    def result(self) -> Result:
        """The whole result."""
        return self.stored.result

    @property
    def method(self) -> str:
        """The method's name, as it is shown: `adamw@constant` is `adamw`."""
        return method_of(self.stored.result)

    @property
    def evaluation(self) -> list[Run]:
        """The evaluation runs of all replicates, failed ones included."""
        return self.result.evaluation_runs

    @property
    def runs(self) -> int:
        """How many of them there are."""
        return len(self.evaluation)

    @property
    def rank(self) -> int | None:
        """The best rank that it may have; None if it is not ranked."""
        return None if self.standing is None else self.standing.ranks.low

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
        return max(run.cost.stored_examples for run in self.evaluation)


@dataclass(frozen=True)
class TaskStanding:
    """All methods on one task under one protocol."""

    task: TaskRecord
    protocol: ProtocolRecord
    #: of this task version, or None
    reference: Reference | None
    #: why scores are raw, if they are
    reference_note: str
    #: best score first; empty if the protocol is never ranked
    ranked: list[Entry] = field(default_factory=list)
    #: each with its note
    unranked: list[Entry] = field(default_factory=list)
    #: every pair of ranked methods, on raw scores; None if none is ranked
    comparisons: Comparisons | None = None

    @property
    def stream(self) -> bool:
        """Whether the task is a stream: its first, easy part alone would reach the target."""
        return self.task.stream is True

    @property
    def preliminary(self) -> bool:
        """Whether its protocol has too few replicates to decide much."""
        return self.protocol.name in PRELIMINARY

    @property
    def entries(self) -> list[Entry]:
        """The ranked, then the unranked."""
        return [*self.ranked, *self.unranked]

    @property
    def baseline(self) -> Entry | None:
        """AdamW, if it is ranked."""
        return next((entry for entry in self.ranked if entry.method == BASELINE), None)


def task_standing(group: Group, references: References) -> TaskStanding:
    """Rank the comparable results of a group."""
    task, protocol = group.task, group.protocol
    reference, note = _reference(group, references)
    adamw = next((r.result for r in group.comparable if method_of(r.result) == BASELINE), None)
    scale = _Scale(reference, _prior(group), adamw)
    apart = [replace(entry_of(item, scale), note=reason) for item, reason in group.apart]
    entries = [entry_of(item, scale) for item in group.comparable]
    if not protocol.ranked:
        rule = f"the protocol {protocol.name} is never ranked"
        apart = [*(replace(entry, note=rule) for entry in entries), *apart]
        entries = []
    apart.sort(key=lambda entry: entry.method)
    if not entries:
        return TaskStanding(task, protocol, reference, note, [], apart)
    found = compare_entries(entries)
    place = found.methods.index
    entries.sort(key=lambda entry: (entry.failed, place(entry.method)))
    ranked = [replace(entry, standing=_standing(entry.method, found)) for entry in entries]
    return TaskStanding(task, protocol, reference, note, ranked, apart, found)


def compare_entries(entries: Iterable[Entry], among: Collection[str] | None = None) -> Comparisons:
    """Every pair of some entries on one task, or of those named; all share their variance."""
    entries = list(entries)
    task = entries[0].result.task
    return task_comparisons(
        {entry.method: list(entry.scores.values()) for entry in entries},
        higher_is_better=task.higher_is_better,
        bounds=score_bounds(task),
        among=among,
    )


def score_bounds(task: TaskRecord) -> tuple[float, float]:
    """The range that a raw score can have: `worst` is one end, the other is known for some."""
    if task.score == "time_to_target":
        return 0.0, task.worst
    best = 1.0 if task.metric == "accuracy" else math.inf
    return (task.worst, best) if task.higher_is_better else (-best, task.worst)


def _standing(method: str, found: Comparisons) -> Standing:
    pair = None
    if method != BASELINE and BASELINE in found.methods:
        pair = found.pair(method, BASELINE)
    rank = found.ranks[method]
    return Standing(rank, method in found.may_be_best, pair)


@dataclass(frozen=True)
class _Scale:
    """What a task's results have in common."""

    reference: Reference | None
    #: of the variance of a method's scores
    prior: Prior
    #: AdamW's result, if it is ranked
    adamw: Result | None

    def trials_needed(self, result: Result) -> float | None:
        """Expected trials until within 5% of tuned AdamW."""
        if self.adamw is None or self.reference is None:
            return None
        return trials_needed(result, tuned_threshold(self.adamw, self.reference))

    def step_cost(self, result: Result) -> float | None:
        """Seconds of a step relative to AdamW's."""
        mine = calibrated_step(result)
        theirs = None if self.adamw is None else calibrated_step(self.adamw)
        return mine / theirs if mine is not None and theirs else None


def _prior(group: Group) -> Prior:
    scores = [list(replicate_scores(item.result).values()) for item in group.comparable]
    if not scores or len(scores[0]) < 2:
        return Prior(0.0, 0.0)
    return pool([np.var(each, ddof=1) for each in scores], len(scores[0]) - 1)


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


def _fits(reference: Reference, result: Result) -> bool:
    return reference.task_version == result.task.version and _on_data_of(reference, result)


def _on_data_of(reference: Reference, result: Result) -> bool:
    return result.data is None or result.data.fingerprint == reference.data_fingerprint


def entry_of(stored: Stored, shared: _Scale) -> Entry:
    """A result's numbers, not ranked yet."""
    result, reference = stored.result, shared.reference
    runs = result.evaluation_runs
    scores = replicate_scores(result)
    raw = mean_interval(list(scores.values()), shared.prior, bounds=score_bounds(result.task))
    scale = reference if reference is not None and _fits(reference, result) else None
    scaled, scaled_scores = None, None
    if scale is not None:
        scaled_scores = [frozen.scaled(scale, score) for score in scores.values()]
        ends = sorted(frozen.scaled(scale, end) for end in (raw.low, raw.high))
        scaled = Interval(frozen.scaled(scale, raw.value), ends[0], ends[1])
    done = [run for run in runs if run.status == "completed"]
    metrics = [run.curve.test.get(result.task.metric, []) for run in done]
    last = [values[-1] for values in metrics if values]
    missed = math.inf
    return Entry(
        stored=stored,
        scores=scores,
        raw=raw,
        scaled=scaled,
        scaled_scores=scaled_scores,
        metric=statistics.fmean(last) if last else None,
        metric_runs=len(last),
        times_to_target=[missed if r.time_to_target is None else r.time_to_target for r in runs],
        gradient_evaluations=_median(done, lambda run: run.cost.gradient_evaluations),
        step_cost=shared.step_cost(result),
        tuning=tuning_facts(result, scale),
        trials_needed=shared.trials_needed(result),
        not_learning=sum(run.learned(result.task) is False for run in runs),
        failures=Counter(run.status for run in result.failed),
        failed=not any(run.succeeded for run in runs),
    )


def replicate_scores(result: Result) -> dict[int, float]:
    """Raw test score of each replicate, by the replicate's seed."""
    return {replicate.seed: replicate.score for replicate in result.replicates}


def _median(runs: list[Run], read: Callable[[Run], float]) -> float | None:
    return statistics.median(map(read, runs)) if runs else None


def task_standings(
    stored: Iterable[Stored], references: References | None = None
) -> list[TaskStanding]:
    """The rankings of every task and protocol in some results."""
    references = frozen.load() if references is None else references
    groups, _ = select(stored, references)
    return [task_standing(group, references) for group in groups]
