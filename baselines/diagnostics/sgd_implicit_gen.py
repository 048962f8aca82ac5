"""The generalization gap that one update of gradient descent adds, from the gradients' spread."""

from __future__ import annotations

from suite import NotApplicable, Probe, diagnostic

from .families.gradients import cosine, example_gradients


def sgd_implicit_gen(probe: Probe) -> dict[str, float | None]:
    """lr tr Cov(g_i) / n of the probing examples, and the cosine of this and the earlier gradient.

    Of a step along the gradient of n examples, test loss falls by less than training loss by this
    much, to first order; the correlation of updates is what the paper's second term depends on.

    Deviates from the paper: the first term only, with the optimizer's learning rate whatever its
    update rule; the cosine is between evaluations, not neighbouring steps.
    """
    gradients = example_gradients(probe).double()
    mean = gradients.mean(0)
    before = probe.kept.get("mean")
    probe.kept["mean"] = mean
    variance = float((gradients - mean).square().sum()) / (len(gradients) - 1)
    try:
        gap = probe.setting("lr") * variance / len(probe.batch[0])
    except NotApplicable:
        gap = None
    correlation = None if before is None else float(cosine(mean, before))
    return {"gap": gap, "variance": variance, "correlation": correlation}


diagnostic(
    "sgd_implicit_gen",
    sgd_implicit_gen,
    paper="Roberts 2021, SGD Implicitly Regularizes Generalization Error",
    url="https://arxiv.org/abs/2104.04874",
    unit={"gap": "loss", "variance": "squared norm of a gradient", "correlation": "cosine"},
    cost=0.6,
)
