"""The trace of the Hessian against 2 / lr, where SGD's minima are said to stay."""

from __future__ import annotations

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.curvature import trace, weights

#: random vectors of the estimate
SAMPLES = 10


def hessian_trace_stability(probe: Probe) -> dict[str, float | None]:
    """Tr H by Hutchinson's estimate with 10 random signs, its standard error, and lr Tr H / 2.

    The paper's condition for stable minima of SGD is Tr H <= 2 / lr, so that the last is at most 1.
    """
    with probe.hessian() as product:
        found = trace(product, weights(probe), SAMPLES, probe.generator)
    mean = float(found.mean())
    try:
        ratio = probe.setting("lr") * mean / 2.0
    except NotApplicable:
        ratio = None
    return {"trace": mean, "error": float(found.std()) / SAMPLES**0.5, "times_half_lr": ratio}


diagnostic(
    "hessian_trace_stability",
    hessian_trace_stability,
    paper="Wu and Su 2023, The Implicit Regularization of Dynamical Stability in Stochastic "
    "Gradient Descent",
    url="https://arxiv.org/abs/2305.17490",
    unit={
        "trace": "loss / weight^2",
        "error": "loss / weight^2",
        "times_half_lr": "stable below 1",
    },
    cost=1.0 + 2.0 * SAMPLES,
    claims=[
        Claim(
            says="The trace of the Hessian at a minimum that SGD stays at is at most 2 over the "
            "learning rate.",
            task="digits",
            method="sgd",
            measure="diagnostic",
            quantity="hessian_trace_stability_times_half_lr",
            expect="lower",
            value=1.0,
            number="Tr H <= 2 / learning rate",
            place="abstract",
        ),
        Claim(
            says="The trace of the Hessian at a minimum that SGD stays at is at most 2 over the "
            "learning rate.",
            task="noisy_labels_short",
            method="sgd",
            measure="diagnostic",
            quantity="hessian_trace_stability_times_half_lr",
            expect="lower",
            value=1.0,
            number="Tr H <= 2 / learning rate",
            place="abstract",
        ),
    ],
)
