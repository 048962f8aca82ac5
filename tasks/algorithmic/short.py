"""Short algorithmic tasks: those of the core, each about half a second of one core."""

from __future__ import annotations

from suite import score, task

from .groups import GroupFeatures
from .networks import Quadratic
from .parity import PointerValueRetrieval
from .tables import grokking

# Squares and a squared error, and not the embeddings and cross-entropy of modular_addition: that
# one groks only where AdamW's rate and decay are both large, which six trials find by luck.
addition = GroupFeatures("cyclic_37", Quadratic(64), train=0.4)
task(
    "modular_addition_short",
    addition,
    track="mini",
    core=True,
    contrast=("adamw", "sgd"),
    summary="Grokking: squares learn (a + b) mod 37 from 40 % of the table, full batch.",
    source="Gromov 2023, Grokking modular arithmetic; Tian 2024, CoGO; sizes of this suite",
    **(grokking(addition, steps=500, evaluations=50) | {"version": 1}),
)

task(
    "pvr_boolean_short",
    PointerValueRetrieval(pointer=3, window=2, frozen=5, width=128, train=0.4),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "mezo"),
    summary="Pointer value retrieval, a bit held out: test loss where it is seen, 600 steps.",
    source="Abbe et al. 2022, pointer of 3 bits, canonical holdout; pvr_boolean with fewer steps",
    batch_size=64,
    budget=64 * 600,
    evaluations=20,
    score=score.final("loss", higher_is_better=False, worst=2.0),
    target=0.15,
)
