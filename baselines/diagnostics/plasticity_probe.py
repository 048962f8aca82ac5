"""Plasticity: how well the present weights fit new random labels, against the initial ones."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import NotApplicable, Probe, diagnostic

STEPS, RATE = 30, 0.01


def plasticity_probe(probe: Probe) -> dict[str, float | None]:
    """Loss on random labels after 30 steps of Adam from these weights, and over that from w_0.

    The probing batch gets random classes, the same at every evaluation, and the whole batch is
    trained on at the rate 0.01; above 1, the weights have lost plasticity.

    Deviates from the paper: fewer steps on fewer examples.
    """
    if probe.classes is None or probe.loss_name != "cross_entropy":
        raise NotApplicable("it needs classes and a cross entropy")
    generator = torch.Generator().manual_seed(7)  # the same labels at every evaluation
    targets = probe.batch[1]
    labels = torch.randint(probe.classes, targets.shape, generator=generator).to(targets)
    start = (*probe.earlier, probe.now)[0].weights
    now, fresh = (_fitted(probe, weights, labels) for weights in (probe.now.weights, start))
    return {"loss": now, "ratio": now / fresh if fresh > 0 else None}


def _fitted(probe: Probe, weights: dict[str, Tensor], labels: Tensor) -> float:
    """The loss after training on the labels from these weights."""
    probe.load(weights)
    optimizer = torch.optim.Adam(probe.parameters.values(), lr=RATE)
    batch = (probe.batch[0], labels)
    for _ in range(STEPS):
        optimizer.zero_grad()
        probe.loss(batch).backward()
        optimizer.step()
    with torch.no_grad():
        return float(probe.loss(batch))


diagnostic(
    "plasticity_probe",
    plasticity_probe,
    paper="Lyle et al. 2023, Understanding plasticity in neural networks",
    url="https://arxiv.org/abs/2303.01486",
    unit={"loss": "loss", "ratio": "ratio to the initial weights"},
    cost=2.0 * (STEPS + 0.4),
)
