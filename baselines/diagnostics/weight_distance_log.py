"""Distance from initialization, and how well a logarithm of the steps explains it."""

from __future__ import annotations

import math

import torch

from suite import Probe, diagnostic

from .families.curvature import weights


def weight_distance_log(probe: Probe) -> dict[str, float | None]:
    """||w_t - w_0||, the same over ||w_0||, and R^2 of a line in log t through the distances.

    The paper's "ultra-slow diffusion" is ||w_t - w_0|| ~ log t. R^2 is of a least-squares
    line through the evaluations looked at so far, from the third after training began.

    Deviates from the paper: over all of training, not its first phase with a constant rate.
    """
    initial = probe.flat(probe.initial)
    distance = float((weights(probe) - initial).norm())
    seen = probe.kept.setdefault("seen", [])
    if probe.now.steps:
        seen.append((math.log(probe.now.steps), distance))
    size = float(initial.norm())
    return {
        "whole": distance,
        "relative": distance / size if size else None,
        "fit": _r_squared(seen) if len(seen) >= 3 else None,
    }


def _r_squared(points: list[tuple[float, float]]) -> float | None:
    x, y = torch.tensor(points, dtype=torch.float64).T
    x, y = x - x.mean(), y - y.mean()
    spread = float(x @ x) * float(y @ y)
    return float(x @ y) ** 2 / spread if spread > 0 else None


diagnostic(
    "weight_distance_log",
    weight_distance_log,
    paper="Hoffer, Hubara and Soudry 2017, Train longer, generalize better",
    url="https://arxiv.org/abs/1705.08741",
    unit={"whole": "norm of weights", "relative": "ratio", "fit": "R^2 of a line in log steps"},
    cost=0,
)
