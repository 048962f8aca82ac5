"""The audit: whether a method is charged for what it computes.

The meter charges forward passes of the whole model; that is cheap, and most methods ask for nothing
else. The audit finds the rest. It runs a few steps of the method under torch's operation counter,
with batches of two sizes. What the operations grow by, divided by what the charges grow by, is the
`slope`: the work of an example charged, where 1 is a plain gradient evaluation of one example. What
does not grow with the batch is the `rest`: the optimizer's own arithmetic, which is not charged, or
work that is hidden while the method is built.

A first layer needs no gradient of its inputs, so that forward passes count for a little more than a
third: a zeroth-order method has a slope of about 1.1 on a small network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from suite.components import registry
from suite.data.split import Split
from suite.problems.task import Task
from suite.results.model import AuditRecord
from suite.training import setup
from suite.training.batch_source import Batch, BatchSource
from suite.training.evaluator import Evaluator, switch_optimizer
from suite.training.meter import Ledger, TrialEnds, meter, unmeter
from suite.training.objective import Objective
from suite.training.operations import counter
from suite.training.trial import Trial

#: a slope above it needs a declared reason
LIMIT = 1.2
#: steps of a method that makes one gradient evaluation a step; others make as many evaluations
STEPS = 12
#: examples of the smaller batch, at most: enough to see a slope, few enough to take a second
EXAMPLES = 32
_EVALUATE_EVERY = 4


class Undercharged(Exception):
    """A method computes more than it is charged for, and does not say why."""


def audited_factor(trial: Trial, audit: AuditRecord | None) -> float:
    """What the charges of a trial are multiplied by.

    Raises Undercharged if the slope is above the limit and no component declares its extra work,
    RuntimeError if the method could not be audited.
    """
    if audit is not None and audit.error is not None:
        raise RuntimeError(f"in the audit, a few steps with small batches: {audit.error}")
    if audit is None or audit.slope is None or audit.slope <= LIMIT:
        return 1.0
    components = [registry.get(kind, name) for kind, name in trial.components]
    if not any(getattr(component, "extra_work", "") for component in components):
        raise Undercharged(
            f"the method computes {audit.slope:.2f} times what it is charged for. Ask the objective "
            "for it (`objective.hvp`, `jvp`, `loss`), which charges it, or declare the reason with "
            'extra_work="..." where the component is registered: costs are then multiplied by '
            f"{audit.slope:.2f}"
        )
    return audit.slope


def measure(trial: Trial) -> AuditRecord:
    """The audit of a trial's method, with `trial.audited` as hyperparameters, on the trial's task.

    Without a slope on a task whose model has no operations that the counter knows (a table of
    numbers that is trained directly), and for a method that ends by an error: a method that fails
    its audit but not its trials would escape. May raise MissingData.
    Call it in a process of its own: the method may leave anything behind.
    """
    task = setup.load(trial)
    if trial.audited is not None:
        trial = dataclasses.replace(trial, hyperparameters=trial.audited)
    data = setup.load_data(trial, task)
    small, large = _sizes(task)
    unit = (_plain(trial, task, data, large) - _plain(trial, task, data, small)) / (large - small)
    if unit <= 0:
        return AuditRecord(slope=None, rest=None, example=0.0)
    few, many = (_Rehearsal(trial, task, data, size) for size in (small, large))
    try:
        few.run()
        many.run()
        if many.charged <= few.charged:
            raise RuntimeError("the method asked for nothing that grows with a batch")
    except Exception as error:
        return AuditRecord(slope=None, rest=None, example=_rounded(unit), error=text_of(error))
    slope = (many.operations - few.operations) / (many.charged - few.charged)
    rest = few.operations - slope * few.charged
    return AuditRecord(
        slope=_rounded(slope / unit),
        rest=_rounded(rest / (unit * task.batch_size)),
        example=_rounded(unit),
    )


def text_of(error: BaseException) -> str:
    """An error's class and text, as a result can hold them."""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be read)"
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"{type(error).__name__}: {safe}"[:2000]


def _rounded(value: float) -> float:
    return float(f"{max(0.0, value):.4g}")


def _sizes(task: Task) -> tuple[int, int]:
    size = max(1, min(EXAMPLES, task.batch_size // 2))
    return size, 2 * size


def _plain(trial: Trial, task: Task, data: setup.Data, size: int) -> int:
    """Operations of a plain gradient evaluation of a batch of `size`."""
    model = setup.make_model(trial, task, data.train)
    inputs, targets = next(resized(model.batches, size))
    with counter() as operations:
        task.problem.criterion(model.module(inputs), targets).backward()
    return int(operations.get_total_flops())


def resized(batches: Iterator[Batch], size: int) -> Iterator[Batch]:
    """The same batches with `size` examples: the first of each, repeated if there are fewer.

    Not a stream any more: the tasks of a sequence do not change within an audit.
    """
    for inputs, targets in batches:
        yield _resized(inputs, size), _resized(targets, size)


def _resized(tensor: Tensor, size: int) -> Tensor:
    return torch.cat([tensor] * -(-size // len(tensor)))[:size]


class _Rehearsal:
    """Some steps of a method, without evaluations but with all that a method does for them.

    Progress goes from 0 to 1, so that what a method does late in training is seen, too.
    """

    def __init__(self, trial: Trial, task: Task, data: setup.Data, size: int) -> None:
        self._trial = trial
        self._task = task
        self._data = data
        self._size = size
        self.operations = 0
        self.charged = 0.0

    def run(self) -> None:
        """Count operations and charges of building the method and of its steps."""
        trial, task = self._trial, self._task
        model = setup.make_model(trial, task, self._data.train)
        ledger = Ledger(STEPS * self._size)
        with counter() as operations:
            aside = _Uncounted(operations)
            method = setup.build_method(trial, task, model, self._data.train)
            ledger.factor = method.growth
            meter(model.module, ledger)
            source = BatchSource(resized(model.batches, self._size), ledger)
            parts = method.parts
            objective = Objective(
                model.module,
                task.problem.criterion,
                source.key,
                ledger,
                parts.regularizers,
                gradient_delay=task.problem.gradient_delay,
            )
            nothing: dict[str, Split | None] = {}
            evaluator = Evaluator(
                *(task.problem, model.module, parts.optimizer, parts.regularizers),
                *(nothing, aside, model.hooks),
            )
            after_step = [r.after_step for r in parts.regularizers if r.overrides("after_step")]
            switch_optimizer(parts.optimizer, training=True)
            try:
                for number in range(4 * STEPS):
                    progress = min(1.0, ledger.spent / ledger.budget)
                    if parts.schedule is not None:
                        parts.schedule.apply(progress)
                    for regularizer in parts.regularizers:
                        regularizer.progress = progress
                    objective.next_batch()
                    step: Callable[[Any], Any] = parts.optimizer.step
                    step(objective)
                    with torch.no_grad():
                        for hook in after_step:
                            hook(model.module, parts.optimizer)
                        if task.problem.overrides("constrain"):
                            task.problem.constrain(model.module)
                    if ledger.ended is not None:
                        break
                    if number % _EVALUATE_EVERY == 0:
                        evaluator.rehearse()
            except TrialEnds:
                pass
            finally:
                source.close()
                unmeter(model.module)
        self.operations = int(operations.get_total_flops()) - aside.operations
        self.charged = ledger.spent


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
