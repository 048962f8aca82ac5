"""Progress towards grokking: sparsity of embedding and head in Fourier space, and weight norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import NotApplicable, Probe, diagnostic

from .families.curvature import weights


def grokking_progress_measures(probe: Probe) -> dict[str, float | None]:
    """Gini coefficients of Fourier components' norms of W_E and W_L; the sum of squared weights.

    The discrete Fourier transform runs over the symbols of the embedding, and over the classes of
    the last matrix; the norm of a frequency is over its sine, its cosine and the other dimension.
    A sparse spectrum has a coefficient near 1.

    Deviates from the paper: without restricted and excluded loss, which need the logits of the
    whole table of a modular sum.
    """
    embedding = next((m for m in probe.model.modules() if isinstance(m, nn.Embedding)), None)
    matrices = [m.weight for m in probe.model.modules() if isinstance(m, nn.Linear)]
    head = matrices[-1] if matrices and len(matrices[-1]) == probe.classes else None
    if embedding is None:
        raise NotApplicable("the model has no embedding of symbols")
    return {
        "embedding_gini": _fourier_gini(embedding.weight),
        "head_gini": None if head is None else _fourier_gini(head),
        "squared_norm": float(weights(probe).square().sum()),
    }


def _fourier_gini(matrix: Tensor) -> float | None:
    """Of the norms of frequencies above 0; (symbols, width)."""
    sizes = torch.fft.rfft(matrix.detach().double(), dim=0).abs().norm(dim=1)[1:]
    return gini(sizes)


def gini(values: Tensor) -> float | None:
    """0 if all are equal, near 1 if one has everything; None if all are 0."""
    count, total = len(values), float(values.sum())
    if not count or not total > 0:
        return None
    ranks = torch.arange(1, count + 1, dtype=values.dtype, device=values.device)
    return float((2 * ranks - count - 1) @ values.sort().values) / (count * total)


diagnostic(
    "grokking_progress_measures",
    grokking_progress_measures,
    paper="Nanda et al. 2023, Progress measures for grokking via mechanistic interpretability",
    url="https://arxiv.org/abs/2301.05217",
    unit={
        "embedding_gini": "Gini coefficient",
        "head_gini": "Gini coefficient",
        "squared_norm": "sum of squared weights",
    },
    cost=0,
)
