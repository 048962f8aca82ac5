"""Parity of a few hidden bits, and pointers: Boolean functions that networks learn in steps.

Sparse parity: Barak et al. 2022, "Hidden Progress in Deep Learning: SGD Learns Parities Near the
Computational Limit"; its case of two bits is the XOR problem of Glasgow 2024, "SGD Finds then Tunes
Features in Two-Layer Neural Networks with near-Optimal Sample Complexity". Pointer value retrieval:
Zhang et al. 2021; its canonical holdout and the Boolean influence: Abbe et al. 2022, "Learning to
Reason with Neural Networks: Generalization, Unseen Data and Boolean Measures".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import (
    Data,
    Problem,
    Shuffled,
    Split,
    classification_metrics,
    constant_generator,
    draw_apart,
    fingerprint_of,
    mark_head,
    score,
    split_rows,
    task,
)


def signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform numbers of {-1, 1}."""
    return torch.randint(2, shape, generator=generator).float() * 2 - 1


def two_layers(inputs: int, width: int) -> nn.Sequential:
    """One hidden ReLU layer between bits and the scores of two classes."""
    head = mark_head(nn.Linear(width, 2))
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), head)


class SparseParity(Problem):
    """The product of `relevant` of `bits` signs; which ones is drawn with the data.

    Class 1 is a positive product. There are as many training examples as the budget allows: a
    method that uses one gradient per example never gets one twice, so that gradient evaluations
    times batch size is the number of samples, the measure of the papers. Accuracy stays at one
    half for a long time while the weights on the relevant bits grow.
    """

    classes = 2

    def __init__(self, bits: int, relevant: int, width: int, train: int, held_out: int) -> None:
        self.bits = bits
        self.relevant = relevant
        self.width = width
        self.train = train
        self.held_out = held_out

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        chosen = torch.randperm(self.bits, generator=generator)[: self.relevant]

        def draw(count: int, source: torch.Generator = generator) -> Split:
            inputs = signs((count, self.bits), source)
            return Split(inputs, (inputs[:, chosen].prod(1) > 0).long())

        text = f"product of {self.relevant} of {self.bits} signs"
        digest = fingerprint_of(text)
        test = draw(self.held_out, constant_generator(digest))
        train, validation = (draw_apart(draw, n, test) for n in (self.train, self.held_out))
        return Data(train, validation, test, digest)

    def model(self) -> nn.Module:
        return two_layers(self.bits, self.width)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)


def squared_margin(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the squared error of the difference of two scores (N, 2) against the signs -1 and 1.

    Targets are class ids (N,), so that methods that sample labels work as on other tasks.
    """
    return (margin(outputs) - (2.0 * targets - 1.0)).square().mean() / 2


def margin(outputs: Tensor) -> Tensor:
    """The network's output as a number: score of class 1 minus score of class 0."""
    return outputs[:, 1] - outputs[:, 0]


class PointerValueRetrieval(Problem):
    """Read the bits that a pointer points at; one bit never changes in training.

    The first `pointer` signs are a binary number i; the label is the parity of the `window` signs
    from place i on among the other 2**pointer signs (around the end). The canonical holdout:
    training and in-distribution splits have the sign at `frozen` fixed to 1. Each held-out split
    comes with as many inputs of the unseen half, where that sign is -1: `ood_error` is a quarter
    of their mean squared error, which for a network that ignores the frozen sign is its Boolean
    influence, the share of inputs whose label changes with it. Abbe et al. 2022 find that gradient
    descent ends near it; `loss` and `accuracy` are those of the seen half.
    """

    classes = 2
    criterion = staticmethod(squared_margin)

    def __init__(self, pointer: int, window: int, frozen: int, width: int, train: float) -> None:
        self.pointer = pointer
        self.window = window
        self.frozen = frozen
        self.width = width
        self.train = train

    def label(self, inputs: Tensor) -> Tensor:
        """Class ids (N,) of signs (N, pointer + 2**pointer)."""
        bits = (inputs[:, : self.pointer] > 0).long()
        powers = 2 ** torch.arange(self.pointer - 1, -1, -1)
        places = (bits * powers).sum(1, keepdim=True) + torch.arange(self.window)
        values = inputs[:, self.pointer :]
        return (values.gather(1, places % values.shape[1]).prod(1) > 0).long()

    def influence(self) -> float:
        """The frozen sign's Boolean influence: the share of inputs whose label changes with it."""
        inputs = self.everything()
        turned = inputs.clone()
        turned[:, self.frozen] *= -1
        return float((self.label(inputs) != self.label(turned)).float().mean())

    def everything(self) -> Tensor:
        """All inputs, one per row."""
        one = torch.tensor([-1.0, 1.0])
        return torch.cartesian_prod(*[one] * (self.pointer + 2**self.pointer))

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        inputs = self.everything()
        labels = self.label(inputs)
        seen, unseen = ((inputs[:, self.frozen] == sign).nonzero().squeeze(1) for sign in (1, -1))
        digest = fingerprint_of(repr(labels.tolist()))
        train = round(self.train * len(seen))
        held_out = (len(seen) - train) // 2
        sizes = {"validation": held_out, "test": held_out}
        parts = split_rows(len(seen), digest, generator, train=train, **sizes)
        never = split_rows(len(unseen), digest, generator, train=0, **sizes)
        pieces = [torch.cat((seen[i], unseen[j])) for i, j in zip(parts, never, strict=True)]
        return Data(*(Split(inputs[i], labels[i]) for i in pieces), fingerprint=digest)

    def model(self) -> nn.Module:
        bits = self.pointer + 2**self.pointer
        layers = [nn.Linear(bits, self.width), nn.ReLU(), nn.Linear(self.width, self.width)]
        return nn.Sequential(*layers, nn.ReLU(), mark_head(nn.Linear(self.width, 2)))

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """`loss` and `accuracy` on the half with training data, `ood_error` on the unseen half."""
        seen = split.inputs[:, self.frozen] > 0
        metrics = classification_metrics(
            model, Split(split.inputs[seen], split.targets[seen]), squared_margin
        )
        error = squared_margin(model(split.inputs[~seen]), split.targets[~seen])
        return {**metrics, "ood_error": float(error) / 2}


task(
    "sparse_parity",
    SparseParity(bits=30, relevant=3, width=100, train=64 * 2000, held_out=1000),
    version=2,
    track="mini",
    core=True,
    contrast=("adamw", "lion"),
    summary="The parity of 3 hidden bits of 30, from fresh samples: gradient evaluations to 99 %.",
    source="Barak et al. 2022; sizes of this suite",
    batch_size=64,
    budget=64 * 2000,
    evaluations=100,
    score=score.time_to_target("accuracy", hold=3),
    target=0.99,
)

task(
    "pvr_boolean",
    PointerValueRetrieval(pointer=3, window=2, frozen=5, width=128, train=0.4),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Pointer value retrieval, a bit held out: test loss where it is seen.",
    source="Abbe et al. 2022, pointer of 3 bits, canonical holdout",
    batch_size=64,
    budget=64 * 1000,
    evaluations=50,
    score=score.final("loss", higher_is_better=False, worst=2.0),
    target=0.05,
)
