"""`lm_markov` and its short version in other sizes: width, batch, budget.

For rules of scaling (docs/transfer.md) and for the question whether a method's gain survives size.
The short version sees every sequence once: so do those with more budget, which have more sequences.
"""

from __future__ import annotations

from suite import score, task

from .markov import MarkovLanguage
from .short import MARKOV_STEPS

FINAL = score.final("excess_loss", higher_is_better=False, worst=3.0)

# Heads have the width of those of lm_markov, 16: there are more of them.
task(
    "lm_markov_wide",
    MarkovLanguage(
        symbols=12,
        concentration=0.3,
        length=16,
        train=8192,
        held_out=256,
        width=64,
        heads=4,
        layers=1,
    ),
    version=1,
    track="mini",
    size_of="lm_markov",
    contrast=("schedule_free", "adamw"),
    summary="lm_markov with a transformer of width 64 instead of 32; nats above the entropy.",
    source="lm_markov, twice as wide",
    batch_size=64,
    budget=64 * 400,
    evaluations=20,
    score=FINAL,
    target=0.15,
)


def language(examples: int) -> MarkovLanguage:
    """The language and the model of `lm_markov_short`, with so many sequences to train on."""
    return MarkovLanguage(
        symbols=8,
        concentration=0.15,
        length=16,
        train=examples,
        held_out=128,
        width=32,
        heads=2,
        layers=1,
    )


task(
    "lm_markov_short_batch_8",
    language(32 * MARKOV_STEPS),
    version=1,
    track="mini",
    size_of="lm_markov_short",
    contrast=("adamw", "sgd"),
    summary="lm_markov_short with batches of 8 instead of 32 and as many sequences.",
    source="lm_markov_short, a quarter of the batch, four times the steps",
    batch_size=8,
    budget=32 * MARKOV_STEPS,
    evaluations=12,
    score=FINAL,
    target=0.2,
)

task(
    "lm_markov_short_batch_16",
    language(32 * MARKOV_STEPS),
    version=1,
    track="mini",
    size_of="lm_markov_short",
    contrast=("adamw", "sgd"),
    summary="lm_markov_short with batches of 16 instead of 32 and as many sequences.",
    source="lm_markov_short, half of the batch, twice the steps",
    batch_size=16,
    budget=32 * MARKOV_STEPS,
    evaluations=12,
    score=FINAL,
    target=0.2,
)

task(
    "lm_markov_short_batch_128",
    language(32 * MARKOV_STEPS),
    version=1,
    track="mini",
    size_of="lm_markov_short",
    contrast=("adamw", "sgd"),
    summary="lm_markov_short with batches of 128 instead of 32 and as many sequences: 60 steps.",
    source="lm_markov_short, four times the batch, a quarter of the steps",
    batch_size=128,
    budget=32 * MARKOV_STEPS,
    evaluations=12,
    score=FINAL,
    target=0.2,
)

task(
    "lm_markov_short_budget_4x",
    language(4 * 32 * MARKOV_STEPS),
    version=1,
    track="mini",
    size_of="lm_markov_short",
    contrast=("adamw", "sgd"),
    summary="lm_markov_short with four times the sequences and steps.",
    source="lm_markov_short, four times the budget",
    batch_size=32,
    budget=4 * 32 * MARKOV_STEPS,
    evaluations=12,
    score=FINAL,
    target=0.2,
)
