"""Short theory tasks: those of the core, each about a quarter of a second of one core."""

from __future__ import annotations

from suite import score, task

from .clusters import XorClusters
from .polynomials import HierarchicalPolynomial

# The loss and not the accuracy of xor_cluster: what SGD's defaults reach of that in so few steps
# differs much from seed to seed, and with it the scale's 0.
task(
    "xor_cluster_short",
    XorClusters(
        features=400,
        examples=200,
        held_out=1000,
        noise=0.03,
        flipped=0.1,
        width=64,
        start=0.2,
    ),
    version=1,
    track="mini",
    core=True,
    contrast=("sgd", "adamw"),
    summary="XOR of four clusters in high dimension, a tenth of labels wrong: loss on clean ones.",
    source="Xu et al. 2024, Benign Overfitting and Grokking in ReLU Networks for XOR Cluster Data; "
    "xor_cluster with another score",
    batch_size=200,
    budget=200 * 200,
    evaluations=20,
    score=score.final("loss", higher_is_better=False, worst=2.0),
    target=0.25,
)

task(
    "hierarchical_polynomial_short",
    HierarchicalPolynomial(features=8, train=4000, held_out=1000, width=64),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "mezo"),
    summary="A quadratic inside a quadratic, by a three-layer network of width 64; test error.",
    source="Wang, Nichani and Lee 2023, Learning Hierarchical Polynomials with Three-Layer Neural "
    "Networks; hierarchical_polynomial with fewer steps",
    batch_size=100,
    budget=100 * 500,
    evaluations=20,
    score=score.final("relative_error", higher_is_better=False, worst=4.0),
    target=0.25,
)
