"""Checks of a result against itself: what follows from the file's other fields, and how.

Each check is a pure function that yields what is wrong, with the field's place in the file. Results
that were migrated from schema 1 were made under other rules of a trial: no evaluation before the
first step, up to a tenth of the budget in addition to it, and a mean over points.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from suite.problems.score import Score
from suite.results.model import HeldOut, Replicate, Result, Run, SamplerRecord, TaskRecord
from suite.studies.protocol import PROTOCOLS
from suite.studies.tuning import best, sampler_record
from suite.training.seeds import derive

#: numbers are kept with six digits, and a score is rounded once more
_RELATIVE, _ABSOLUTE = 1e-5, 1e-9
#: costs are kept with three decimals of a gradient evaluation
_OF_A_BATCH = 0.002
#: the lowest cost of a batch: it is drawn and at most passed forward
_CHEAPEST = 1.0 / 3.0
#: clocks of two machines may differ
_CLOCKS = timedelta(hours=1)
#: operations counted per operation charged, above which a reason must be declared
_UNDERCHARGED = 1.2

Problems = Iterator[str]


def protocol_is_known(result: Result) -> Problems:
    """The rules are those of the protocol's name and version."""
    record = result.protocol
    known = PROTOCOLS.get(record.name)
    if known is None:
        if record.ranked:
            yield f"protocol: '{record.name}' is unknown, and yet to be ranked"
        return
    if record.version > known.version:
        yield (
            f"protocol.version: this suite knows {record.name} up to version {known.version}, the "
            f"file has {record.version}"
        )
    if record.version != known.version:
        return
    for field in ("replicates", "trials", "seeds", "generation", "budget_fraction", "ranked"):
        said, follows = getattr(record, field), getattr(known, field)
        if said != follows:
            yield (
                f"protocol.{field}: {record.name} version {record.version} has {follows}, the "
                f"file {said}"
            )
    sampler = sampler_record(known.sampler)
    said = record.sampler.model_copy(update={"version": sampler.version})
    if said != sampler:
        yield (
            f"protocol.sampler: {record.name} version {record.version} has {_in_words(sampler)}, "
            f"the file {_in_words(said)}"
        )
    installed = result.environment.packages.get(sampler.package, record.sampler.version)
    if record.sampler.version != installed:
        yield (
            f"protocol.sampler.version: {record.sampler.version} of {sampler.package}, of which "
            f"environment.packages has {installed}"
        )


def _in_words(sampler: SamplerRecord) -> str:
    return f"{sampler.name} of {sampler.package} with {sampler.arguments}"


def dates_are_possible(result: Result) -> Problems:
    """The study began before it ended, and it has ended."""
    times = {}
    for field in ("started", "finished"):
        text = getattr(result.environment, field)
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            yield f"environment.{field}: {text!r} is not a time of ISO 8601"
            return
        times[field] = time if time.tzinfo else time.replace(tzinfo=UTC)
    if times["started"] > times["finished"]:
        yield "environment.finished: is before the study started"
    if times["finished"] > datetime.now(UTC) + _CLOCKS:
        yield f"environment.finished: {result.environment.finished} is in the future"


def best_trial_is_chosen(result: Result) -> Problems:
    """Tuning chose the best validation score, the earliest among equals."""
    for place, replicate in _replicates(result):
        scores = [run.validation_score for run in replicate.tuning]
        follows = best(scores, result.task.higher_is_better)
        if replicate.chosen != follows:
            yield f"{place}.chosen: the file says {replicate.chosen}, the best trial is {follows}"


def first_trial_is_the_defaults(result: Result) -> Problems:
    """Trial 0 has the declared default of every hyperparameter."""
    defaults = {
        component.name: {name: space.default for name, space in component.search_space.items()}
        for component in result.method.components
    }
    for place, replicate in _replicates(result):
        said = replicate.tuning[0].hyperparameters
        if said != defaults:
            yield (
                f"{place}.tuning.0.hyperparameters: the file says {said}, the defaults are "
                f"{defaults}"
            )


def hyperparameters_are_in_the_space(result: Result) -> Problems:
    """Every run has every hyperparameter of the declared space, and each value is inside it."""
    spaces = {component.name: component.search_space for component in result.method.components}
    for place, run in _runs(result):
        said = run.hyperparameters
        if set(said) != set(spaces):
            yield f"{place}.hyperparameters: of {', '.join(said)}, not of {', '.join(spaces)}"
            continue
        for component, space in spaces.items():
            where = f"{place}.hyperparameters.{component}"
            if set(said[component]) != set(space):
                names = ", ".join(said[component])
                yield f"{where}: has {names or 'none'}, its space {', '.join(space) or 'none'}"
                continue
            for name, value in said[component].items():
                if not space[name].holds(value):
                    yield f"{where}.{name}: {value!r} is outside the search space"


def seeds_are_derived(result: Result) -> Problems:
    """A run's seed comes from its replicate's, the purpose and, in evaluation, its number."""
    for place, replicate in _replicates(result):
        for purpose, runs in replicate.by_purpose():
            for run in runs:
                number = 0 if purpose == "tuning" else run.number
                if run.seed != derive(replicate.seed, purpose, number):
                    yield (
                        f"{place}.{purpose}.{run.number}.seed: does not derive from the "
                        f"replicate's seed {replicate.seed}"
                    )


def scores_follow_from_curves(result: Result) -> Problems:
    """Scores, and the times to the target, are those of the curve."""
    for place, run in _runs(result):
        for field, said, follows in _recomputed(result, run):
            if not _same(said, follows):
                yield f"{place}.{field}: the file says {said}, its curve {follows}"


def curves_are_whole(result: Result) -> Problems:
    """Curves begin before training, never go back in time, and end where the budget does."""
    for place, run in _runs(result):
        for problem in _curve_problems(result, run):
            yield f"{place}.curve.{problem}"


def costs_agree(result: Result) -> Problems:
    """Examples, gradient evaluations, steps and seconds of a run agree, within the budget."""
    for place, run in _runs(result):
        for problem in _cost_problems(result, run):
            yield f"{place}.cost.{problem}"


def extra_work_is_declared(result: Result) -> Problems:
    """A method that computes more than it is charged for says why, and its costs are multiplied."""
    declared = any(component.extra_work for component in result.method.components)
    for place, run in _runs(result):
        audit, factor = run.cost.audit, run.cost.cost_factor
        slope = None if audit is None else audit.slope
        if run.status != "completed" or slope is None or slope <= _UNDERCHARGED:
            continue
        if not declared:
            yield (
                f"{place}.status: {slope:g} times the work that is charged, and no component "
                "declares extra work: that is undercharged, not completed"
            )
        elif factor < slope * (1 - _RELATIVE):
            yield f"{place}.cost.cost_factor: {factor:g}, for {slope:g} times the work"


def no_trial_is_pruned(result: Result) -> Problems:
    """The protocols here end no trial early; those of schema 1 did."""
    for place, run in _runs(result):
        if run.status == "pruned" and result.migrated_from != 1:
            yield f"{place}.status: pruned, and {result.protocol.name} prunes no trial"


def evaluations_differ(result: Result) -> Problems:
    """Two evaluation runs are not the same one, where the untrained model depends on the seed."""
    task = result.task
    untrained = {tuple(_values(run, "validation", task)[:1]) for _, run in _runs(result)}
    if len(untrained) < 2 or result.migrated_from == 1:
        return
    seen: dict[object, str] = {}
    for place, run in _runs(result):
        if run.test_score is None or run.status != "completed":
            continue
        curve = run.curve
        what = repr(
            [curve.train_loss, sorted(curve.validation.items()), sorted(curve.test.items())]
        )
        other = seen.setdefault(what, place)
        if other != place:
            yield f"{place}.curve: is that of {other}, which has another seed"


def measurements_are_possible(result: Result) -> Problems:
    """Steps take time, shares lie in [0, 1], and it is known what was measured with which code."""
    if result.migrated_from is not None:
        return
    for field in ("code", "packages"):
        if not getattr(result.environment, field):
            yield f"environment.{field}: is missing: which code made the result?"
    if result.data is None:
        yield "data: is missing"
    for place, run in _runs(result):
        if run.status == "completed" and run.cost.steps and not run.cost.seconds:
            yield f"{place}.cost.seconds: {run.cost.steps} steps took no time"
        for split in ("validation", "test"):
            for name, values in getattr(run.curve, split).items():
                if name.split("_")[-1] == "accuracy" and not all(0 <= v <= 1 for v in values):
                    yield f"{place}.curve.{split}.{name}: an accuracy lies between 0 and 1"


def charges_follow_from_the_audit(result: Result) -> Problems:
    """Every completed run was audited; its operations and its factor follow from that."""
    if result.migrated_from is not None:
        return
    may_grow = any(c.kind == "regularizer" for c in result.method.components)
    for place, run in _runs(result):
        cost, audit = run.cost, run.cost.audit
        if run.status != "completed":
            continue
        if audit is None:
            yield f"{place}.cost.audit: is missing: nobody counted what the method computes"
            continue
        operations = cost.examples * audit.example * (audit.slope or 0.0)
        if cost.operations is None or not math.isclose(
            cost.operations, operations, rel_tol=1e-4, abs_tol=1.0
        ):
            yield f"{place}.cost.operations: {cost.operations}, the audit makes {operations:g}"
        factor = audit.slope if audit.slope is not None and audit.slope > _UNDERCHARGED else 1.0
        if not may_grow and not _same(cost.cost_factor, factor):
            yield f"{place}.cost.cost_factor: {cost.cost_factor:g}, the audit makes {factor:g}"


CHECKS = (
    protocol_is_known,
    dates_are_possible,
    first_trial_is_the_defaults,
    hyperparameters_are_in_the_space,
    seeds_are_derived,
    curves_are_whole,
    costs_agree,
    scores_follow_from_curves,
    best_trial_is_chosen,
    extra_work_is_declared,
    no_trial_is_pruned,
    evaluations_differ,
    measurements_are_possible,
    charges_follow_from_the_audit,
)


def points_are_those_of_the_task(result: Result, evaluations: int) -> Problems:
    """A run that spent its budget has a point before training and one for each evaluation."""
    expected = 1 + evaluations
    for place, run in _runs(result):
        points = len(run.curve.gradient_evaluations)
        if run.status == "completed" and not _settled(result, run) and points != expected:
            yield f"{place}.curve: has {points} points, the task's evaluations make {expected}"


def score_of_schema_1(score: Score, at: Sequence[float], values: Sequence[float]) -> float:
    """A mean score as schema 1 defined it: over points, without regard to the cost between them."""
    return score.clip(math.fsum(values) / len(values))


def _replicates(result: Result) -> Iterator[tuple[str, Replicate]]:
    """Every replicate with its place in the file."""
    for number, replicate in enumerate(result.replicates):
        yield f"replicates.{number}", replicate


def _runs(result: Result) -> Iterator[tuple[str, Run]]:
    """Every run with its place in the file."""
    for place, replicate in _replicates(result):
        for purpose, runs in replicate.by_purpose():
            for run in runs:
                yield f"{place}.{purpose}.{run.number}", run


def _budget(task: TaskRecord) -> float:
    """The budget in gradient evaluations."""
    return task.budget / task.batch_size


def _score(task: TaskRecord) -> Score:
    return Score(task.score, task.metric, task.higher_is_better, task.worst, task.hold)


def _splits(run: Run) -> tuple[HeldOut, ...]:
    return ("validation",) if run.test_score is None else ("validation", "test")


def _values(run: Run, split: HeldOut, task: TaskRecord) -> list[float]:
    values: list[float] = getattr(run.curve, split).get(task.metric, [])
    return values


def _recomputed(result: Result, run: Run) -> Iterator[tuple[str, float | None, float | None]]:
    """Each score and time in the file, and the one that follows from the curve."""
    task, score, at = result.task, _score(result.task), run.curve.gradient_evaluations
    for split in _splits(run):
        said = run.validation_score if split == "validation" else run.test_score
        yield f"{split}_score", said, _score_of(result, run, split)
    reached = score.reached(at, _values(run, _splits(run)[-1], task), target=task.target)
    yield "time_to_target", run.time_to_target, reached
    seconds = run.seconds_to_target
    if reached is None:
        seconds = None
    elif run.curve.seconds:  # tuning runs do not keep them
        seconds = run.curve.seconds[at.index(reached)]
    yield "seconds_to_target", run.seconds_to_target, seconds


def _score_of(result: Result, run: Run, split: HeldOut) -> float:
    task, score = result.task, _score(result.task)
    budget, values = _budget(task), _values(run, split, task)
    if not run.succeeded or not values:
        return score.worst_score(budget)
    at = run.curve.gradient_evaluations
    if result.migrated_from == 1 and task.score == "mean":
        return score_of_schema_1(score, at, values)
    return score.read(at, values, target=task.target, budget=budget)


def _settled(result: Result, run: Run) -> bool:
    """Whether the run ended early because its score could no longer change."""
    task, at = result.task, run.curve.gradient_evaluations
    score = _score(task)
    return all(
        score.settled(at, _values(run, split, task), target=task.target) for split in _splits(run)
    )


def _curve_problems(result: Result, run: Run) -> Problems:
    at, seconds = run.curve.gradient_evaluations, run.curve.seconds
    completed, budget = run.status == "completed", _budget(result.task)
    if completed:
        for split in _splits(run):
            if not _values(run, split, result.task):
                yield f"{split}: a completed run has no values of {result.task.metric}"
                return
    if not at:
        return
    if run.test_score is not None and not (seconds and run.curve.train_loss):
        yield "seconds, train_loss: an evaluation run keeps them"
        return
    if any(later < earlier for earlier, later in itertools.pairwise([0.0, *seconds])):
        yield "seconds: must not fall"
    if at[0] < 0:
        yield "gradient_evaluations: begin below 0"
    if result.migrated_from == 1:
        if at[-1] > 1.1 * budget + 4:
            yield f"gradient_evaluations: end at {at[-1]:g}, the budget is {budget:g}"
        return
    if at[0] != 0:
        yield f"gradient_evaluations: begin at {at[0]:g}, not at 0 before training"
    if run.curve.train_loss and run.curve.train_loss[0] is not None:
        yield "train_loss: there is none before the first batch"
    if at[-1] > budget * (1 + _RELATIVE):
        yield f"gradient_evaluations: end at {at[-1]:g}, the budget is {budget:g}"
    if completed and len(at) < 2:
        yield "gradient_evaluations: a completed run has a point after training"
    if completed and not _settled(result, run) and budget - at[-1] > _room(run):
        yield f"gradient_evaluations: end at {at[-1]:g}, before the budget of {budget:g}"


def _room(run: Run) -> float:
    """How far before the budget a curve may end: the last step may not have fitted in.

    The rest is filled with the last measurement, except a part of the last interval.
    """
    at, cost = run.curve.gradient_evaluations, run.cost
    longest = max((b - a for a, b in itertools.pairwise(at)), default=0.0)
    step = cost.gradient_evaluations / cost.steps if cost.steps else 0.0
    return 2 * max(longest, step) * (1 + _RELATIVE) + _OF_A_BATCH


def _goes_on(run: Run, charged: float) -> bool:
    """Whether a metric changes after all that was charged: later points repeat the one before."""
    curve = run.curve
    first = bisect.bisect_right(curve.gradient_evaluations, charged)
    columns = [*curve.validation.values(), *curve.test.values()]
    return any(
        after != before
        for values in columns
        for before, after in itertools.pairwise(values[max(0, first - 1) :])
    )


def _cost_problems(result: Result, run: Run) -> Problems:
    cost, task, curve = run.cost, result.task, run.curve
    charged, budget = cost.gradient_evaluations, _budget(task)
    if abs(cost.examples / task.batch_size - charged) > _OF_A_BATCH + 1e-6 * charged:
        yield (
            f"gradient_evaluations: {charged:g} batches of {task.batch_size} are not "
            f"{cost.examples:g} examples"
        )
    migrated = result.migrated_from == 1
    limit = 1.1 * budget + 4 if migrated else budget * (1 + 1e-6) + _OF_A_BATCH
    if charged > limit:
        yield f"gradient_evaluations: {charged:g} were charged, the budget is {budget:g}"
    if cost.steps * _CHEAPEST * (1 - 1e-6) > charged + _OF_A_BATCH:
        yield f"steps: {cost.steps} cost more than the {charged:g} gradient evaluations charged"
    last = curve.gradient_evaluations[-1] if curve.gradient_evaluations else 0.0
    if not migrated and _goes_on(run, charged * (1 + _RELATIVE) + _OF_A_BATCH):
        yield f"gradient_evaluations: {charged:g} were charged, and the curve goes beyond them"
    if run.status != "completed":
        return
    if cost.steps == 0 and last > 0:
        yield "steps: none, but there is a curve"
    if migrated:
        if task.score != "time_to_target" and charged < 0.5 * budget:
            yield f"gradient_evaluations: {charged:g} of {budget:g} were charged"
    elif charged - last > _room(run):
        yield f"gradient_evaluations: {charged:g} were charged, the curve ends at {last:g}"
    if curve.seconds and cost.seconds < curve.seconds[-1] * (1 - 1e-3) - 1e-6:
        yield f"seconds: {cost.seconds:g}, the curve ends at {curve.seconds[-1]:g}"


def _same(said: float | None, follows: float | None) -> bool:
    if said is None or follows is None:
        return said is follows
    return math.isclose(said, follows, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
