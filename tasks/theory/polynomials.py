"""Polynomial targets of Gaussian inputs: finding a hidden direction, or a hidden hierarchy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, fingerprint_of, mark_head, score, task

#: this number of standard deviations away, He_k is x^k
FAR = 100.0


def hermite(degree: int, x: Tensor) -> Tensor:
    """The probabilists' Hermite polynomial He_k over sqrt(k!): unit variance for x ~ N(0, 1)."""
    before, value = torch.ones_like(x), x
    if degree == 0:
        return before
    for k in range(1, degree):
        before, value = value, x * value - k * before
    return value / math.sqrt(math.factorial(degree))


class HermiteNeuron(nn.Module):
    """He_k(<w, x> / |w|) / sqrt(k!): inputs (N, d) to predictions (N,)."""

    def __init__(self, features: int, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.direction = nn.Linear(features, 1, bias=False)
        nn.init.normal_(self.direction.weight, std=features**-0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        norm = self.direction.weight.norm()
        return hermite(self.degree, self.direction(inputs).squeeze(1) / norm)


class SingleIndex(Problem):
    """Learn the direction of y = He_k(<theta, x>) / sqrt(k!), with x standard normal.

    The link's first Hermite coefficient that is not 0 is the k-th: its information exponent k. A
    random direction has an overlap |<w, theta>| / |w| of about features^(-1/2), where the
    gradient is small, of order overlap^(k - 1); most examples are spent on leaving this plateau
    (Ben Arous et al. 2021; for symmetric networks Zweig and Bruna 2023). Every example comes once.
    With an even k, theta and -theta are the same.

    The only held-out input is theta, `FAR` times as long: out there the polynomial is its highest
    power, and the prediction gives the `overlap`, in [0, 1].
    """

    criterion = staticmethod(nn.functional.mse_loss)

    def __init__(self, features: int, degree: int, train: int) -> None:
        self.features = features
        self.degree = degree
        self.train = train

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        theta = torch.randn(self.features, generator=generator)
        theta /= theta.norm()

        inputs = torch.randn(self.train, self.features, generator=generator)
        train = Split(inputs, hermite(self.degree, inputs @ theta))
        far = FAR * theta.unsqueeze(0)
        held_out = Split(far, hermite(self.degree, far @ theta))
        digest = fingerprint_of(f"He_{self.degree} in {self.features}")
        return Data(train, held_out, held_out, digest)

    def model(self) -> nn.Module:
        return HermiteNeuron(self.features, self.degree)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        ratio = float(model(split.inputs)[0] / split.targets[0])
        return {"overlap": min(1.0, abs(ratio) ** (1 / self.degree))}


class HierarchicalPolynomial(Problem):
    """y = g(p(x)): a quadratic form p of Gaussian inputs, and a polynomial g of it.

    p(x) = <x, A x> with A symmetric and without trace, scaled to unit variance, and
    g(p) = (p + (p^2 - 1) / sqrt(2)) / sqrt(2). A network of three layers can learn p first and then
    g of it, from about features^2 examples, where kernels need features^4 (Wang et al. 2023;
    the earlier bound for networks, of Nichani et al. 2023, was features^4, too).

    Metric `relative_error`: mean squared error over the variance of the held-out targets.
    """

    criterion = staticmethod(nn.functional.mse_loss)

    def __init__(self, features: int, train: int, held_out: int, width: int) -> None:
        self.features = features
        self.train = train
        self.held_out = held_out
        self.width = width

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        square = torch.randn(self.features, self.features, generator=generator)
        form = square + square.T
        form -= torch.eye(self.features) * form.trace() / self.features
        form /= form.norm() * math.sqrt(2)  # the variance of <x, A x> is 2 |A|^2

        def draw(count: int) -> Split:
            inputs = torch.randn(count, self.features, generator=generator)
            p = ((inputs @ form) * inputs).sum(1)
            return Split(inputs, (p + hermite(2, p)) / math.sqrt(2))

        digest = fingerprint_of(f"g(p(x)) in {self.features}")
        return Data(draw(self.train), draw(self.held_out), draw(self.held_out), digest)

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Linear(self.features, self.width),
            nn.ReLU(),
            nn.Linear(self.width, self.width),
            nn.ReLU(),
            mark_head(nn.Linear(self.width, 1)),
            nn.Flatten(0),
        )

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        error = (model(split.inputs) - split.targets).square().mean()
        return {"relative_error": float(error / split.targets.var())}


task(
    "single_index",
    SingleIndex(features=64, degree=2, train=32_000),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="One neuron with the link He_2 looks for a hidden direction; overlap found.",
    source="Ben Arous et al. 2021; Zweig and Bruna 2023 for symmetric ones; sizes of this suite",
    batch_size=64,
    budget=32_000,
    evaluations=50,
    score=score.mean("overlap", higher_is_better=True, worst=0.0),
    target=0.9,
)

task(
    "hierarchical_polynomial",
    HierarchicalPolynomial(features=8, train=4000, held_out=2000, width=128),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="A quadratic inside a quadratic, by a three-layer network; relative test error.",
    source="Wang, Nichani and Lee 2023, Learning Hierarchical Polynomials with Three-Layer Neural "
    "Networks; sizes of this suite",
    batch_size=100,
    budget=100 * 800,
    evaluations=40,
    score=score.final("relative_error", higher_is_better=False, worst=4.0),
    target=0.2,
)
