"""Clusters of points: noisy XOR labels that are fitted, and weak features that are learned late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Shuffled, Split, fingerprint_of, mark_head, score, task


def two_layers(features: int, width: int, start: float, bias: bool) -> nn.Module:
    """A ReLU network from `features` inputs to two class scores.

    Hidden weights have the standard deviation `start`, output weights 1 / sqrt(width); biases 0.
    """
    hidden = nn.Linear(features, width, bias=bias)
    head = nn.Linear(width, 2, bias=bias)
    nn.init.normal_(hidden.weight, std=start)
    nn.init.normal_(head.weight, std=width**-0.5)
    if bias:
        nn.init.zeros_(hidden.bias)
        nn.init.zeros_(head.bias)
    return nn.Sequential(hidden, nn.ReLU(), mark_head(head))


class XorClusters(Problem):
    """Four Gaussian clusters, labelled crosswise, with a share `flipped` of wrong training labels.

    The clusters are at +a, -a (class 0) and +b, -b (class 1), where a and b are orthogonal unit
    vectors; the noise around them is Gaussian in `features` dimensions, with the standard deviation
    `noise` in each. No linear classifier is better than chance.

    With many more dimensions than examples, a wide network and a tiny start (Xu et al. 2024), one
    step of gradient descent fits every training label, the wrong ones too, by the noise of each
    example, and predicts nothing about new ones; many steps later the network classifies new ones
    too and still fits the wrong labels: grokking, then benign overfitting. A test holds this. The
    registered task is smaller and less noisy, so that AdamW is better than chance: one step does
    not fit it, and whether the wrong labels are fitted by the end depends on the learning rate.
    With fewer dimensions (Frei, Chatterji and Bartlett 2022) a network of two layers learns the
    clean rule despite the wrong labels.

    Held-out labels are clean: `accuracy` is that of the rule. Train loss shows the fit.
    """

    classes = 2

    def __init__(
        self,
        features: int,
        examples: int,
        held_out: int,
        noise: float,
        flipped: float,
        width: int,
        start: float,
    ) -> None:
        self.features = features
        self.examples = examples
        self.held_out = held_out
        self.noise = noise
        self.flipped = flipped
        self.width = width
        self.start = start

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        train = self._draw(self.examples, generator)
        wrong = torch.randperm(len(train), generator=generator)
        wrong = wrong[: round(self.flipped * len(train))]
        train.targets[wrong] = 1 - train.targets[wrong]
        held_out = self._draw(self.held_out, generator), self._draw(self.held_out, generator)
        text = f"xor clusters {self.features} {self.noise} {self.flipped}"
        return Data(train, *held_out, fingerprint_of(text))

    def _draw(self, count: int, generator: torch.Generator) -> Split:
        inputs = self.noise * torch.randn(count, self.features, generator=generator)
        labels = torch.randint(2, (count,), generator=generator)
        sides = 2.0 * torch.randint(2, (count,), generator=generator) - 1.0
        inputs[torch.arange(count), labels] += sides
        return Split(inputs, labels)

    def model(self) -> nn.Module:
        # As in both papers; a bias of the output would learn which class is the more frequent one.
        return two_layers(self.features, self.width, self.start, bias=False)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)


class UnequalFeatures(Problem):
    """Two features show the class, one of them more easily; the test has only the other one.

    The first input is a strong feature: +`strong` or -`strong` with little noise, which alone
    separates the training examples. The `weak` others hold the class too, less clearly each: their
    mean is +`signal` or -`signal` and their noise standard normal. Once the strong feature has
    lowered the cross-entropy, gradients are small and the weak ones are learned slowly: they
    starve (Pezeshki et al. 2021). In validation and test the strong feature takes a random sign,
    so that `accuracy` measures what was learned from the weak ones.
    """

    classes = 2

    def __init__(
        self, examples: int, held_out: int, weak: int, strong: float, signal: float, width: int
    ) -> None:
        self.examples = examples
        self.held_out = held_out
        self.weak = weak
        self.strong = strong
        self.signal = signal
        self.width = width

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        def draw(count: int, informative: bool) -> Split:
            labels = torch.randint(2, (count,), generator=generator)
            random = torch.randint(2, (count,), generator=generator)
            sides = 2.0 * (labels if informative else random).unsqueeze(1) - 1.0
            noise = torch.randn(count, 1 + self.weak, generator=generator)
            strong = self.strong * (sides + 0.1 * noise[:, :1])
            weak = self.signal * (2.0 * labels.unsqueeze(1) - 1.0) + noise[:, 1:]
            return Split(torch.cat([strong, weak], 1), labels)

        splits = draw(self.examples, True), draw(self.held_out, False), draw(self.held_out, False)
        text = f"unequal features {self.weak} {self.strong} {self.signal}"
        return Data(*splits, fingerprint_of(text))

    def model(self) -> nn.Module:
        return two_layers(1 + self.weak, self.width, (1 + self.weak) ** -0.5, bias=True)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)


task(
    "xor_cluster",
    XorClusters(
        features=400,
        examples=200,
        held_out=1000,
        noise=0.03,
        flipped=0.1,
        width=64,
        start=0.2,
    ),
    version=2,
    track="mini",
    contrast=("sgd", "adamw"),
    summary="XOR of four clusters in high dimension, a tenth of labels wrong: clean accuracy.",
    source="Xu et al. 2024, Benign Overfitting and Grokking in ReLU Networks for XOR Cluster Data; "
    "sizes of this suite",
    batch_size=200,
    budget=200 * 200,
    evaluations=20,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.93,
)

task(
    "gradient_starvation",
    UnequalFeatures(examples=500, held_out=1000, weak=20, strong=3.0, signal=0.4, width=64),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="A strong feature starves the weak ones; accuracy once the strong one is random.",
    source="Pezeshki et al. 2021, Gradient Starvation: A Learning Proclivity in Neural Networks; "
    "data of this suite",
    batch_size=100,
    budget=100 * 500,
    evaluations=25,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
)
