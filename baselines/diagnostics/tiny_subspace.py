"""The tiny subspace: how much of the gradient is in the span of the top Hessian eigenvectors."""

from __future__ import annotations

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.curvature import COST, STEPS, top_hessian
from .families.gradients import gradient


def tiny_subspace(probe: Probe) -> dict[str, float | None]:
    """f_top = ||P_k g||^2 / ||g||^2 with k the number of classes; overlap with the span before.

    The overlap of two spans is Tr(P_k P'_k) / k. Without classes, k = 1.

    Deviates from the paper: k is at most 10, half of the Lanczos steps, and everything is of the
    probing batch.
    """
    count = min(probe.classes or 1, STEPS // 2)
    _, vectors = top_hessian(probe, count)
    found = gradient(probe)
    size = float(found.square().sum())
    if not size > 0:
        raise NotApplicable("the gradient is 0")
    before = probe.kept.get("vectors")
    probe.kept["vectors"] = vectors
    overlap = None
    if before is not None and before.shape == vectors.shape:
        overlap = float((vectors @ before.T).square().sum()) / len(vectors)
    return {"gradient": float((vectors @ found).square().sum()) / size, "overlap": overlap}


diagnostic(
    "tiny_subspace",
    tiny_subspace,
    paper="Gur-Ari, Roberts and Dyer 2018, Gradient Descent Happens in a Tiny Subspace",
    url="https://arxiv.org/abs/1812.04754",
    unit={"gradient": "share of the squared norm", "overlap": "share of the span"},
    cost=COST + 1.0,
    claims=[
        Claim(
            says="The gradient is mostly in the span of as many top Hessian eigenvectors as there "
            "are classes.",
            task="digits",
            method="sgd",
            measure="diagnostic",
            quantity="tiny_subspace_gradient",
            expect="higher",
            value=0.5,
            number="most of the gradient, after a short period of training",
            place="abstract",
        ),
        Claim(
            says="The gradient is mostly in the span of as many top Hessian eigenvectors as there "
            "are classes.",
            task="noisy_labels_short",
            method="sgd",
            measure="diagnostic",
            quantity="tiny_subspace_gradient",
            expect="higher",
            value=0.5,
            number="most of the gradient, after a short period of training",
            place="abstract",
        ),
        Claim(
            says="The subspace of the top Hessian eigenvectors is mostly preserved along training.",
            task="digits",
            method="sgd",
            measure="diagnostic",
            quantity="tiny_subspace_overlap",
            expect="higher",
            value=0.5,
            number="mostly preserved over long periods of training",
            place="abstract",
        ),
    ],
)
