"""Dormant units: the share whose activations are small against their layer's."""

from __future__ import annotations

import torch

from suite import Claim, Probe, diagnostic

from .families.features import features

#: thresholds of the normalized score
DEAD, DORMANT = 0.0, 0.1


def dormant_fraction(probe: Probe) -> dict[str, float]:
    """Share of units with E|h_i| / mean_k E|h_k| <= tau, for tau = 0 ("dead") and 0.1.

    Definition 3.1 of the paper: the score of unit i of a layer, over the probing batch; the share
    is of the units of all hidden layers. The output layer does not count.
    """
    dead = dormant = count = 0
    for matrix in features(probe).values():
        sizes = matrix.abs().mean(0)
        # A layer whose units are all 0 has no mean to compare with: they are dead.
        scores = sizes / sizes.mean() if sizes.mean() > 0 else torch.zeros_like(sizes)
        dead += int((scores <= DEAD).sum())
        dormant += int((scores <= DORMANT).sum())
        count += len(scores)
    return {"dead": dead / count, "dormant": dormant / count}


diagnostic(
    "dormant_fraction",
    dormant_fraction,
    paper="Sokar et al. 2023, The Dormant Neuron Phenomenon in Deep Reinforcement Learning",
    url="https://arxiv.org/abs/2302.12902",
    unit={"dead": "share of units", "dormant": "share of units"},
    cost=0.4,
    claims=[
        Claim(
            says="The more units are dormant, the worse the network learns new targets.",
            task="permuted_digits_short",
            measure="correlation",
            quantity="dormant_fraction_dormant, score",
            expect="lower",
            value=0.0,
            number="recycling dormant units improves performance in reinforcement learning",
            place="abstract",
        ),
        Claim(
            says="The more units are dormant, the worse the network learns new targets.",
            task="class_incremental_growth",
            measure="correlation",
            quantity="dormant_fraction_dormant, score",
            expect="lower",
            value=0.0,
            number="recycling dormant units improves performance in reinforcement learning",
            place="abstract",
        ),
    ],
)
