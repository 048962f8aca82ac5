"""Gradients of the probing batch: whole, in parts, and of single examples."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import NotApplicable, Probe

#: examples whose own gradients are computed
EXAMPLES = 32


def gradient(probe: Probe) -> Tensor:
    """The gradient of the probing batch, of shape (parameters,). Costs 1, once an evaluation."""
    return probe.once("gradient", lambda p: p.flat(p.gradient()))


def part_gradients(probe: Probe) -> Tensor:
    """The gradients of its parts, of shape (parts, parameters). Costs 1, once an evaluation.

    Raises NotApplicable for a batch of one example.
    """
    if len(probe.parts) < 2:
        raise NotApplicable("the probing batch has one example")
    return probe.once(
        "part gradients", lambda p: torch.stack([p.flat(p.gradient(part)) for part in p.parts])
    )


def example_gradients(probe: Probe) -> Tensor:
    """The gradients of single examples, of shape (examples, parameters).

    Of the first 32, each as of a batch of its own. Costs up to 1, once an evaluation.
    """
    return probe.once("example gradients", _example_gradients)


def _example_gradients(probe: Probe) -> Tensor:
    inputs, targets = (tensor[:EXAMPLES] for tensor in probe.batch)
    if len(inputs) < 2:
        raise NotApplicable("the probing batch has one example")
    return torch.stack(
        [
            probe.flat(probe.gradient((inputs[i : i + 1], targets[i : i + 1])))
            for i in range(len(inputs))
        ]
    )


def cosine(one: Tensor, other: Tensor) -> Tensor:
    """The cosine between vectors, along the last dimension; 0 if one of them is 0."""
    return torch.nn.functional.cosine_similarity(one, other, dim=-1, eps=1e-30)
