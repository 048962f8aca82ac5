"""Measuring: every diagnostic on every snapshot of a run, after the run has ended."""

from __future__ import annotations

import math
import operator
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import torch
from torch import Tensor, nn

from suite.data.split import Split
from suite.diagnostics.declaration import Diagnostic, Values
from suite.diagnostics.model_copy import ModelCopy
from suite.diagnostics.probe import PARTS, Probe
from suite.diagnostics.record import Probed
from suite.diagnostics.snapshots import Batch, Snapshot
from suite.errors import NotApplicable
from suite.problems.task import Task
from suite.results.fields import MAX_NUMBER, printable
from suite.training.evaluator import ModuleHooks, modules_of
from suite.training.reasons import reason_of
from suite.training.repeatable import seed_everything
from suite.training.seeds import derive

#: examples of the probing batch
EXAMPLES = 256
#: predictions that it has at most: fewer sequences than single examples
PREDICTIONS = 2048
#: batches drawn for it at most, where they are small
_DRAWN = 64
#: digits of a value: it is looked at, and no score follows from it
DIGITS = 4
#: seconds that all diagnostics of a run may take together, on top of the trial's own limit
TIME_LIMIT = 600.0
_MAX_NOTE = 500
_version = operator.attrgetter("_version")


class _Spoilt(Exception):
    """A measure changed what all diagnostics of the run look at."""


class ProbeTimeout(BaseException):
    """The time is up. No Exception, so that a measure's `except Exception` does not catch it."""


@dataclass(frozen=True)
class Ground:
    """What surrounds the snapshots of a run: its task, model and training data."""

    task: Task
    model: nn.Module
    hooks: ModuleHooks
    train: Split
    seed: int
    device: str
    stream: bool


def measure(
    diagnostics: Sequence[Diagnostic],
    snapshots: Sequence[Snapshot],
    points: int,
    ground: Ground,
    limit: float = TIME_LIMIT,
) -> Probed:
    """The values of all diagnostics at the snapshots of a curve with that many points.

    A diagnostic that raises an error, takes too long or returns what is no number is noted, and the
    others go on.
    """
    session = _Session(diagnostics, points, ground)
    ground.hooks.switch_off(modules_of(ground.model))
    try:
        with _within(limit):
            session.measure_all(snapshots)
    except ProbeTimeout:
        session.note_end(f"all diagnostics of a run may take {limit:g} s, and these were spent")
    except _Spoilt as error:
        session.note_end(str(error))
    finally:
        ground.hooks.switch_on()
    return Probed(session.columns, session.notes, session.seconds, session.drawing_seconds)


class _Session:
    """The diagnostics of one run."""

    def __init__(self, diagnostics: Sequence[Diagnostic], points: int, ground: Ground) -> None:
        self._diagnostics = list(diagnostics)
        self._ground = ground
        self._points = points
        self._loss_name = ground.task.problem.loss_name
        self._kept: dict[str, dict[str, object]] = {d.name: {} for d in diagnostics}
        self._inapplicable: dict[str, str] = {}
        self._failed: set[str] = set()
        self._not_finite: dict[str, list[int]] = {}
        self._current: Diagnostic | None = None
        #: what measures get, as long as they leave it as it was made
        self._copy: ModelCopy | None = None
        self.columns: dict[str, list[float | None]] = {}
        self.notes: dict[str, str] = {}
        self.seconds = dict.fromkeys((d.name for d in diagnostics), 0.0)
        self.drawing_seconds = 0.0

    def measure_all(self, snapshots: Sequence[Snapshot]) -> None:
        began = time.perf_counter()
        fixed = () if self._ground.stream else _drawn(self._ground)
        self.drawing_seconds = time.perf_counter() - began
        self._seen = [t for one in snapshots for t in _tensors_of(one)]
        self._versions = [*map(_version, self._seen)]
        for number, snapshot in enumerate(snapshots):
            batches = fixed or snapshot.batches
            if not batches:  # a stream before its first batch
                continue
            self._measure_one(snapshot, tuple(snapshots[:number]), batches)
        for name, reason in self._inapplicable.items():
            if not any(column in self.columns for column in self._columns_of(name)):
                self.notes.setdefault(name, f"not applicable: {reason}"[:_MAX_NOTE])
        for name, at in self._not_finite.items():
            listed = ", ".join(map(str, at))
            self.notes.setdefault(name, f"not finite at evaluation {listed}"[:_MAX_NOTE])

    def _columns_of(self, name: str) -> Sequence[str]:
        return next(list(d.columns) for d in self._diagnostics if d.name == name)

    def _measure_one(
        self, snapshot: Snapshot, earlier: tuple[Snapshot, ...], batches: tuple[Batch, ...]
    ) -> None:
        batch = _joined(batches)
        base: Probe | None = None
        for diagnostic in self._diagnostics:
            if diagnostic.name in self._failed:
                continue
            began = time.perf_counter()
            self._current = diagnostic
            try:
                if self._copy is None or not self._copy.as_made():
                    self._copy = ModelCopy(self._ground.model)
                if base is None or base.model is not self._copy.model:
                    cache = {} if base is None else base.cache
                    base = self._probe(self._copy.model, snapshot, earlier, batch, cache)
                probe = base.own()
                purpose = ("probe", diagnostic.name, snapshot.point)
                probe.generator.manual_seed(derive(self._ground.seed, *purpose))
                probe.kept = self._kept[diagnostic.name]
                # Whatever else draws random numbers repeats, too.
                seed_everything(derive(self._ground.seed, *purpose), self._ground.device)
                self._take(diagnostic, snapshot.point, diagnostic.measure(probe))
            except NotApplicable as error:
                self._inapplicable[diagnostic.name] = printable(str(error))
            except Exception as error:
                self._fail(diagnostic, snapshot.point, reason_of(error))
            self.seconds[diagnostic.name] += time.perf_counter() - began
            self._refuse_spoilt(diagnostic)
            self._current = None

    def _refuse_spoilt(self, diagnostic: Diagnostic) -> None:
        """Raise _Spoilt if a measure wrote into a snapshot."""
        if [*map(_version, self._seen)] != self._versions:
            raise _Spoilt(
                f"{diagnostic.path.name} changed a snapshot in place, which all "
                "diagnostics look at: clone a tensor before you change it"
            )

    def _probe(
        self,
        model: nn.Module,
        snapshot: Snapshot,
        earlier: tuple[Snapshot, ...],
        batch: Batch,
        cache: dict[object, object],
    ) -> Probe:
        """What all diagnostics of an evaluation get, each its own."""
        task = self._ground.task
        problem = task.problem
        return Probe(
            model,
            snapshot,
            earlier,
            batch,
            criterion=type(problem).criterion,
            restrict=type(problem).restrict,
            classes=problem.classes,
            loss_name=self._loss_name,
            stream=self._ground.stream,
            device=self._ground.device,
            cache=cache,
        )

    def _take(self, diagnostic: Diagnostic, point: int, found: Values) -> None:
        """Keep what a measure returned; raises TypeError for what is no number."""
        several = found if isinstance(found, Mapping) else {"": found}
        if set(several) != set(diagnostic.units):
            expected = ", ".join(diagnostic.units) or "one number"
            raise TypeError(
                f"it returned {_named(several)}, and its unit names {expected or 'one number'}"
            )
        for value, column in zip(diagnostic.units, diagnostic.columns, strict=True):
            number = several[value]
            if number is None:
                continue
            if isinstance(number, Tensor) and number.numel() == 1:
                number = number.item()
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise TypeError(f"it returned {type(number).__name__}, which is no number")
            cells = self.columns.setdefault(column, [None] * self._points)
            if math.isfinite(number) and abs(number) < MAX_NUMBER:
                cells[point] = float(f"{number:.{DIGITS}g}")
            else:
                at = self._not_finite.setdefault(diagnostic.name, [])
                at += [point] if point not in at else []

    def _fail(self, diagnostic: Diagnostic, point: int, reason: str) -> None:
        """It is not tried again in this run; what it has measured so far is kept."""
        self._failed.add(diagnostic.name)
        said = printable(f"{diagnostic.path.name} failed at evaluation {point}: {reason}")
        self.notes[diagnostic.name] = " ".join(said.split())[:_MAX_NOTE]

    def note_end(self, why: str) -> None:
        """Say that the diagnostics ended early, and in which of them."""
        where = "" if self._current is None else f" (in {self._current.name})"
        for diagnostic in self._diagnostics:
            self.notes.setdefault(diagnostic.name, f"incomplete: {why}{where}"[:_MAX_NOTE])


def _tensors_of(snapshot: Snapshot) -> Iterator[Tensor]:
    yield from snapshot.weights.values()
    yield from (snapshot.before or {}).values()
    yield from snapshot.gradients.values()
    for kept in snapshot.state.values():
        yield from kept.values()
    for batch in snapshot.batches:
        yield from batch


def _named(several: Mapping[str, object]) -> str:
    return ", ".join(map(str, several)).strip() or "one number"


def _drawn(ground: Ground) -> tuple[Batch, ...]:
    """Mini-batches as training has them, from a random stream of the probes."""
    generator = torch.Generator().manual_seed(derive(ground.seed, "probing batch"))
    task = ground.task
    batches = iter(task.problem.batches(ground.train, task.batch_size, generator))
    found: list[Batch] = []
    while len(found) < _DRAWN and sum(len(inputs) for inputs, _ in found) < EXAMPLES:
        found.append(next(batches))
    return tuple(found)


def _joined(batches: Sequence[Batch]) -> Batch:
    """The latest examples of batches as one, up to the size of the probing batch."""
    inputs = torch.cat([inputs for inputs, _ in batches])
    targets = torch.cat([targets for _, targets in batches])
    each = max(1, targets[0].numel())
    count = min(EXAMPLES, max(PARTS, PREDICTIONS // each))
    return inputs[-count:], targets[-count:]


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise ProbeTimeout inside when the time is up, where the system can interrupt Python."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise ProbeTimeout

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        with suppress(TypeError):  # the handler before was not Python's
            signal.signal(signal.SIGALRM, before)
