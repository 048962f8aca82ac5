"""Whether a result says what follows from it: scores from curves, and a protocol from its name.

A digest only shows that nobody edited a file; it is no secret, and a file can be sealed anew. What
is checked here anybody can recompute.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from suite.errors import InvalidResult
from suite.problems.score import Score
from suite.results.model import ProtocolRecord, Result, Run, TaskRecord
from suite.studies.protocol import PROTOCOLS

#: numbers are kept with six digits, and a score is rounded once more
_RELATIVE, _ABSOLUTE = 1e-5, 1e-9


def check_consistency(result: Result) -> None:
    """Raise InvalidResult with the first field that does not follow from the others."""
    _check_protocol(result.protocol)
    for purpose, runs in (("tuning", result.tuning), ("evaluation", result.evaluation)):
        for run in runs:
            for field, said, follows in _recomputed(result.task, run):
                if not _same(said, follows):
                    raise InvalidResult(
                        f"{purpose}.{run.number}.{field}: the file says {said}, its curve {follows}"
                    )


def _check_protocol(record: ProtocolRecord) -> None:
    known = PROTOCOLS.get(record.name)
    if known is None:
        if record.ranked:
            raise InvalidResult(f"protocol: '{record.name}' is unknown, and yet to be ranked")
        return
    if record.version > known.version:
        raise InvalidResult(
            f"protocol.version: this suite knows {record.name} up to version {known.version}, the "
            f"file has {record.version}"
        )
    if record.version < known.version:
        return
    for field in ("trials", "seeds", "generation", "budget_fraction", "ranked"):
        said, follows = getattr(record, field), getattr(known, field)
        if said != follows:
            raise InvalidResult(
                f"protocol.{field}: {record.name} version {record.version} has {follows}, the "
                f"file {said}"
            )


def _recomputed(task: TaskRecord, run: Run) -> Iterator[tuple[str, float | None, float | None]]:
    """Each score, and the time to target, as the file says it and as its curve does."""
    score = Score(task.score, task.metric, task.higher_is_better, task.worst, task.hold)
    splits = {"validation": run.validation_score}
    if run.test_score is not None:
        splits["test"] = run.test_score
    for split, said in splits.items():
        yield f"{split}_score", said, _score_of(run, split, task, score)
    values = _values(run, list(splits)[-1], task)
    at = run.curve.gradient_evaluations
    yield "time_to_target", run.time_to_target, score.reached(at, values, target=task.target)


def _score_of(run: Run, split: str, task: TaskRecord, score: Score) -> float:
    budget = task.budget / task.batch_size
    values = _values(run, split, task)
    if run.status not in ("completed", "pruned") or not values:
        return score.worst_score(budget)
    at = run.curve.gradient_evaluations
    return score.read(at, values, target=task.target, budget=budget)


def _values(run: Run, split: str, task: TaskRecord) -> list[float]:
    values: list[float] = getattr(run.curve, split).get(task.metric, [])
    return values


def _same(said: float | None, follows: float | None) -> bool:
    if said is None or follows is None:
        return said is follows
    return math.isclose(said, follows, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
