"""Short vision tasks: those of the core."""

from __future__ import annotations

from suite import score, task

from .label_noise import NoisyDigits
from .mnist1d import Mnist1d

# More validation images than in noisy_labels_mini: with 400 noisy labels the best of six trials is
# often the luckiest one.
task(
    "noisy_labels_short",
    NoisyDigits(train=600, validation=800, noise=0.4, width=128, depth=2),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "mezo"),
    summary="600 digits with 40 % wrong labels: test accuracy at the end of 40 epochs.",
    source="symmetric noise after Patrini et al. 2017; scikit-learn's digits",
    batch_size=100,
    budget=600 * 40,
    evaluations=20,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.8,
)

task(
    "mnist1d_short",
    Mnist1d(channels=25),
    version=1,
    track="mini",
    core=True,
    contrast=("adamw", "mezo"),
    summary="MNIST-1D: ten classes of noisy signals, convolutions, 300 steps of 50; test loss.",
    source="Greydanus and Kobak 2024; mnist1d with batches of 50, 4 epochs instead of 150",
    batch_size=50,
    budget=50 * 300,
    evaluations=10,
    score=score.final("loss", higher_is_better=False, worst=8.0),
    target=0.85,
)
