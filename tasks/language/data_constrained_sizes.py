"""`lm_data_constrained_short` with other batches, in as many epochs: for rules of weight decay.

Few sequences are read many times, so that decay matters; see docs/transfer.md.
"""

from __future__ import annotations

from suite import score, task

from .data_constrained import RepeatedLanguage

FINAL = score.final("excess_loss", higher_is_better=False, worst=3.0)
LANGUAGE = RepeatedLanguage(
    symbols=8,
    concentration=0.1,
    length=12,
    train=256,
    held_out=128,
    width=24,
    heads=2,
    layers=1,
)

task(
    "lm_data_constrained_short_batch_8",
    LANGUAGE,
    version=1,
    track="mini",
    size_of="lm_data_constrained_short",
    contrast=("adamw", "mezo"),
    summary="lm_data_constrained_short with batches of 8 instead of 32 and as many epochs.",
    source="lm_data_constrained_short, a quarter of the batch, four times the steps",
    batch_size=8,
    budget=32 * 260,
    evaluations=10,
    score=FINAL,
    target=0.3,
)

task(
    "lm_data_constrained_short_batch_128",
    LANGUAGE,
    version=1,
    track="mini",
    size_of="lm_data_constrained_short",
    contrast=("adamw", "mezo"),
    summary="lm_data_constrained_short with batches of 128 instead of 32 and as many epochs.",
    source="lm_data_constrained_short, four times the batch, a quarter of the steps",
    batch_size=128,
    budget=32 * 260,
    evaluations=10,
    score=FINAL,
    target=0.3,
)
