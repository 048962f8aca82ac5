"""The meter: what a trial may spend, what it has spent, and what charges it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.training.costs import PRICES


class BudgetExhausted(SuiteError):
    """One step asked for more than the whole rest of the budget."""


class Ledger:
    """What a trial has spent, in examples passed forward and backward."""

    def __init__(self, budget: float, slack: float = 0.0) -> None:
        self.budget = budget
        self.spent = 0.0
        #: price of every forward pass, while it does not follow from gradients being on or off
        self.price: float | None = None
        # A step that costs more than the one before may end past the budget, but not by much.
        self.limit = max(1.1 * budget, budget + slack)

    def charge(self, examples: float) -> None:
        """Add to what is spent; raises BudgetExhausted past the limit."""
        self.spent += examples
        if self.spent > self.limit:
            raise BudgetExhausted(
                f"one step went on to {self.spent:.0f} examples with a budget of {self.budget:.0f}"
            )

    @contextmanager
    def at_price(self, price: float) -> Iterator[None]:
        """Every forward pass inside is charged at this price an example."""
        before, self.price = self.price, price
        try:
            yield
        finally:
            self.price = before


def meter(model: nn.Module, ledger: Ledger) -> None:
    """Charge every forward pass of the model, whoever calls it: also a regularizer's own.

    Replaces the model's `forward`; torch's hooks would do, but take 15 microseconds a step, and
    whoever calls `forward` itself would go free. A deep copy of the model is charged, too.
    """

    def forward(self: nn.Module, *inputs: Tensor) -> Any:
        price = ledger.price
        if price is None:
            price = PRICES["gradient"] if torch.is_grad_enabled() else PRICES["forward"]
        ledger.charge(price * len(inputs[0]))
        return type(self).forward(self, *inputs)

    # A bound method, so that a deep copy gets one that is bound to the copy.
    model.forward = MethodType(forward, model)


def unmeter(model: nn.Module) -> None:
    """Give a model its own `forward` back: while it is metered it refers to itself."""
    vars(model).pop("forward", None)  # a method may have taken it off
