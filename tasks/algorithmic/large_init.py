"""Grokking from large or lazy initializations: a kernel's answer first, the features' later.

Lyu et al. 2024, "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking";
Liu et al. 2023, "Omnigrok: Grokking Beyond Algorithmic Data"; Kumar et al. 2024, "Grokking as the
Transition from Lazy to Rich Training Dynamics".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import (
    Data,
    FullBatch,
    Problem,
    Split,
    fingerprint_of,
    mark_head,
    score,
    split_once,
    task,
)

from ..vision.digits_data import CLASSES, PIXELS, read_digits


def one_hot_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples of the squared distance of outputs (N, classes) to one-hot targets."""
    one_hot = nn.functional.one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
    return (outputs - one_hot).square().sum(-1).mean()


class Multiplied(nn.Module):
    """Its input times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class LargeInitialization(Problem):
    """Few handwritten digits and a homogeneous network whose initial weights are `scale` as large.

    A network of three layers without biases then starts with outputs `scale`^3 as large, and `gain`
    multiplies them: training follows its initial kernel, fits the training digits early and has a
    low test accuracy. Weight decay, which the method adds, reduces the norm until features are
    learned, and test accuracy rises long after training accuracy. Loss and scaling are those of
    Omnigrok's experiment on MNIST, except that its loss is averaged over the classes, too, and so
    ten times smaller, and that its layers have biases. It has no gain; here the gain keeps the
    weights small relative to the steps of large learning rates. Without it, such rates decay the
    weights so fast that the test digits are learned no later than the training digits, because the
    large steps prevent the network from fitting the training digits.
    """

    classes = CLASSES
    criterion = staticmethod(one_hot_squared_error)

    def __init__(self, scale: float, gain: float, width: int, train: int) -> None:
        self.scale = scale
        self.gain = gain
        self.width = width
        self.train = train

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        sizes = {"train": self.train, "validation": (len(digits) - self.train) // 2}
        splits = split_once(digits, fingerprint, generator, **sizes)
        return Data(*splits, fingerprint, source="scikit-learn")

    def model(self) -> nn.Module:
        layers = [nn.Linear(PIXELS, self.width, bias=False), nn.ReLU()]
        layers += [nn.Linear(self.width, self.width, bias=False), nn.ReLU()]
        layers += [mark_head(nn.Linear(self.width, CLASSES, bias=False)), Multiplied(self.gain)]
        network = nn.Sequential(*layers)
        with torch.no_grad():
            for p in network.parameters():
                p *= self.scale
        return network

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)


class LazyNetwork(nn.Module):
    """f(x) = (alpha / width) * sum of phi(w . x) with phi(h) = h + curvature / 2 * h^2.

    Only the hidden weights are trained, and the function at the start is subtracted, so that
    `alpha` scales how far a given change of the function moves the weights.
    """

    def __init__(self, inputs: int, width: int, alpha: float, curvature: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.curvature = curvature
        self.hidden = nn.Linear(inputs, width, bias=False)
        nn.init.normal_(self.hidden.weight, std=inputs**-0.5)
        self.register_buffer("start", self.hidden.weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        now, before = self.hidden(x), x @ self.start.T
        change = self.phi(now).mean(1) - self.phi(before).mean(1)
        return self.alpha * change

    def phi(self, h: Tensor) -> Tensor:
        """The activation: nearly linear for a small curvature."""
        return h + self.curvature / 2 * h.square()


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of numbers (N,)."""
    return (outputs - targets).square().mean()


class LazyToRich(Problem):
    """Regression of a quadratic function of one direction from too few examples for a kernel.

    The network's first features are nearly linear and therefore misaligned with the target: they
    can fit the training data only by memorizing; the weights must turn to the direction. The target
    is (x . beta)^2 / 2 for normal x and a unit vector beta that is drawn with the data.

    With tuned AdamW the held-out loss closely follows the training loss: there is no plateau, while
    Kumar et al. see one under gradient descent. (From a start lazy enough, or with few enough
    examples, for AdamW to fit them first, it did not reach the target in 1000 steps.) So the task
    measures the transition from lazy to rich, and not a delay; it is evaluated after every step,
    since AdamW takes about 25.
    """

    criterion = staticmethod(mean_squared_error)

    def __init__(
        self,
        inputs: int,
        width: int,
        alpha: float,
        curvature: float,
        train: int,
        held_out: int,
    ) -> None:
        self.inputs = inputs
        self.width = width
        self.alpha = alpha
        self.curvature = curvature
        self.train = train
        self.held_out = held_out

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        beta = torch.randn(self.inputs, generator=generator)
        beta /= beta.norm()

        def draw(count: int) -> Split:
            inputs = torch.randn(count, self.inputs, generator=generator)
            return Split(inputs, (inputs @ beta).square() / 2)

        text = f"(x . beta)^2 / 2, normal x in {self.inputs} dimensions"
        digest = fingerprint_of(text)
        return Data(draw(self.train), draw(self.held_out), draw(self.held_out), digest)

    def model(self) -> nn.Module:
        return LazyNetwork(self.inputs, self.width, self.alpha, self.curvature)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """`loss`, and `explained_variance` = 1 - loss / variance of the targets."""
        loss = float(mean_squared_error(model(split.inputs), split.targets))
        variance = float(split.targets.var(correction=0))
        return {"loss": loss, "explained_variance": 1.0 - loss / variance}


task(
    "large_init_grok",
    LargeInitialization(scale=2.5, gain=6.0, width=256, train=100),
    version=3,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="100 digits, outputs 90 times too large at first: gradient evaluations to 84 %.",
    source="Liu et al. 2023 (Omnigrok), MNIST, and Lyu et al. 2024; scaled down to 8 x 8 digits",
    batch_size=100,
    budget=100 * 1000,
    evaluations=100,
    score=score.time_to_target("accuracy", hold=3),
    target=0.84,
)

task(
    "lazy_to_rich_grok",
    LazyToRich(inputs=30, width=64, alpha=2.0, curvature=0.5, train=400, held_out=500),
    version=3,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Polynomial regression from a lazy start: gradient evaluations to 90 % of variance.",
    source="Kumar et al. 2024, polynomial regression; scaled down",
    batch_size=400,
    budget=400 * 250,
    evaluations=250,
    score=score.time_to_target("explained_variance", hold=5),
    target=0.9,
)
