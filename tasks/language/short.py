"""Short language tasks: those of the core, each about half a second of one core.

The problems of `lm_markov`, `lm_induction` and `lm_data_constrained_mini` with fewer symbols,
shorter sequences and fewer steps. What distinguishes methods there is kept: a loss that most of the
steps are needed for, a plateau that is left when an induction head forms, and a training set that
is read so often that it is memorized.
"""

from __future__ import annotations

from suite import score, task

from .data_constrained import RepeatedLanguage
from .decoder import Shape
from .induction import Induction
from .markov import MarkovLanguage

MARKOV_STEPS, INDUCTION_STEPS = 240, 220

task(
    "lm_markov_short",
    MarkovLanguage(
        symbols=8,
        concentration=0.15,
        length=16,
        train=32 * MARKOV_STEPS,
        held_out=128,
        width=32,
        heads=2,
        layers=1,
    ),
    version=1,
    track="mini",
    core=True,
    contrast=("schedule_free", "adamw"),
    summary="A small transformer learns a language of 8 symbols; nats a symbol above its entropy.",
    source="lm_markov with fewer symbols and steps and more certain successors",
    batch_size=32,
    budget=32 * MARKOV_STEPS,
    evaluations=12,
    score=score.final("excess_loss", higher_is_better=False, worst=3.0),
    target=0.2,
)

task(
    "lm_induction_short",
    Induction(
        Shape(vocabulary=3, length=16, width=24, heads=1, layers=2, expansion=0),
        train=24 * INDUCTION_STEPS,
        held_out=96,
    ),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "sgd"),
    summary="Two layers of attention learn to read each sequence's own rule; nats above the best.",
    source="lm_induction (Edelman et al. 2024) with 3 symbols and sequences of 16",
    batch_size=24,
    budget=24 * INDUCTION_STEPS,
    evaluations=11,
    # The mean over the run: methods differ in how long they stay on the plateau.
    score=score.mean("excess_loss", higher_is_better=False, worst=1.5),
    target=0.07,
)

# 32 * 260 of 256 sequences: 32.5 epochs.
task(
    "lm_data_constrained_short",
    RepeatedLanguage(
        symbols=8,
        concentration=0.1,
        length=12,
        train=256,
        held_out=128,
        width=24,
        heads=2,
        layers=1,
    ),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "mezo"),
    summary="3,072 tokens of a generated language, 32 epochs; nats a symbol above its entropy.",
    source="Kim et al. 2025; lm_data_constrained_mini with fewer tokens",
    batch_size=32,
    budget=32 * 260,
    evaluations=10,
    score=score.final("excess_loss", higher_is_better=False, worst=3.0),
    target=0.3,
)
