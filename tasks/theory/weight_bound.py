"""Least squares whose solution is large: does weight decay bound every weight, as theory says?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Split, fingerprint_of, score, task

from .linear_models import log10_risk, zero_linear


class LargeSolution(Problem):
    """Full-batch least squares, y = <w, x> with x ~ N(0, 1), from w = 0.

    The entries of the solution w have random signs and sizes from `low` to `high`. A method whose
    every step is at most `lr` in each weight, and that takes `lr * weight_decay * w` away
    besides, keeps |w_i| <= 1 / weight_decay if it starts there: Lion at all times (Chen et al.
    2024), AdamW where it converges (Xie and Li 2024). Metric `log10_error`: the decimal logarithm
    of the mean squared error. `largest_weight`: the largest |w_i|, to compare with the bound.
    """

    criterion = staticmethod(nn.functional.mse_loss)

    def __init__(self, features: int, examples: int, low: float, high: float) -> None:
        self.features = features
        self.examples = examples
        self.low = low
        self.high = high

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        sizes = torch.empty(self.features).uniform_(self.low, self.high, generator=generator)
        solution = sizes * torch.randn(self.features, generator=generator).sign()

        def draw() -> Split:
            inputs = torch.randn(self.examples, self.features, generator=generator)
            return Split(inputs, inputs @ solution)

        said = f"large solution {self.features} {self.examples} {self.low} {self.high}"
        return Data(draw(), draw(), draw(), fingerprint_of(said))

    def model(self) -> nn.Module:
        return zero_linear(self.features)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        # The outputs are linear in x, so w is what the unit vectors give.
        weights = model(torch.eye(self.features, device=split.inputs.device))
        return {
            "log10_error": log10_risk(model(split.inputs), split.targets),
            "largest_weight": float(weights.abs().max()),
        }


task(
    "large_solution",
    LargeSolution(features=16, examples=64, low=2.0, high=6.0),
    version=1,
    track="mini",
    contrast=("sgd", "lion"),
    summary="Least squares with large weights: does weight decay bound each, as theory says?",
    source="Chen et al. 2024, Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts; "
    "Xie and Li 2024, Implicit Bias of AdamW: l-infinity Norm Constrained Optimization; data of "
    "this suite",
    batch_size=64,
    budget=64 * 1000,
    evaluations=20,
    score=score.final("log10_error", higher_is_better=False, worst=6.0),
    target=-2.0,
)
