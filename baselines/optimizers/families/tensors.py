"""What steps of first-order methods have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def evaluated(closure: Callable[[], Tensor] | None) -> Tensor | None:
    """The loss that the closure returns, with gradients; None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def trained(optimizer: Optimizer) -> Iterator[tuple[nn.Parameter, dict[str, Any], dict[str, Any]]]:
    """Parameters that have a gradient, each with its group and its state."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                yield p, group, optimizer.state[p]


def norm(tensors: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all tensors as one vector, in single precision at least."""
    norms = [
        torch.linalg.vector_norm(t, dtype=torch.promote_types(t.dtype, torch.float32))
        for t in tensors
    ]
    return torch.linalg.vector_norm(torch.stack(norms))
