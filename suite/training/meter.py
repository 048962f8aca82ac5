"""The meter: what a trial may spend, what it has spent, and what charges it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import nn

from suite.training.costs import COSTS

#: charges are sums of thirds: without a tolerance the last step could be lost to rounding
TOLERANCE = 1e-9


class TrialEnds(BaseException):
    """The suite ends the trial in the middle of a step.

    Not an Exception, so that a method's `except Exception` does not catch it. The loop checks for
    it after every step, in case a method has caught it all the same.
    """


class BudgetSpent(TrialEnds):
    """The requested operation exceeds the rest of the budget."""


class Ledger:
    """What a trial has spent, in examples passed forward and backward.

    A charge that does not fit into the budget is refused, and so is every later one: `ended` holds
    the reason, and nothing that the method does from then on counts.
    """

    def __init__(self, budget: float, factor: float = 1.0) -> None:
        self.budget = budget
        self.spent = 0.0
        #: the part of it that was charged for forward passes with gradients off
        self.spent_forward = 0.0
        #: and for Jacobian-vector products
        self.spent_jvp = 0.0
        #: every charge is multiplied by it
        self.factor = factor
        #: cost of every forward pass, if it does not follow from gradients being on or off
        self.cost: float | None = None
        #: the suite measures: one forward pass of the model is free, those inside of it are not
        self.measuring = False
        #: why the trial is over
        self.ended: TrialEnds | None = None
        #: training examples that the method may keep for replay
        self.stored_examples = 0
        self._end = budget * (1 + TOLERANCE)
        self._examples = 0
        self._spent_before_batch = 0.0

    def charge(self, examples: float) -> None:
        """Add examples, times the factor, to what is spent.

        Raises BudgetSpent, and adds nothing, if that exceeds the budget.
        """
        if self.ended is not None:
            raise self.ended
        spent = self.spent + examples * self.factor
        if spent > self._end:
            self.end(BudgetSpent(f"the budget of {self.budget:.0f} examples is spent"))
        self.spent = spent

    def end(self, reason: TrialEnds) -> None:
        """End the trial: raises the reason."""
        self.ended = reason
        raise reason

    def begin_batch(self, examples: int) -> None:
        """A batch of that many examples is drawn."""
        self._examples = examples
        self._spent_before_batch = self.spent

    def add_to_batch(self, examples: int) -> None:
        """Examples of a store join the last batch, with the same minimum cost."""
        self._examples += examples

    def end_batch(self) -> None:
        """Charge the minimum cost for the last batch, if less was charged since."""
        least = COSTS["unused batch"] * self._examples * self.factor
        due = least - (self.spent - self._spent_before_batch)
        self._examples = 0
        if due > TOLERANCE * least:
            self.charge(due / self.factor)

    @contextmanager
    def at_cost(self, cost: float) -> Iterator[None]:
        """Every forward pass inside is charged at this cost per example."""
        before, self.cost = self.cost, cost
        try:
            yield
        finally:
            self.cost = before


def meter(model: nn.Module, ledger: Ledger) -> None:
    """Charge every forward pass of the model, including a regularizer's own.

    Replaces the model's `forward`; torch's hooks would do, but take 15 microseconds per step, and a
    direct call of `forward` would not be charged. A deep copy of the model is charged, too. The
    audit finds what this meter does not see (parts of the model, several backward passes).
    """

    def forward(self: nn.Module, *inputs: Any, **named: Any) -> Any:
        if ledger.measuring:
            ledger.measuring = False
            try:
                return type(self).forward(self, *inputs, **named)
            finally:
                ledger.measuring = True
        examples = (inputs[0] if inputs else next(iter(named.values()))).shape[0]
        if ledger.cost is not None:
            ledger.charge(ledger.cost * examples)
        elif torch.is_grad_enabled():
            ledger.charge(COSTS["gradient"] * examples)
        else:
            ledger.charge(COSTS["forward"] * examples)
            ledger.spent_forward += COSTS["forward"] * examples * ledger.factor
        return type(self).forward(self, *inputs, **named)

    # A bound method, so that a deep copy gets one that is bound to the copy.
    model.forward = MethodType(forward, model)


def unmeter(model: nn.Module) -> None:
    """Restore a model's own `forward`: while it is metered it refers to itself."""
    vars(model).pop("forward", None)  # a method may have removed it
