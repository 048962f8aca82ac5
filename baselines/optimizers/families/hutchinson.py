"""Hutchinson's estimate of the Hessian's diagonal: a probe times the Hessian's product with it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Objective

Probe = Callable[[Tensor], Tensor]


def rademacher(like: Tensor) -> Tensor:
    """Each entry 1 or -1, from torch's global generator."""
    return torch.randint_like(like, 2) * 2 - 1


def gaussian(like: Tensor) -> Tensor:
    """Standard normal entries, from torch's global generator."""
    return torch.randn_like(like)


def hessian_diagonal(objective: Objective, probe: Probe = rademacher) -> dict[nn.Parameter, Tensor]:
    """z * (H z) for each trained parameter, where H is the Hessian of the current batch's loss.

    Its expectation is the diagonal of H if the probe has independent entries of mean 0 and
    variance 1. Cost: 3 per example.
    """
    probes = [probe(p) for p in objective.parameters]
    products = objective.hvp(probes)
    found = [z * product for z, product in zip(probes, products, strict=True)]
    return dict(zip(objective.parameters, found, strict=True))
