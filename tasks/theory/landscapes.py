"""Artificial landscapes: narrow minima on the way to a wide one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Split, fingerprint_of, score, task


class Landscape(nn.Module):
    """Values (N,) of landscapes with dips at (N, coordinates, dips), at the trained position.

    A coordinate's value is x^2 / 2 minus a Gaussian of height `depth` and width `width` a dip,
    where x = `start` - position: weights of 0 are the start, so that weight decay does not help.
    """

    def __init__(self, coordinates: int, start: float, depth: float, width: float) -> None:
        super().__init__()
        self.position = nn.Parameter(-torch.rand(coordinates))
        self.start = start
        self.depth = depth
        self.width = width

    def forward(self, dips: Tensor) -> Tensor:
        x = self.start - self.position
        distance = (x.unsqueeze(1) - dips) / self.width
        holes = self.depth * torch.exp(-distance.square() / 2).sum((1, 2))
        return x.square().sum() / 2 - holes


def mean_value(values: Tensor, lowest: Tensor) -> Tensor:
    """Height above the bowl's lowest value."""
    return (values - lowest).mean()


class NarrowDips(Problem):
    """A wide bowl x^2 / 2 with narrow dips on its slope, full batch: nothing is random in training.

    Every coordinate starts outside of its dips. Gradient descent with small steps slides into the
    first one and stays. A dip's curvature is about depth / width^2, so no step larger than
    2 width^2 / depth stays in it, while the bowl tolerates any step below 2: with such large steps
    gradient descent jumps out and reaches the wide minimum, without any noise (Mohtashami, Jaggi
    and Stich 2023).

    Held-out landscapes have the same bowl and dips elsewhere, so that a narrow training minimum is
    useless there. Metric `loss`: the held-out height above the bowl's lowest point, per
    coordinate.
    """

    criterion = staticmethod(mean_value)

    def __init__(
        self, coordinates: int, dips: int, start: float, depth: float, width: float
    ) -> None:
        self.coordinates = coordinates
        self.dips = dips
        self.start = start
        self.depth = depth
        self.width = width

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        def draw(landscapes: int) -> Split:
            shape = (landscapes, self.coordinates, self.dips)
            # Between 1 and the start: the bowl's own minimum stays as it is.
            where = 1 + (self.start - 1) * torch.rand(shape, generator=generator)
            return Split(where, torch.zeros(landscapes))

        text = f"dips {self.dips} {self.start} {self.depth} {self.width}"
        digest = fingerprint_of(text)
        return Data(draw(1), draw(50), draw(50), digest)

    def model(self) -> nn.Module:
        return Landscape(self.coordinates, self.start, self.depth, self.width)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return {"loss": float(mean_value(model(split.inputs), split.targets)) / self.coordinates}


task(
    "large_lr_gd_special",
    NarrowDips(coordinates=100, dips=4, start=4.0, depth=1.0, width=0.1),
    version=2,
    track="mini",
    contrast=("sgd", "adamw"),
    summary="Full-batch descent into a wide bowl past narrow dips, where small steps stay.",
    source="Mohtashami, Jaggi and Stich 2023, Special Properties of Gradient Descent with Large "
    "Learning Rates; landscape of this suite",
    batch_size=1,
    budget=500,
    evaluations=25,
    score=score.final("loss", higher_is_better=False, worst=40.0),
    target=3.9,
)
