"""`digits` in other sizes: a wider network, smaller batches, more steps.

For rules of scaling (docs/transfer.md) and for the question whether a method's gain survives size.
All else is that of `digits`: the examples and the score.
"""

from __future__ import annotations

from suite import score, task

from .digits import Digits

task(
    "digits_wide",
    Digits(train=500, validation=500, width=512, depth=2),
    version=1,
    track="mini",
    size_of="digits",
    contrast=("adamw", "lion"),
    summary="digits with layers of 512 units instead of 128: mean test loss over training.",
    source="digits, four times as wide",
    batch_size=250,
    budget=250 * 200,
    evaluations=40,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.15,
)

task(
    "digits_batch_50",
    Digits(train=500, validation=500, width=128, depth=2),
    version=1,
    track="mini",
    size_of="digits",
    contrast=("adamw", "lion"),
    summary="digits with batches of 50 instead of 250 and as many examples: mean test loss.",
    source="digits, a fifth of the batch, five times the steps",
    batch_size=50,
    budget=250 * 200,
    evaluations=40,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.15,
)

task(
    "digits_budget_5x",
    Digits(train=500, validation=500, width=128, depth=2),
    version=1,
    track="mini",
    size_of="digits",
    contrast=("adamw", "lion"),
    summary="digits with five times the steps: mean test loss over training.",
    source="digits, five times the budget; the updates of digits_batch_50 with its own batches",
    batch_size=250,
    budget=250 * 1000,
    evaluations=40,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.15,
)
