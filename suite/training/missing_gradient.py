"""Notices an optimizer that reads gradients before it has called the closure.

In a loop written by hand, gradients are there before `optimizer.step`. Here the closure computes
them. An optimizer that reads them first would use those of the last batch, or none, and so be
another method without a word: this happens with the SAM of several libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class GradientReadFirst(Exception):
    """An optimizer reads gradients that do not exist yet."""


class MissingGradients:
    """Inside, the `.grad` of every parameter raises GradientReadFirst when something reads it.

    Assigning to it works, as does calling the objective, which replaces it.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters

    def __enter__(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None
            nothing = torch.zeros((), dtype=parameter.dtype, device=parameter.device)
            parameter.grad = nothing.expand(parameter.shape).as_subclass(_Missing)

    def __exit__(self, *error: object) -> None:
        for parameter in self._parameters:
            if type(parameter.grad) is _Missing:
                parameter.grad = None


class _Missing(torch.Tensor):
    """A gradient that was not computed."""

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise GradientReadFirst(
            "the optimizer reads gradients before it has called the closure, so that it would use "
            "those of another batch. Register it with gradient_first=True: the suite then computes "
            "the batch's gradient before each step, and each call of the closure computes, and "
            "costs, one more. Or call the closure first: def step(self, closure): loss = "
            "closure(); super().step(closure); return loss"
        )
