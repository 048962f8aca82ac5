"""Linear models on Gaussian data, where theory says what each method must do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Shuffled, Split, fingerprint_of, mark_head, score, task


def zero_linear(features: int) -> nn.Module:
    """Inputs (N, features) to predictions (N,): one weight vector, no bias, all zeros at first."""
    layer = nn.Linear(features, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return nn.Sequential(mark_head(layer), nn.Flatten(0))


def random_rotation(size: int, generator: torch.Generator) -> Tensor:
    """A uniformly distributed orthogonal matrix, shape (size, size)."""
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator))
    return q * r.diagonal().sign()


def log10_risk(predictions: Tensor, targets: Tensor) -> float:
    """Decimal logarithm of the mean squared error, at least -12."""
    return max(-12.0, math.log10(max(float((predictions - targets).square().mean()), 1e-12)))


def logistic_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean of log(1 + exp(-y f)), finite also where torch's soft_margin_loss overflows."""
    return nn.functional.softplus(-labels * outputs).mean()


class PowerLawRegression(Problem):
    """Least squares, every example once: y = <w, x> + noise with x ~ N(0, H), from w = 0.

    The eigenvalues of H are i^-`decay`, i = 1..features, in a basis that is rotated at random, so
    that no method is helped by the coordinates. At the solution the gradient noise has the
    covariance `noise`^2 H / batch size: anisotropic, proportional to the Hessian. The excess risk
    of SGD is a bias that shrinks with the steps, slowest along small eigenvalues, and a variance
    that grows with the learning rate and that averaging takes away.

    Held-out targets have no noise, so the mean squared error is the excess risk itself; the metric
    is its decimal logarithm, since it spans decades.
    """

    criterion = staticmethod(nn.functional.mse_loss)

    def __init__(
        self, features: int, decay: float, noise: float, train: int, held_out: int
    ) -> None:
        self.features = features
        self.decay = decay
        self.noise = noise
        self.train = train
        self.held_out = held_out

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        scales = torch.arange(1, self.features + 1) ** (-self.decay / 2)
        rotation = random_rotation(self.features, generator)
        # Each direction carries as much of the signal as its eigenvalue: E <w, x>^2 = 1.
        signal = torch.randn(self.features, generator=generator) / scales.norm()
        solution = rotation @ signal

        def draw(examples: int, noise: float) -> Split:
            normal = torch.randn(examples, self.features, generator=generator)
            inputs = (normal * scales) @ rotation.T
            disturbance = noise * torch.randn(examples, generator=generator)
            return Split(inputs, inputs @ solution + disturbance)

        return Data(
            draw(self.train, self.noise),
            draw(self.held_out, 0.0),
            draw(self.held_out, 0.0),
            fingerprint_of(f"power law {self.features} {self.decay} {self.noise}"),
        )

    def model(self) -> nn.Module:
        return zero_linear(self.features)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return {"log10_excess_risk": log10_risk(model(split.inputs), split.targets)}


class SeparableLogisticRegression(Problem):
    """Full-batch logistic regression on linearly separable data, from w = 0.

    The direction of w matters: its margin, the smallest y <w, x> / |w| over the training
    examples. Metric `margin_shortfall`: by which share it falls short of the largest margin that
    any direction has. It is 0 for the max-margin separator, below 1 once every example is
    classified correctly, and above 1 before. Gradient descent tends to 0 (Soudry et al. 2018),
    however slowly; with a very large step it is a batch perceptron, which separates in few steps
    while the loss is still high, and then stops (Tyurin 2024). Adam tends to the separator of
    largest margin in another norm (Zhang et al. 2024) and stays above 0. `error`: share of the
    examples that are classified wrongly.

    Optimization is the question here, not generalization: the margin is of the training examples,
    and validation and test measure the same. `labels` are +1 and -1. Feature i has the standard
    deviation i^-`decay`. Examples closer than `gap` to the hidden separator are left out.
    """

    criterion = staticmethod(logistic_loss)

    def __init__(self, features: int, examples: int, decay: float, gap: float) -> None:
        self.features = features
        self.examples = examples
        self.decay = decay
        self.gap = gap

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        scales = torch.arange(1, self.features + 1) ** -self.decay
        separator = torch.randn(self.features, generator=generator)
        separator /= separator.norm()
        inputs = torch.randn(20 * self.examples, self.features, generator=generator) * scales
        inputs = inputs[(inputs @ separator).abs() > self.gap][: self.examples]
        labels = (inputs @ separator).sign()
        signed = inputs * labels.unsqueeze(1)
        margins = torch.full((len(signed),), max_margin(inputs, labels))
        digest = fingerprint_of(
            f"separable {self.features} {self.examples} {self.decay} {self.gap}"
        )
        return Data(
            Split(inputs, labels), Split(signed, margins), Split(signed.clone(), margins), digest
        )

    def model(self) -> nn.Module:
        return zero_linear(self.features)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """`split` holds y x, and the largest margin in every target."""
        outputs = model(split.inputs)
        # The outputs are linear in y x, so w is what the unit vectors give.
        norm = float(model(torch.eye(self.features, device=outputs.device)).norm())
        smallest = float(outputs.min()) / max(norm, 1e-30)
        return {
            "margin_shortfall": min(2.0, 1 - smallest / float(split.targets[0])),
            "error": float((outputs <= 0).float().mean()),
        }


def max_margin(inputs: Tensor, labels: Tensor) -> float:
    """The largest margin that any direction through 0 has, of a separable set of examples.

    Each example is given twice, mirrored with the other label, so that the support vector machine
    has no use for its intercept. Raises ValueError if it finds no separator.
    """
    from sklearn.svm import SVC  # takes a second; lists of tasks do not need it

    signed = (inputs * labels.unsqueeze(1)).double()
    mirrored = torch.cat([signed, -signed])
    sides = torch.ones(len(signed)).repeat(2)
    sides[len(signed) :] = -1
    machine = SVC(kernel="linear", C=1e6, tol=1e-6).fit(mirrored.numpy(), sides.numpy())
    w = torch.tensor(machine.coef_[0])
    margin = float((signed @ w).min() / w.norm())
    if not margin > 0:  # also if w is 0
        raise ValueError("the examples are not linearly separable")
    return margin


task(
    "anisotropic_quadratic",
    PowerLawRegression(features=64, decay=1.0, noise=0.1, train=16_000, held_out=2000),
    version=2,
    track="mini",
    contrast=("sgd", "adamw"),
    summary="Least squares, power-law spectrum, gradient noise shaped like the Hessian.",
    source="Pan et al. 2024, Accelerated Convergence of Stochastic Heavy Ball Method under "
    "Anisotropic Gradient Noise; spectrum and sizes of this suite",
    batch_size=16,
    budget=16_000,
    evaluations=20,
    score=score.final("log10_excess_risk", higher_is_better=False, worst=1.0),
    target=-1.9,
)

task(
    "sgd_ema_linreg",
    PowerLawRegression(features=64, decay=0.5, noise=1.0, train=8000, held_out=2000),
    version=2,
    track="mini",
    contrast=("sgd+iterate_ema", "adamw"),
    summary="Online linear regression, eight noisy examples a step: averaging takes variance away.",
    source="Li and Gu 2025, Understanding SGD with Exponential Moving Average: A Case Study in "
    "Linear Regression; sizes of this suite",
    batch_size=8,
    budget=8000,
    evaluations=20,
    score=score.final("log10_excess_risk", higher_is_better=False, worst=1.0),
    target=-1.1,
)

task(
    "separable_logreg",
    SeparableLogisticRegression(features=100, examples=60, decay=0.0, gap=0.1),
    version=2,
    track="mini",
    contrast=("sgd", "lion"),
    summary="Logistic regression on separable data: how close to the max-margin separator.",
    source="Tyurin 2024, From Logistic Regression to the Perceptron Algorithm: Exploring Gradient "
    "Descent with Large Step Sizes; data of this suite",
    batch_size=60,
    budget=60 * 1000,
    evaluations=50,
    score=score.final("margin_shortfall", higher_is_better=False, worst=2.0),
    target=0.2,
)
