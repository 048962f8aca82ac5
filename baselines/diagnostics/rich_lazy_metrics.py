"""Rich or lazy: how much weights, features and tangent kernel have changed since the start."""

from __future__ import annotations

from suite import Probe, diagnostic

from .families.curvature import weights
from .families.features import last
from .families.kernels import alignment, at_start, cost_of, gram_alignment, tangent_kernel


def rich_lazy_metrics(probe: Probe) -> dict[str, float | None]:
    """||W_t - W_0|| / ||W_0||, and the alignments of representation and tangent kernel with then.

    The representation's kernel is H H^T of the last layer's features of the probing batch;
    alignments are cosines of kernels (1: lazy, nothing has changed).
    """
    initial = probe.flat(probe.initial)
    size = float(initial.norm())
    change = float((weights(probe) - initial).norm())
    hidden = last(probe)
    tangent = tangent_kernel(probe)
    then = at_start(probe, lambda p: (last(p), tangent_kernel(p)))
    return {
        "weights": change / size if size else None,
        "representation": gram_alignment(hidden, then[0]),
        "kernel": alignment(tangent, then[1], centered=False),
    }


diagnostic(
    "rich_lazy_metrics",
    rich_lazy_metrics,
    paper="Liu et al. 2023, How connectivity structure shapes rich and lazy learning in neural "
    "circuits; Kumar et al. 2024, Grokking as the Transition from Lazy to Rich Training Dynamics",
    url="https://arxiv.org/abs/2310.08513",
    unit={"weights": "ratio", "representation": "cosine", "kernel": "cosine"},
    cost=2 + 2 * cost_of(),
)
