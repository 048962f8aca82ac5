"""Checks of a diagnostic: it is tried on snapshots of short runs on every ground."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import torch

from suite.checking.grounds import grounds
from suite.checking.verdict import Verdict
from suite.diagnostics.declaration import Diagnostic, Values
from suite.diagnostics.measuring import Ground, measure
from suite.diagnostics.probe import Probe
from suite.diagnostics.record import Probed
from suite.diagnostics.snapshots import Snapshot, Snapshots
from suite.problems.streams import TaskStream
from suite.problems.task import Task
from suite.training.evaluator import ModuleHooks
from suite.training.operations import counter

#: a measure may compute so much more than its cost says, in gradient evaluations
_ROOM, _FACTOR = 0.5, 1.5
_SEED = 3


@dataclasses.dataclass(frozen=True)
class Film:
    """The snapshots of a short run, and what they were taken of."""

    snapshots: tuple[Snapshot, ...]
    points: int
    ground: Ground


@functools.cache
def film(task: Task, points: int = 4) -> Film:
    """A short run of Adam on a ground."""
    problem = task.problem
    torch.manual_seed(_SEED)
    data = problem.data(Path(), torch.Generator().manual_seed(_SEED))
    model = problem.model()
    batches = problem.batches(data.train, task.batch_size, torch.Generator().manual_seed(_SEED))
    stream = batches if isinstance(batches, TaskStream) else None
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    steps = task.budget // task.batch_size
    interval = task.budget / task.evaluations
    taken = Snapshots(points, task.evaluations, interval, task.batch_size)
    taken.begin(model, optimizer, stream=stream is not None)
    taken.take(0, 0.0, task.budget, 0, last=False)
    for step in range(steps):
        spent = step * task.batch_size
        if stream is not None:
            stream.progress = spent / task.budget
        taken.step_begins(spent, step)
        batch = next(batches)
        taken.drawn(batch)
        model.train()
        optimizer.zero_grad()
        problem.criterion(model(batch[0]), batch[1]).backward()
        optimizer.step()
        taken.last_cost = task.batch_size
        spent += task.batch_size
        if spent % interval == 0:
            taken.take(round(spent / interval), spent, task.budget, step + 1, last=False)
    hooks = ModuleHooks(model)
    ground = Ground(task, model, hooks, data.train, _SEED, "cpu", stream is not None)
    return Film(tuple(taken.taken), task.evaluations + 1, ground)


def tried(diagnostic: Diagnostic, task: Task) -> Probed:
    """What a diagnostic finds on a ground."""
    shown = film(task)
    return measure([diagnostic], shown.snapshots, shown.points, shown.ground)


def check_diagnostic(diagnostic: Diagnostic) -> Iterator[Verdict]:
    """Everything that a diagnostic must do."""
    found = {task.summary: tried(diagnostic, task) for task in grounds()}
    yield _measures(diagnostic, found)
    again = {task.summary: tried(diagnostic, task).columns for task in grounds()}
    differing = [place for place, probed in found.items() if probed.columns != again[place]]
    if differing:
        yield Verdict(
            "repeats",
            "problem",
            f"another value when it looks again at {differing[0]}",
            "Draw random numbers from `probe.generator`, and keep what you need in `probe.kept`.",
        )
    else:
        yield Verdict("repeats", "ok", "the same values when it looks again")
    yield _price(diagnostic)


def _measures(diagnostic: Diagnostic, found: dict[str, Probed]) -> Verdict:
    name = diagnostic.name
    for place, probed in found.items():
        note = probed.notes.get(name, "")
        if note and not note.startswith(("not applicable", "not finite")):
            return Verdict("measures", "problem", f"{place}: {note}", "See the line that is named.")
    works = [place for place, probed in found.items() if probed.columns]
    if not works:
        reason = next(iter(found.values())).notes.get(name, "no value at any evaluation")
        return Verdict(
            "measures", "problem", f"on none of {len(found)} small problems: {reason}", ""
        )
    skipped = {p: probed.notes[name] for p, probed in found.items() if name in probed.notes}
    rest = "".join(f"; {place}: {note}" for place, note in skipped.items())
    return Verdict("measures", "ok", f"{', '.join(works)}{rest}")


def _price(diagnostic: Diagnostic) -> Verdict:
    """Counted operations against the declared cost, at the last snapshot of each ground."""
    dearest, where = 0.0, ""
    for task in grounds():
        spent = price(diagnostic, task)
        if spent is not None and spent > dearest:
            dearest, where = spent, task.summary
    said = f"{dearest:.3g} gradient evaluations{f' on {where}' if where else ''}"
    if dearest > _FACTOR * diagnostic.cost + _ROOM:
        return Verdict(
            "cost",
            "problem",
            f"{said} were counted, and it declares {diagnostic.cost:g}",
            f"Declare cost={dearest:.0f}.",
        )
    return Verdict("cost", "ok", f"at most {said}, declared {diagnostic.cost:g}")


def price(diagnostic: Diagnostic, task: Task) -> float | None:
    """Counted operations of one measurement over those of a gradient of the probing batch.

    The dearest measurement along the run; None where it does not apply.
    """
    counts: list[float] = []

    def counted(probe: Probe) -> Values:
        with counter() as plain:
            probe.gradient()
        one = plain.get_total_flops()
        with counter() as operations:
            found = diagnostic.measure(probe)
        if one:
            counts.append(operations.get_total_flops() / one)
        return found

    tried(dataclasses.replace(diagnostic, measure=counted), task)
    return max(counts, default=None)
