"""`modular_addition` with a wider network, to say whether a method's gain survives size."""

from __future__ import annotations

from suite import score, task

from .modular import ModularAddition

task(
    "modular_addition_wide",
    ModularAddition(modulus=59, width=96),
    version=1,
    track="mini",
    size_of="modular_addition",
    contrast=("adamw", "sgd"),
    summary="modular_addition with a network of width 96 instead of 64: grokking, full batch.",
    source="modular_addition, one and a half times as wide",
    batch_size=59 * 59 // 2,
    budget=59 * 59 // 2 * 2000,
    evaluations=100,
    score=score.time_to_target("accuracy", hold=3),
    target=0.99,
)
