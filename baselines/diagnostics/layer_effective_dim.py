"""The rank of each layer's features: numerical, and by the entropy of singular values."""

from __future__ import annotations

import torch

from suite import Claim, Probe, diagnostic

from .families.features import entropy_of, features, singular_values


def layer_effective_dim(probe: Probe) -> dict[str, float]:
    """Numerical rank over the possible one, mean and smallest of layers; entropy rank of the last.

    The numerical rank counts singular values above max(rows, units) * eps * the largest one, as
    numpy's matrix_rank does; the possible one is min(rows, units).
    """
    shares = []
    for matrix in features(probe).values():
        values = singular_values(matrix)
        limit = max(matrix.shape) * torch.finfo(matrix.dtype).eps * values.max()
        shares.append(int((values > limit).sum()) / min(matrix.shape))
    return {
        "mean": sum(shares) / len(shares),
        "smallest": min(shares),
        "last_entropy": entropy_of(values),
    }


diagnostic(
    "layer_effective_dim",
    layer_effective_dim,
    paper="Makwana 2025, Layerwise Effective Dimension Oscillations in Finite-Width ReLU Networks; "
    "Roy and Vetterli 2007, The effective rank",
    url="https://arxiv.org/abs/2507.07675",
    unit={
        "mean": "share of the possible rank",
        "smallest": "share of the possible rank",
        "last_entropy": "effective rank",
    },
    cost=0.4,
    claims=[
        Claim(
            says="Networks with features of low rank are robust, here to wrong training labels.",
            task="noisy_labels_short",
            measure="correlation",
            quantity="layer_effective_dim_last_entropy, score",
            expect="lower",
            value=0.0,
            number="higher robustness with a constraint of low rank, to adversarial inputs",
            place="abstract",
            source="Sanyal, Kanade, Torr and Dokania 2018, Robustness via Deep Low-Rank "
            "Representations",
            from_memory=True,
        ),
    ],
)
