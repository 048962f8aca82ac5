"""Wrong labels, and how many of them a network has memorized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from suite import Split


def flip_labels(
    labels: Tensor, share: float, classes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Labels (N,) of which a share is wrong, and which ones those are, as a mask (N,).

    Symmetric noise: exactly round(share N) labels, each changed to one of the other classes with
    equal probability (Patrini et al. 2017, "Making Deep Neural Networks Robust to Label Noise").
    """
    changed = torch.zeros(len(labels), dtype=torch.bool)
    changed[torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]] = True
    offsets = torch.randint(1, classes, (len(labels),), generator=generator)
    return torch.where(changed, (labels + offsets) % classes, labels), changed


@dataclass
class WithWrong(Split):
    """A held-out split that also holds the training examples with wrong labels."""

    wrong: Split

    def to(self, device: str | torch.device) -> WithWrong:
        """The same on a device."""
        return WithWrong(self.inputs.to(device), self.targets.to(device), self.wrong.to(device))


def with_wrong_labels(
    train: Split,
    validation: Split,
    test: Split,
    share: float,
    classes: int,
    generator: torch.Generator,
) -> tuple[Split, WithWrong, WithWrong]:
    """The splits with a share of the training and validation labels wrong; test labels stay true.

    The held-out splits carry up to 2,000 wrongly labeled training examples.
    """
    labels, changed = flip_labels(train.targets, share, classes, generator)
    tuned_on, _ = flip_labels(validation.targets, share, classes, generator)
    probed = changed.nonzero().flatten()[:2000]
    wrong = Split(train.inputs[probed], labels[probed])
    return (
        Split(train.inputs, labels),
        WithWrong(validation.inputs, tuned_on, wrong),
        WithWrong(test.inputs, test.targets, wrong),
    )


def memorized(
    model: Callable[[Tensor], Tensor], split: Split, chunk: int = 1000
) -> dict[str, float]:
    """The share of wrong training labels that a model predicts, if the split holds them.

    A network that learned nothing from them predicts one in 10 classes or fewer.
    """
    if not isinstance(split, WithWrong):
        return {}
    wrong = split.wrong
    predicted = [model(inputs).argmax(-1) for inputs in wrong.inputs.split(chunk)]
    return {"memorized": float((torch.cat(predicted) == wrong.targets).float().mean())}
