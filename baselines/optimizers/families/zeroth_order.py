"""Random directions that are drawn again from a seed, and losses under the same random numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from suite import Objective


def draw_seed(generator: torch.Generator) -> int:
    """A seed from the method's own stream."""
    return int(torch.randint(2**62, (), generator=generator))


def move(groups: Iterable[dict[str, Any]], seed: int, distances: Iterable[float]) -> None:
    """Add z times a group's distance to its parameters; a seed gives the same normal z again."""
    generators: dict[torch.device, torch.Generator] = {}
    for group, distance in zip(groups, distances, strict=True):
        for p in group["params"]:
            if not p.requires_grad:
                continue
            if p.device not in generators:
                generators[p.device] = torch.Generator(p.device).manual_seed(seed)
            z = torch.empty_like(p).normal_(generator=generators[p.device])
            p.add_(z, alpha=distance)


def loss_under(objective: Objective, seed: int) -> Tensor:
    """The loss with the random numbers of dropout and the like that belong to a seed."""
    # torch.manual_seed writes a stack trace at every call where no GPU is in use: too slow here
    torch.default_generator.manual_seed(seed)
    device = objective.parameters[0].device
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
    return objective.loss()
