"""Short grokking tasks: those of the core, each about half a second of one core.

Both train on so few examples that they are memorized first, and generalize when weight decay has
made the memorizing solution expensive. Rate and decay may be anywhere in a wide range, so that six
trials find them: with the embeddings and the cross-entropy of `modular_addition`, only a sixth of
AdamW's search space groks at all.
"""

from __future__ import annotations

from suite import score, task

from .groups import GroupFeatures
from .networks import Quadratic
from .parity import SparseParity
from .tables import grokking

addition = GroupFeatures("cyclic_37", Quadratic(64), train=0.4)
task(
    "modular_addition_grok",
    addition,
    track="mini",
    core=True,
    contrast=("adamw", "sgd"),
    summary="Grokking: squares learn (a + b) mod 37 from 40 % of the table, full batch.",
    source="Gromov 2023, Grokking modular arithmetic; Tian 2024, CoGO; sizes of this suite",
    **(grokking(addition, steps=800, evaluations=80) | {"version": 1}),
)

task(
    "sparse_parity_grok",
    SparseParity(bits=30, relevant=3, width=128, train=1000, held_out=500),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "sgd"),
    summary="Grokking: the parity of 3 hidden bits of 30, from 1,000 samples again and again.",
    source="Merrill et al. 2023, A Tale of Two Circuits: Grokking as Competition of Sparse and "
    "Dense Subnetworks; sizes of this suite",
    batch_size=100,
    budget=100 * 800,
    evaluations=80,
    score=score.time_to_target("accuracy", hold=3),
    target=0.98,
)
