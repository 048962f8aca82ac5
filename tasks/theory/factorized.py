"""Factorized linear models: gradient descent from a small start prefers simple solutions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Split, fingerprint_of, score, task


def log10_error(predictions: Tensor, targets: Tensor) -> float:
    """Decimal logarithm of the squared error relative to the targets' own size, at least -12."""
    error = float((predictions - targets).square().sum() / targets.square().sum())
    return max(-12.0, math.log10(max(error, 1e-12)))


class FactorizedMatrix(nn.Module):
    """Measurements (N, d * d) of the matrix U U^T, with U (d, d): predictions (N,)."""

    def __init__(self, size: int, start: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(start * torch.randn(size, size) / math.sqrt(size))

    def forward(self, measurements: Tensor) -> Tensor:
        return measurements @ (self.factor @ self.factor.T).flatten()


class MatrixSensing(Problem):
    """Recover a positive semidefinite matrix of low rank from fewer measurements than its entries.

    The factor U is square, so nothing but the training bounds the rank. Gradient descent from a
    small start learns the eigenvalues one after the other, the largest first, until it has the
    true matrix (Jin et al. 2023); from a large one it fits the measurements with a matrix of full
    rank. The true matrix has the nonzero eigenvalues 1, 1/2, ... down to 1/`rank`. A measurement
    is <A, X> with A symmetric Gaussian; all of them make the full batch.

    Metrics on fresh measurements, whose expected squared error is that of the matrix itself (up to
    a factor): `log10_error`, relative to predicting 0; `effective_rank`, exp of the entropy of the
    eigenvalues of U U^T as shares of their sum (Roy and Vetterli 2007).
    """

    criterion = staticmethod(nn.functional.mse_loss)

    def __init__(
        self, size: int, rank: int, measurements: int, held_out: int, start: float
    ) -> None:
        self.size = size
        self.rank = rank
        self.measurements = measurements
        self.held_out = held_out
        self.start = start

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        d = self.size
        basis, _ = torch.linalg.qr(torch.randn(d, self.rank, generator=generator))
        truth = (basis / torch.arange(1, self.rank + 1)) @ basis.T

        def draw(count: int) -> Split:
            square = torch.randn(count, d, d, generator=generator)
            rows = ((square + square.mT) / 2).flatten(1)
            return Split(rows, rows @ truth.flatten())

        text = f"matrix sensing {d} {self.rank} {self.measurements}"
        splits = draw(self.measurements), draw(self.held_out), draw(self.held_out)
        return Data(*splits, fingerprint_of(text))

    def model(self) -> nn.Module:
        return FactorizedMatrix(self.size, self.start)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        # The model is linear in the measurement: all unit matrices together return the matrix.
        units = torch.eye(self.size**2, device=split.inputs.device)
        matrix = model(units).view(self.size, self.size)
        return {
            "log10_error": log10_error(model(split.inputs), split.targets),
            "effective_rank": effective_rank(matrix),
        }


def effective_rank(matrix: Tensor) -> float:
    """exp of the entropy of a matrix's singular values as shares of their sum, at least 1.

    Not a number if an entry is not finite.
    """
    if not matrix.isfinite().all():
        return math.nan
    values = torch.linalg.svdvals(matrix.double())
    shares = values / values.sum().clamp(min=1e-300)
    return math.exp(float(torch.special.entr(shares).sum()))


class DiagonalNetwork(nn.Module):
    """f(x) = <u * v, x> with u = `start` and v = 0: inputs (N, d) to predictions (N,)."""

    def __init__(self, features: int, start: float) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.full((features,), start))
        self.second = nn.Parameter(torch.zeros(features))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ (self.first * self.second)


class DiagonalLinearNetwork(Problem):
    """Sparse regression with fewer examples than features, by a network f(x) = <u * v, x>.

    Of all weights that fit the examples, gradient flow from u = `start` finds nearly those of
    smallest l1 norm if the start is small, which are the sparse truth, and those of smallest l2
    norm if it is large, which are far from it (Woodworth et al. 2020). Large noisy steps move
    further to the sparse side (Andriushchenko et al. 2023). Adam loses this bias: from half as many
    examples as features it does worse than predicting 0, tuned or not. The task has more, so that
    it can be solved at all.

    `sparsity` of the true weights are +1 or -1, the others 0. Held-out examples are Gaussian like
    the training ones, so their expected error is the distance to the truth. Metrics:
    `log10_error` relative to predicting 0; `l1_norm` of u * v relative to the truth's; `support`,
    how many of its entries exceed a tenth of a true one.
    """

    criterion = staticmethod(nn.functional.mse_loss)

    def __init__(
        self, features: int, sparsity: int, examples: int, held_out: int, start: float
    ) -> None:
        self.features = features
        self.sparsity = sparsity
        self.examples = examples
        self.held_out = held_out
        self.start = start

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        truth = torch.zeros(self.features)
        chosen = torch.randperm(self.features, generator=generator)[: self.sparsity]
        truth[chosen] = torch.randn(self.sparsity, generator=generator).sign()

        def draw(count: int) -> Split:
            inputs = torch.randn(count, self.features, generator=generator)
            return Split(inputs, inputs @ truth)

        text = f"sparse regression {self.features} {self.sparsity} {self.examples}"
        return Data(
            draw(self.examples), draw(self.held_out), draw(self.held_out), fingerprint_of(text)
        )

    def model(self) -> nn.Module:
        return DiagonalNetwork(self.features, self.start)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        weights = model(torch.eye(self.features, device=split.inputs.device)).abs()
        return {
            "log10_error": log10_error(model(split.inputs), split.targets),
            "l1_norm": float(weights.sum()) / self.sparsity,
            "support": float((weights > 0.1).sum()),
        }


task(
    "matrix_sensing",
    MatrixSensing(size=20, rank=3, measurements=130, held_out=500, start=1e-3),
    version=2,
    track="mini",
    core=True,
    contrast=("sgd", "lion"),
    summary="Low-rank matrix from few measurements; gradient descent learns rank by rank.",
    source="Jin et al. 2023, Understanding Incremental Learning of Gradient Descent: A "
    "Fine-grained Analysis of Matrix Sensing; sizes of this suite",
    batch_size=130,
    budget=130 * 1000,
    evaluations=40,
    score=score.final("log10_error", higher_is_better=False, worst=1.0),
    target=-2.5,
)

task(
    "diagonal_linear_net",
    DiagonalLinearNetwork(features=100, sparsity=4, examples=85, held_out=500, start=0.01),
    version=2,
    track="mini",
    contrast=("sgd", "adamw"),
    summary="Sparse regression with u * v as weights: does the method find the sparse solution?",
    source="Andriushchenko et al. 2023, SGD with Large Step Sizes Learns Sparse Features; sizes of "
    "this suite",
    batch_size=85,
    budget=85 * 1000,
    evaluations=40,
    score=score.final("log10_error", higher_is_better=False, worst=1.0),
    target=-1.2,
)
