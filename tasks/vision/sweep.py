"""Networks of several widths side by side in one model, for double descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from suite import Split


class SideBySide(nn.Module):
    """Independent networks on the same inputs: (N, ...) to the scores (N, members, classes).

    Their losses are added (see below), so that each one's gradient is separate: every method that
    works on one tensor at a time trains them as if they were alone.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.stack([member(inputs) for member in self.members], 1)


def summed_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the examples, sum over the members."""
    members = outputs.shape[1]
    repeated = targets.unsqueeze(1).expand(-1, members)
    return members * nn.functional.cross_entropy(outputs.flatten(0, 1), repeated.flatten())


def summed_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared distance to one-hot labels: mean over the examples, sum over members and classes."""
    wanted = nn.functional.one_hot(targets, outputs.shape[-1]).unsqueeze(1)
    return (outputs - wanted).square().sum((1, 2)).mean()


def errors_by_width(
    model: Callable[[Tensor], Tensor], split: Split, widths: Sequence[int], chunk: int = 1000
) -> dict[str, float]:
    """Share of wrong predictions of each width, and the metrics of `across_widths`."""
    wrong = torch.zeros(len(widths), device=split.inputs.device)
    for inputs, targets in zip(split.inputs.split(chunk), split.targets.split(chunk), strict=True):
        wrong += (model(inputs).argmax(-1) != targets.unsqueeze(1)).sum(0)
    return across_widths("error", widths, (wrong / len(split)).tolist())


def squares_by_width(
    model: Callable[[Tensor], Tensor], split: Split, widths: Sequence[int]
) -> dict[str, float]:
    """Squared distance to one-hot labels of each width, and the metrics of `across_widths`."""
    outputs = model(split.inputs)
    wanted = nn.functional.one_hot(split.targets, outputs.shape[-1]).unsqueeze(1)
    losses = (outputs - wanted).square().sum(-1).mean(0)
    return across_widths("loss", widths, losses.tolist())


def across_widths(name: str, widths: Sequence[int], values: Sequence[float]) -> dict[str, float]:
    """Each width's value, their mean, the worst of them, and the height of the peak.

    The peak's height is the most by which a network is worse than some narrower one: 0 without
    double descent. A network that learns nothing has no peak either, so it is no score by itself.
    """
    height = max(value - min(values[: i + 1]) for i, value in enumerate(values))
    named = {f"{name}_{width}": value for width, value in zip(widths, values, strict=True)}
    mean = sum(values) / len(values)
    return {f"mean_{name}": mean, f"worst_{name}": max(values), "peak_height": height, **named}
