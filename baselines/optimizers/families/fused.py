"""Which of torch's fast forms of an optimizer serves given parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor


def fastest(parameters: Iterable[Tensor] | Iterable[dict[str, Any]]) -> dict[str, bool]:
    """`fused=True` where every parameter is of real numbers, `foreach=True` otherwise.

    Arguments for the optimizers of torch that have both. On a CPU the fused form is 3 to 4 times as
    fast as torch's loop; it refuses complex parameters. `parameters` may be groups.
    """
    tensors: list[Tensor] = []
    for entry in parameters:
        tensors += list(entry["params"]) if isinstance(entry, dict) else [entry]
    real = all(p.is_floating_point() for p in tensors)
    return {"fused": True} if real else {"foreach": True}
