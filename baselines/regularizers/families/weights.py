"""Which parameters a penalty or a projection is about, and how it reads them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import NotApplicable, Objective, Regularizer

#: matrices and kernels whose rows are the incoming weights of a unit or of a filter
UNIT_ROLES = ("hidden", "conv", "head")


def multiplied(p: nn.Parameter) -> bool:
    """Whether a parameter multiplies something: neither a bias nor part of a normalization."""
    return p.role not in ("bias", "norm")


def has_unit_rows(p: nn.Parameter) -> bool:
    """Whether the rows of a parameter are the incoming weights of units or filters."""
    return p.role in UNIT_ROLES and p.ndim > 1


def anything(p: nn.Parameter) -> bool:
    """Every trained parameter."""
    return True


def row_norms(weight: Tensor) -> Tensor:
    """The Euclidean norm of each unit's incoming weights, of shape (units, 1, ...)."""
    norms = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return norms.view(-1, *[1] * (weight.ndim - 1))


def names(model: nn.Module, chosen: Callable[[nn.Parameter], bool] = anything) -> list[str]:
    """Names of the trained parameters that are `chosen`."""
    return [name for name, p in model.named_parameters() if p.requires_grad and chosen(p)]


class WeightPenalty(Regularizer):
    """A sum over tensors: strength times the sum of `_term(name, w)`, added to the loss.

    A subclass says which tensors (`_chosen`) and what is summed. Weights are read from the model at
    each call, by names that are known once all other regularizers have changed the model.
    """

    _chosen: Callable[[nn.Parameter], bool] = staticmethod(anything)

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self._names: list[str] = []

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._names = names(model, self._chosen)
        if not self._names:
            raise NotApplicable("the model has none of the weights that the penalty is about")

    def penalty(self, model: nn.Module) -> Tensor | float:
        if not self.strength:
            return 0.0
        weights = dict(model.named_parameters())
        terms = [self._term(name, weights[name]) for name in self._names]
        return self.strength * torch.stack(terms).sum()

    def _term(self, name: str, w: Tensor) -> Tensor:
        raise NotImplementedError
