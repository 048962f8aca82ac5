"""The settings of the grokking papers, on one GPU.

Power et al. 2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets":
2-layer decoders of width 128 with 4 heads, modulo 97 and in S5, 50 % of the table, batches of 512.
Nanda et al. 2023, "Progress Measures for Grokking via Mechanistic Interpretability": 1 layer
without normalization, addition modulo 113, 30 % of the table, full batch.
Lee et al. 2024, "Grokfast: Accelerated Grokking by Amplifying Slow Gradients": products modulo 97.
Tian 2025, "Provable Scaling Laws of Feature Emergence from Learning Dynamics of Grokking".

The papers' budgets of up to 300,000 steps are those of weak baselines: Grokfast's is run without
weight decay; with it, Adam needs a thirtieth. Here tuned AdamW groks within a fraction of the
budget. As in the papers operands share one embedding, so that on commutative operations a part of
the held-out cells is easier: their mirror image is trained on.
"""

from __future__ import annotations

from typing import Any

from suite import task

from .groups import GroupComposition, GroupFeatures
from .networks import Quadratic, SmallTransformer
from .tables import ModularTable, TableProblem, grokking

DECODER = SmallTransformer(width=128, heads=4, layers=2, operator=True)
PLAIN = SmallTransformer(width=128, heads=4, layers=1, plain=True)


def minibatches(problem: TableProblem, steps: int) -> dict[str, Any]:
    """The declaration of a task in batches of 512; the rest as in `grokking`."""
    shared = grokking(problem, steps, evaluations=200)
    return {**shared, "batch_size": 512, "budget": 512 * steps, "time_limit": 7200.0}


division = ModularTable("division", 97, DECODER, full_batch=False)
task(
    "modular_division_transformer",
    division,
    track="full",
    summary="Grokking: a 2-layer transformer learns a / b mod 97 from half of the table.",
    source="Power et al. 2022",
    **minibatches(division, steps=20_000),
)

quadratic_form = ModularTable("x2_xy_y2", 97, DECODER, full_batch=False)
task(
    "modular_quadratic_form",
    quadratic_form,
    track="full",
    summary="Grokking: a 2-layer transformer learns a^2 + ab + b^2 mod 97 from half of the table.",
    source="Power et al. 2022",
    **minibatches(quadratic_form, steps=40_000),
)

product = ModularTable("nonzero_multiplication", 97, DECODER, full_batch=False)
task(
    "modular_multiplication_transformer",
    product,
    track="full",
    summary="Grokking: a 2-layer transformer learns a * b mod 97, b not 0, from half of the table.",
    source="Lee et al. 2024, Grokfast",
    **minibatches(product, steps=20_000),
)

composition = GroupComposition("s5", DECODER, full_batch=False)
task(
    "s5_composition",
    composition,
    track="full",
    summary="Grokking: a 2-layer transformer learns to compose permutations of 5 letters.",
    source="Power et al. 2022",
    **minibatches(composition, steps=40_000),
)

addition = ModularTable("addition", 113, PLAIN, train=0.3)
task(
    "modular_addition_transformer",
    addition,
    track="full",
    summary="Grokking: a 1-layer transformer learns (a + b) mod 113 from 30 % of the table.",
    source="Nanda et al. 2023",
    time_limit=7200.0,
    **grokking(addition, steps=40_000, evaluations=200),
)

features = GroupFeatures("cyclic_71", Quadratic(2048), train=0.4)
task(
    "modular_addition_features",
    features,
    track="full",
    summary="2,048 squares learn (a + b) mod 71 from 40 % of the table; frequencies of the nodes.",
    source="Tian 2025, Li2, and Tian 2024, CoGO",
    time_limit=7200.0,
    **grokking(features, steps=10_000, evaluations=200),
)
