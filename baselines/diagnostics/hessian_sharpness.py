"""Sharpness: the largest Hessian eigenvalue, against the edge of stability, and preconditioned."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.curvature import COST, STEPS, shared_generator, top, top_hessian


def hessian_sharpness(probe: Probe) -> dict[str, float | None]:
    """lambda_max of the Hessian, lr * lambda_max, and the same of Adam's preconditioned Hessian.

    Gradient descent is stable below lr * lambda_max = 2; with heavy-ball momentum b below
    2 (1 + b). Adam at b1 = 0.9 below lr * lambda_max(P^-1 H) = 2 (1 + b1) / (1 - b1) = 38, with
    P = (1 - b1^t) (sqrt(v / (1 - b2^t)) + eps) (Cohen et al. 2022). By 20 steps of Lanczos.

    Deviates from the paper: on the probing batch, not all training data.
    """
    sharpness = float(top_hessian(probe, 1)[0])
    found: dict[str, float | None] = {
        "eigenvalue": sharpness,
        "times_lr": None,
        "preconditioned": None,
        "preconditioned_times_lr": None,
    }
    try:
        lr = probe.setting("lr")
    except NotApplicable:
        return found
    found["times_lr"] = lr * sharpness
    scale = _preconditioner(probe)
    if scale is not None:
        root = scale.sqrt()
        start = torch.randn(root.shape, generator=shared_generator()).to(root)
        with probe.hessian() as product:
            values, _ = top(lambda vector: product(vector / root) / root, start, STEPS, 1)
        found["preconditioned"] = float(values[0])
        found["preconditioned_times_lr"] = lr * float(values[0])
    return found


def _preconditioner(probe: Probe) -> Tensor | None:
    """Adam's P, (parameters,); None if the optimizer keeps no second moment of every parameter."""
    found = {}
    for name, parameter in probe.parameters.items():
        state, settings = probe.now.state.get(name, {}), probe.now.settings.get(name, {})
        second, steps = state.get("exp_avg_sq"), state.get("step")
        known = {"betas_0", "betas_1", "eps"} <= set(settings)
        if second is None or steps is None or not known or float(steps) < 1:
            return None
        first = 1.0 - settings["betas_0"] ** float(steps)
        corrected = second / (1.0 - settings["betas_1"] ** float(steps))
        found[name] = (first * (corrected.sqrt() + settings["eps"])).to(parameter.device)
    return probe.flat(found)


diagnostic(
    "hessian_sharpness",
    hessian_sharpness,
    paper="Gilmer et al. 2022, A Loss Curvature Perspective on Training Instability in Deep "
    "Learning; Cohen et al. 2021 and 2022, edge of stability of gradient descent and of Adam",
    url="https://arxiv.org/abs/2207.14484",
    unit={
        "eigenvalue": "loss / weight^2",
        "times_lr": "stable below 2",
        "preconditioned": "1 / learning rate",
        "preconditioned_times_lr": "stable below 38 (Adam)",
    },
    cost=2 * COST,
    claims=[
        Claim(
            says="The sharpness stays near 2 over the learning rate of gradient descent.",
            task="digits",
            method="sgd",
            measure="diagnostic",
            quantity="hessian_sharpness_times_lr",
            expect="equal",
            value=2.0,
            number="just above 2 / learning rate, full batch without momentum",
            place="abstract",
            source="Cohen et al. 2021, Gradient Descent on Neural Networks Typically Occurs at "
            "the Edge of Stability",
        ),
        Claim(
            says="The sharpness stays near 2 over the learning rate of gradient descent.",
            task="modular_addition_short",
            method="sgd",
            measure="diagnostic",
            quantity="hessian_sharpness_times_lr",
            expect="equal",
            value=2.0,
            number="just above 2 / learning rate, full batch without momentum",
            place="abstract",
            source="Cohen et al. 2021, Gradient Descent on Neural Networks Typically Occurs at "
            "the Edge of Stability",
        ),
        Claim(
            says="The sharpness preconditioned by Adam stays near 38 over the learning rate.",
            task="digits",
            method="adam",
            measure="diagnostic",
            quantity="hessian_sharpness_preconditioned_times_lr",
            expect="equal",
            value=38.0,
            number="38 / learning rate with beta_1 = 0.9, full batch",
            place="abstract",
            source="Cohen et al. 2022, Adaptive Gradient Methods at the Edge of Stability",
        ),
        Claim(
            says="The sharpness preconditioned by Adam stays near 38 over the learning rate.",
            task="modular_addition_short",
            method="adam",
            measure="diagnostic",
            quantity="hessian_sharpness_preconditioned_times_lr",
            expect="equal",
            value=38.0,
            number="38 / learning rate with beta_1 = 0.9, full batch",
            place="abstract",
            source="Cohen et al. 2022, Adaptive Gradient Methods at the Edge of Stability",
        ),
    ],
)
