"""Gradient signal-to-noise ratio by layer: drift at first, diffusion later."""

from __future__ import annotations

import statistics

from suite import Probe, diagnostic

from .families.gradients import part_gradients


def gradient_snr_phases(probe: Probe) -> dict[str, float | None]:
    """Norm of the mean gradient over the norm of its standard deviation, of mini-batches.

    The paper shows it for each layer. The median over the parameter tensors, and both ends; above 1
    is drift, below 1 diffusion.
    """
    parts = part_gradients(probe)
    ratios, start = [], 0
    for parameter in probe.parameters.values():
        own = parts[:, start : start + parameter.numel()]
        start += parameter.numel()
        noise = float(own.std(0).norm())
        if noise > 0:
            ratios.append(float(own.mean(0).norm()) / noise)
    if not ratios:
        return {"median": None, "smallest": None, "largest": None}
    return {
        "median": statistics.median(ratios),
        "smallest": min(ratios),
        "largest": max(ratios),
    }


diagnostic(
    "gradient_snr_phases",
    gradient_snr_phases,
    paper="Shwartz-Ziv and Tishby 2017, Opening the Black Box of Deep Neural Networks via "
    "Information",
    url="https://arxiv.org/abs/1703.00810",
    unit=dict.fromkeys(("median", "smallest", "largest"), "ratio"),
    cost=1,
)
