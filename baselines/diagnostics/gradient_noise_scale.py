"""The gradient's noise scale: from which batch size on its noise is smaller than its mean."""

from __future__ import annotations

from suite import Probe, diagnostic

from .families.gradients import part_gradients


def gradient_noise_scale(probe: Probe) -> dict[str, float | None]:
    """B = tr(Sigma) / |G|^2 with unbiased estimates of both, and tr(Sigma) itself.

    Equation 2.9 and appendix A.1 of the paper: from the squared norms of gradients of two batch
    sizes, here of the parts of the probing batch and of all of them. None where the estimate of
    |G|^2 is not positive.
    """
    parts = part_gradients(probe).double()
    small = len(probe.batch[0]) / len(parts)
    large = small * len(parts)
    of_small = float(parts.square().sum(1).mean())
    of_large = float(parts.mean(0).square().sum())
    squared = (large * of_large - small * of_small) / (large - small)
    trace = (of_small - of_large) / (1.0 / small - 1.0 / large)
    return {"scale": trace / squared if squared > 0 else None, "variance": trace}


diagnostic(
    "gradient_noise_scale",
    gradient_noise_scale,
    paper="McCandlish et al. 2018, An Empirical Model of Large-Batch Training",
    url="https://arxiv.org/abs/1812.06162",
    unit={"scale": "examples", "variance": "squared norm of an example's gradient"},
    cost=1,
)
