"""Strong and weak features, and a learning rate so large that training oscillates: benign here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, fingerprint_of, score, task


def half_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the squared error, mean over the examples (N,)."""
    return (outputs - targets).square().mean() / 2


class PatchNetwork(nn.Module):
    """Patches (N, P, d) to outputs (N,): squared ReLUs, summed over patches.

    Half of the 2 x `width` neurons vote for +1 and half for -1, each with the weight 1 / `width`:
    only their directions are trained.
    """

    def __init__(self, features: int, width: int, start: float) -> None:
        super().__init__()
        self.width = width
        self.filters = nn.Linear(features, 2 * width, bias=False)
        nn.init.normal_(self.filters.weight, std=start)

    def forward(self, inputs: Tensor) -> Tensor:
        responses = torch.relu(self.filters(inputs)).square().sum(1)
        return (responses[:, : self.width].sum(1) - responses[:, self.width :].sum(1)) / self.width


class FeaturesAndNoise(Problem):
    """A weak feature in every example, a strong one in a `share` of them, and none in the test.

    An example of the class y = +1 or -1 has three patches: y * `weak` along a direction u; in a
    `share` of the training examples y * `strong` along v, else nothing; and Gaussian noise of about
    the norm `noise`, at right angles to u and v, which are drawn at random.

    With a small learning rate the strong feature is learned at once, the rest is fitted by its
    noise, no loss is left and u was hardly learned. With one so large that the strong feature's
    part oscillates, the loss keeps changing, and meanwhile u grows: such a network predicts the
    class without the strong feature, too (Lu et al. 2024, "Benign Oscillation of Stochastic
    Gradient Descent with Large Learning Rates"). A test holds this. Rates only a little larger
    diverge.

    Targets are +1 and -1; `accuracy` is that of the output's sign.
    """

    criterion = staticmethod(half_squared_error)

    def __init__(
        self,
        examples: int,
        held_out: int,
        features: int,
        weak: float,
        strong: float,
        share: float,
        noise: float,
        width: int,
        start: float,
    ) -> None:
        self.examples = examples
        self.held_out = held_out
        self.features = features
        self.weak = weak
        self.strong = strong
        self.share = share
        self.noise = noise
        self.width = width
        self.start = start

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        directions = torch.randn(self.features, 2, generator=generator)
        u, v = torch.linalg.qr(directions).Q.unbind(1)

        def draw(count: int, share: float) -> Split:
            classes = 2.0 * torch.randint(2, (count,), generator=generator) - 1.0
            with_strong = torch.arange(count) < share * count
            noise = torch.randn(count, self.features, generator=generator)
            noise -= torch.outer(noise @ u, u) + torch.outer(noise @ v, v)
            weak = self.weak * torch.outer(classes, u)
            strong = self.strong * torch.outer(classes * with_strong, v)
            rest = self.noise * self.features**-0.5 * noise
            return Split(torch.stack((weak, strong, rest), 1), classes)

        train = draw(self.examples, self.share)
        held_out = draw(self.held_out, 0.0), draw(self.held_out, 0.0)
        text = f"features and noise {self.features} {self.weak} {self.strong} {self.share}"
        text += f" {self.noise}"
        return Data(train, *held_out, fingerprint_of(text))

    def model(self) -> nn.Module:
        return PatchNetwork(self.features, self.width, self.start)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        outputs = model(split.inputs)
        right = (outputs * split.targets > 0).double().mean()
        return {"loss": float(half_squared_error(outputs, split.targets)), "accuracy": float(right)}


task(
    "benign_oscillation",
    FeaturesAndNoise(
        examples=300,
        held_out=1000,
        features=200,
        weak=0.4,
        strong=3.0,
        share=0.9,
        noise=2.0,
        width=20,
        start=0.1,
    ),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Weak features beside strong ones: accuracy where only the weak ones are left.",
    source="Lu et al. 2024, Benign Oscillation of Stochastic Gradient Descent with Large Learning "
    "Rates; sizes of this suite",
    batch_size=10,
    budget=10 * 1000,
    evaluations=25,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.95,
)
