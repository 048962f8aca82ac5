"""Linear mode connectivity along a run: the barrier between the weights of two evaluations."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import NotApplicable, Probe, diagnostic

#: points on a line, both ends included
POINTS = 11


def lmc_barrier(probe: Probe) -> dict[str, float]:
    """Largest rise of the loss on the line to earlier weights above the line between its ends.

    max over a of L((1 - a) A + a B) - ((1 - a) L(A) + a L(B)), with the weights now as B, and as A
    those before training ("from_start") or at the evaluation before ("from_before"); 0 if the loss
    is convex between them.

    Deviates from the paper: between two points of one run, not the ends of two, whose weights no
    result keeps; without matching of permutations, which points of one run do not need.
    """
    if not probe.earlier:
        raise NotApplicable("there is no evaluation before the first")
    try:
        return {
            "from_start": _barrier(probe, probe.earlier[0].weights),
            "from_before": _barrier(probe, probe.earlier[-1].weights),
        }
    finally:
        probe.load(probe.now.weights)


def _barrier(probe: Probe, start: dict[str, Tensor]) -> float:
    end = probe.now.weights
    shares = [i / (POINTS - 1) for i in range(POINTS)]
    losses = []
    with torch.no_grad():
        for share in shares:
            # Counters of batch norm are no numbers to mix.
            mixed = {
                name: torch.lerp(start[name], tensor, share)
                for name, tensor in end.items()
                if tensor.is_floating_point()
            }
            probe.load(mixed)
            losses.append(float(probe.loss()))
    first, last = losses[0], losses[-1]
    return max(
        loss - ((1 - share) * first + share * last)
        for share, loss in zip(shares, losses, strict=True)
    )


diagnostic(
    "lmc_barrier",
    lmc_barrier,
    paper="Ainsworth, Hayase and Srinivasa 2023, Git Re-Basin: Merging Models modulo Permutation "
    "Symmetries",
    url="https://arxiv.org/abs/2209.04836",
    unit={"from_start": "loss", "from_before": "loss"},
    cost=2 * POINTS * 0.4,
)
