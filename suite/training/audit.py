"""The audit: whether a method is charged for what it computes.

The meter charges forward passes of the whole model; that is fast, and most methods use nothing
else. The audit finds the rest. It runs a few steps of the method under torch's operation counter,
with batches of two sizes. The growth of the operations, divided by the growth of the charges, is
the `slope`: the work per example charged, where 1 is a plain gradient evaluation of one example.
The part that does not grow with the batch is the `rest`: the optimizer's own arithmetic, which is
not charged, or work that is hidden while the method is built.

A first layer needs no gradient of its inputs, so that on a small network a forward pass is more
than a third of a gradient evaluation, and a Jacobian-vector product more than one. Each is compared
with the operations of its own kind.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from suite.components import registry
from suite.components.method import Parts
from suite.data.split import Split
from suite.problems.task import Task
from suite.results.model import AuditRecord
from suite.training import setup
from suite.training.batch_source import Batch, BatchSource
from suite.training.costs import COSTS
from suite.training.evaluator import Averages, Evaluator, switch_optimizer
from suite.training.meter import Ledger, TrialEnds, meter, unmeter
from suite.training.objective import Objective
from suite.training.operations import counted_threads, counter
from suite.training.seeds import derive
from suite.training.steps import Steps
from suite.training.trial import Trial

#: a slope above it needs a declared reason
LIMIT = 1.2
#: steps of a method with one gradient evaluation per step; others make as many evaluations
STEPS = 12
#: examples of the smaller batch, at most: enough to see a slope, few enough to take a second
EXAMPLES = 32
_EVALUATE_EVERY = 4
_SEED = derive(0, "tuning", 0)


class Undercharged(Exception):
    """A method computes more than it is charged for, and does not say why."""


def audited_factor(trial: Trial, audit: AuditRecord | None) -> float:
    """The factor by which the charges of a trial are multiplied.

    Raises Undercharged if the slope is above the limit and no component declares its extra work.
    """
    if audit is None or audit.slope is None or audit.slope <= LIMIT:
        return 1.0
    components = [registry.get(kind, name) for kind, name in trial.components]
    if not any(component.extra_work for component in components):
        raise Undercharged(
            f"the method computes {audit.slope:.2f} times what it is charged for. Ask the "
            "objective for it (`objective.hvp`, `jvp`, `loss`), which charges it, or declare the "
            'reason with extra_work="..." where the component is registered: costs are then '
            f"multiplied by {audit.slope:.2f}"
        )
    return audit.slope


def measure(trial: Trial) -> AuditRecord:
    """The audit of a trial's method, with `trial.audited` as hyperparameters, on the trial's task.

    Without a slope on a task whose model has no operations that the counter knows (a table of
    numbers that is trained directly). Raises MissingData, and what the method raises: a trial whose
    method could not be audited must not count as completed, otherwise a method could avoid the
    check by failing its audit. Call it in a separate process: the method may leave anything behind.
    """
    task = setup.load(trial)
    # One seed for all: the audit is cached, and must not say which trial came first.
    trial = dataclasses.replace(trial, seed=_SEED)
    if trial.audited is not None:
        trial = dataclasses.replace(trial, hyperparameters=trial.audited)
    data = setup.load_data(trial, task)
    small, large = _sizes(task)
    plain = [_Plain(trial, task, data, size) for size in (small, large)]
    forward, gradient = (
        (getattr(plain[1], what) - getattr(plain[0], what)) / (large - small)
        for what in ("forward", "gradient")
    )
    if gradient <= 0:
        return AuditRecord(slope=None, rest=None, example=0.0)
    few, many = (_Rehearsal(trial, task, data, size) for size in (small, large))
    few.run()
    many.run()
    jvp = (plain[1].jvp() - plain[0].jvp()) / (large - small) if many.jvp else 0.0
    due, more_due = (
        r.forward * forward / COSTS["forward"]
        + r.jvp * jvp / COSTS["jvp"]
        + (r.charged - r.forward - r.jvp) * gradient
        for r in (few, many)
    )
    if more_due <= due:
        raise RuntimeError("the method used nothing that grows with a batch")
    slope = (many.operations - few.operations) / (more_due - due)
    rest = few.operations - slope * due
    return AuditRecord(
        slope=_rounded(slope),
        rest=_rounded(rest / (gradient * task.batch_size)),
        example=_rounded(gradient),
    )


def _rounded(value: float) -> float:
    return float(f"{max(0.0, value):.4g}")


def _sizes(task: Task) -> tuple[int, int]:
    size = max(1, min(EXAMPLES, task.batch_size // 2))
    return size, 2 * size


class _Plain:
    """Operations of each kind of use of a batch, without a method."""

    def __init__(self, trial: Trial, task: Task, data: setup.Data, size: int) -> None:
        model = setup.make_model(trial, task, data.train)
        self._module, self._problem = model.module, task.problem
        self._inputs, self._targets = next(resized(model.batches, size))
        with counter() as operations:
            outputs = self._module(self._inputs)
            #: of a forward pass
            self.forward = int(operations.get_total_flops())
            self._loss(outputs).backward()
        #: of a gradient evaluation
        self.gradient = int(operations.get_total_flops())

    def jvp(self) -> int:
        """Operations of a product of the loss's Jacobian with a tangent of all weights."""
        weights = {name: p.detach() for name, p in self._module.named_parameters()}

        def loss(point: dict[str, Tensor]) -> Tensor:
            return self._loss(functional_call(self._module, point, (self._inputs,)))

        # Of torch's attention kernels only the plain one has forward-mode derivatives.
        with sdpa_kernel(SDPBackend.MATH), counter() as operations:
            torch.func.jvp(loss, (weights,), (weights,))
        return int(operations.get_total_flops())

    def _loss(self, outputs: Tensor) -> Tensor:
        return self._problem.criterion(*self._problem.restrict(outputs, self._targets))


def resized(batches: Iterator[Batch], size: int) -> Iterator[Batch]:
    """The same batches with `size` examples: the first of each, repeated if there are fewer.

    It is not a stream: the tasks of a sequence do not change within an audit.
    """
    for inputs, targets in batches:
        yield _resized(inputs, size), _resized(targets, size)


def _resized(tensor: Tensor, size: int) -> Tensor:
    return torch.cat([tensor] * -(-size // len(tensor)))[:size]


class _Rehearsal:
    """Some steps of a method, without evaluations but with all that a method does for them.

    Progress goes from 0 to 1, so that the audit also sees what a method does late in training.
    """

    def __init__(self, trial: Trial, task: Task, data: setup.Data, size: int) -> None:
        self._trial = trial
        self._task = task
        self._data = data
        self._size = size
        self.operations = 0
        self.charged = self.forward = self.jvp = 0.0

    def run(self) -> None:
        """Count operations and charges of building the method and of its steps."""
        trial, task = self._trial, self._task
        model = setup.make_model(trial, task, self._data.train)
        growth = setup.Growth(trial, task, model, self._data.train)
        with counted_threads() as in_threads:
            with counter() as building:
                parts = setup.build_method(trial, task, model, self._data.train)
            ratio = growth.ratio()
            ledger = Ledger(STEPS * self._size * ratio, ratio)
            meter(model.module, ledger)
            source = BatchSource(resized(model.batches, self._size), ledger)
            try:
                with _eagerly(), counter() as operations:
                    uncounted = _Uncounted(operations)
                    self._make_steps(model, parts, ledger, source, uncounted)
            finally:
                source.close()
                unmeter(model.module)
            counted = building.get_total_flops() + operations.get_total_flops() + in_threads()
        self.operations = int(counted) - uncounted.operations
        self.charged = ledger.spent
        self.forward, self.jvp = ledger.spent_forward, ledger.spent_jvp

    def _make_steps(
        self,
        model: setup.Model,
        parts: Parts,
        ledger: Ledger,
        source: BatchSource,
        uncounted: _Uncounted,
    ) -> None:
        problem, module = self._task.problem, model.module
        objective = Objective(
            module,
            problem.criterion,
            source.key,
            ledger,
            parts.regularizers,
            gradient_delay=problem.gradient_delay,
            restrict=problem.restrict,
            create_graph=parts.create_graph,
        )
        steps = Steps(module, parts, objective, checked=4 * STEPS)
        evaluator = Evaluator(
            problem,
            module,
            parts.optimizer,
            parts.regularizers,
            dict[str, Split | None](),
            uncounted,
            model.hooks,
            Averages(steps, source),
        )
        switch_optimizer(parts.optimizer, training=True)
        try:
            steps.start()
            for number in range(4 * STEPS):
                progress = min(1.0, ledger.spent / ledger.budget)
                for regularizer in parts.regularizers:
                    regularizer.progress = progress
                steps.take(progress)
                with torch.no_grad():
                    problem.constrain(module)
                steps.take_average()
                if ledger.ended is not None:
                    return
                if number % _EVALUATE_EVERY == 0:
                    evaluator.rehearse()
        except TrialEnds:
            return


def _eagerly() -> AbstractContextManager[Any]:
    """Inside, compiled code runs as it is written: some refuses to be counted (heavyball's)."""
    # Importing the compiler takes seconds; without it nothing is compiled.
    compiler = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiler else nullcontext()


class _Uncounted:
    """Inside, operations are the suite's own and do not count."""

    def __init__(self, operations: FlopCounterMode) -> None:
        self._counter = operations
        self._before = 0
        self.operations = 0

    def __enter__(self) -> None:
        self._before = int(self._counter.get_total_flops())

    def __exit__(self, *error: object) -> None:
        self.operations += int(self._counter.get_total_flops()) - self._before
