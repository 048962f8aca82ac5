"""Notices an optimizer that reads gradients before it has called the closure.

In a loop written by hand, gradients are there before `optimizer.step`. Here the closure computes
them. An optimizer that reads them first would use those of the last batch, or none, and so be
another method without a word: this happens with the SAM of several libraries.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from suite.components.method import Parts
from suite.components.regularizer import HOOKS
from suite.errors import NotApplicable


class GradientReadFirst(Exception):
    """An optimizer, or a hook of a regularizer, reads gradients that do not exist yet."""


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


def blamed(error: GradientReadFirst, parts: Parts) -> Exception:
    """The error with the regularizer's name, if it was one of its hooks that read the gradient."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        first = frame.f_code.co_varnames[:1]
        owner = frame.f_locals.get(first[0]) if first else None
        if owner is parts.optimizer:
            break
        hook = frame.f_code.co_name
        for name, regularizer in zip(parts.names, parts.regularizers, strict=True):
            if owner is regularizer and hook in HOOKS:
                return _of_regularizer(name, hook)
    return error


def _of_regularizer(name: str, hook: str) -> Exception:
    if hook == "update":
        return NotApplicable(
            f"'{name}' reads gradients in its hook 'update', and the optimizer's step left none: "
            "it did not call the objective. Use it with an optimizer that does"
        )
    return GradientReadFirst(
        f"the regularizer '{name}' reads gradients in its hook '{hook}' before this step has "
        "computed any, so that it would use those of another batch. Read them after the call that "
        "computes them, evaluate() or step(), or ask self.objective.gradient(), which is charged"
    )


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
