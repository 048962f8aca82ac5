"""What the stored tuning trials say about a method: columns that cost no further run.

All scores here are validation scores, since a tuning run never touches test data, on the task's
frozen scale (0 untuned SGD, 1 tuned AdamW, both measured on test data). Trial 0 has the declared
defaults; the chosen trial is the best of all, so its validation score is optimistic, and so is the
gain by tuning. The defaults and the chosen trial are measured on the same validation data, with the
same seed, so they can be compared with each other, and one method's with another's.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard import references as frozen
from leaderboard.references import Reference
from leaderboard.statistics import CLIP, Floats
from suite.results.fields import Value
from suite.results.model import DistributionRecord, Replicate, Result, Run

#: the share of the scale that a trial may be short of tuned AdamW
SHORTFALL = 0.05
#: trials that a share of explained variance needs, so that it is not about noise alone
_FEWEST = 6


@dataclass(frozen=True)
class Effect:
    """The scores of a method's trials against one hyperparameter."""

    component: str
    name: str
    space: DistributionRecord
    #: value, scaled validation score clipped to `CLIP`, replicate seed and number of each trial
    values: list[Value]
    scores: list[float]
    replicates: list[int]
    trials: list[int]
    #: adjusted share of the scores' variance that a parabola in the value (its logarithm, if the
    #: space is logarithmic; the group means, if it is a choice) explains; None for too few trials
    explained: float | None


@dataclass(frozen=True)
class TuningFacts:
    """What the trials of one result say; means over replicates. None without a frozen scale."""

    #: scaled validation score of the declared defaults, and of the chosen trial
    out_of_the_box: float | None
    tuned: float | None
    #: what a trial drawn from the search space loses against the chosen one, in clipped scaled
    #: scores: 0 is a method that works with any hyperparameters
    sensitivity: float | None
    #: share of the tuning trials that did not complete
    failed: float
    effects: list[Effect]

    @property
    def gain(self) -> float | None:
        """What tuning adds to the defaults, in scaled validation scores; optimistic."""
        if self.tuned is None or self.out_of_the_box is None:
            return None
        return self.tuned - self.out_of_the_box


def tuning_facts(result: Result, reference: Reference | None) -> TuningFacts:
    """The columns of one result; `reference` is its task's scale, if there is one."""
    trials = result.tuning_runs
    failed = sum(not run.succeeded for run in trials) / len(trials)
    if reference is None:
        return TuningFacts(None, None, None, failed, [])
    scale = reference
    replicates = result.replicates

    def mean(runs: Iterable[Run]) -> float:
        return statistics.fmean(frozen.scaled(scale, run.validation_score) for run in runs)

    return TuningFacts(
        out_of_the_box=mean(replicate.tuning[0] for replicate in replicates),
        tuned=mean(replicate.chosen_run for replicate in replicates),
        sensitivity=_sensitivity(replicates, scale),
        failed=failed,
        effects=_effects(result, scale),
    )


def clipped(scaled: float) -> float:
    """A scaled score within `CLIP`."""
    return min(max(scaled, CLIP[0]), CLIP[1])


def _sensitivity(replicates: Iterable[Replicate], scale: Reference) -> float | None:
    """None if there is no trial beside the defaults."""
    losses = []
    for replicate in replicates:
        best = replicate.chosen_run.validation_score
        top = clipped(frozen.scaled(scale, best))
        drawn = replicate.tuning[1:]
        losses += [top - clipped(frozen.scaled(scale, run.validation_score)) for run in drawn]
    return statistics.fmean(losses) if losses else None


def trials_needed(result: Result, threshold: float) -> float:
    """The expected number of trials until one reaches a validation score, the defaults first.

    1 if the defaults reach it; otherwise 1 + 1 / p, where p is the share of the drawn trials of all
    replicates that reach it, since these are drawn alike (exactly so in the first generation of a
    study, which is all of `quick`). The mean over replicates; infinite if the defaults of one miss
    and no drawn trial ever reaches it.
    """
    higher = result.task.higher_is_better

    def reaches(run: Run) -> bool:
        score = run.validation_score
        return run.succeeded and (score >= threshold if higher else score <= threshold)

    drawn = [run for replicate in result.replicates for run in replicate.tuning[1:]]
    share = sum(map(reaches, drawn)) / len(drawn) if drawn else 0.0
    more = 1 / share if share else math.inf
    needed = [1 if reaches(each.tuning[0]) else 1 + more for each in result.replicates]
    return statistics.fmean(needed)


def tuned_threshold(baseline: Result, reference: Reference) -> float:
    """The validation score within `SHORTFALL` of the scale of tuned AdamW's on the same board."""
    chosen = [each.chosen_run.validation_score for each in baseline.replicates]
    tuned = statistics.fmean(chosen)
    return tuned - SHORTFALL * (reference.tuned.mean - reference.untuned.mean)


def calibrated_step(result: Result) -> float | None:
    """Time of a training step in units of a bare AdamW step's in the same process.

    The median over completed runs; None without one. A step may draw several batches or evaluate
    several gradients: that is part of it.
    """
    ratios = [
        run.cost.step_cost
        for replicate in result.replicates
        for run in replicate.runs
        if run.status == "completed" and run.cost.step_cost
    ]
    return statistics.median(ratios) if ratios else None


def _effects(result: Result, scale: Reference) -> list[Effect]:
    tried = [(each.seed, run) for each in result.replicates for run in each.tuning]
    found = []
    for component in result.method.components:
        for name, space in component.search_space.items():
            used = [
                (run.hyperparameters[component.name][name], seed, run)
                for seed, run in tried
                if name in run.hyperparameters.get(component.name, {})
                and space.holds(run.hyperparameters[component.name][name])
            ]
            values = [value for value, _, _ in used]
            scores = [clipped(frozen.scaled(scale, run.validation_score)) for _, _, run in used]
            found.append(
                Effect(
                    component.name,
                    name,
                    space,
                    values,
                    scores,
                    replicates=[seed for _, seed, _ in used],
                    trials=[run.number for _, _, run in used],
                    explained=_explained(space, values, scores),
                )
            )
    return found


def _explained(
    space: DistributionRecord, values: Sequence[Value], scores: Sequence[float]
) -> float | None:
    if len(scores) < _FEWEST:
        return None
    design = _design(space, values)
    spare = len(scores) - design.shape[1]
    total = float(np.var(scores)) * len(scores) if scores else 0.0
    if spare < 1:
        return None
    if total == 0.0:
        return 0.0  # no hyperparameter changes a score that never changes
    target = np.asarray(scores)
    rest = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    unexplained = float(np.dot(rest, rest)) / spare
    return float(max(0.0, 1 - unexplained / (total / (len(scores) - 1))))


def _design(space: DistributionRecord, values: Sequence[Value]) -> Floats:
    """The regressors: (trials, 3) for a number, (trials, values that occur) for a choice."""
    if space.kind == "choice":
        kinds = sorted({repr(value) for value in values})
        return np.array([[repr(value) == kind for kind in kinds] for value in values], float)
    numbers = np.array([float(value) for value in values])
    if space.kind == "log_uniform":
        numbers = np.log(numbers)
    width = np.ptp(numbers) if len(numbers) else 0.0
    place = (numbers - numbers.min()) / width if width else np.zeros(len(numbers))
    return np.stack([np.ones(len(place)), place, place**2], axis=1)
