"""Short continual tasks: those of the core."""

from __future__ import annotations

from suite import score, task

from .permuted_digits import PermutedDigits

# One task is 50 of the 56 batches of a pass over the images.
task(
    "permuted_digits_short",
    PermutedDigits(tasks=20, width=64, depth=4),
    version=1,
    track="mini",
    core=True,
    stream=True,
    contrast=("sgd", "adamw"),
    summary="Plasticity: digits under 20 permutations of the pixels in a row; online accuracy.",
    source="Dohare et al. 2024, online permuted MNIST; a quarter of permuted_digits",
    batch_size=32,
    budget=20 * 50 * 32,
    evaluations=20,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
)
