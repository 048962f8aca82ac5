"""Adversarial examples, and when a network becomes robust to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from suite import Point, Split


def attack(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    *,
    radius: float,
    steps: int,
    limits: tuple[float, float],
) -> Tensor:
    """Inputs moved by up to `radius` in every coordinate so that the loss is high.

    Projected gradient descent of Madry et al. 2018, "Towards Deep Learning Models Resistant to
    Adversarial Attacks", from the inputs themselves, by steps of 2.5 radius / steps (section 5
    there); clipped to `limits`, the range of inputs that exist. With one step, of size `radius`,
    it is the fast gradient sign method of Goodfellow et al. 2015.
    """
    size = radius if steps == 1 else 2.5 * radius / steps
    low, high = (inputs - radius).clamp(min=limits[0]), (inputs + radius).clamp(max=limits[1])
    moved = inputs
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        with torch.enable_grad():
            loss = nn.functional.cross_entropy(model(moved), targets, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
        moved = (moved.detach() + size * gradient.sign()).clamp(low, high)
    return moved


def robust_metrics(
    model: Callable[[Tensor], Tensor],
    split: Split,
    *,
    radius: float,
    steps: int,
    limits: tuple[float, float],
    chunk: int = 1000,
) -> dict[str, float]:
    """Loss and accuracy on a split, and accuracy under attacks with one and with more steps."""
    loss, correct = 0.0, [0, 0, 0]
    for inputs, targets in zip(split.inputs.split(chunk), split.targets.split(chunk), strict=True):
        attacked = [
            attack(model, inputs, targets, radius=radius, steps=count, limits=limits)
            for count in (1, steps)
        ]
        outputs = [model(version) for version in (inputs, *attacked)]
        loss += float(nn.functional.cross_entropy(outputs[0], targets, reduction="sum"))
        for i, scores in enumerate(outputs):
            correct[i] += int((scores.argmax(-1) == targets).sum())
    names = ("accuracy", "fgsm_accuracy", "robust_accuracy")
    shares = [count / len(split) for count in correct]
    return {"loss": loss / len(split), **dict(zip(names, shares, strict=True))}


def robustness_delay(history: Sequence[Point]) -> dict[str, float]:
    """The share of the budget by which robust accuracy comes later than accuracy.

    Each arrives when it first has nine tenths of the highest value so far.
    """

    def arrival(metric: str) -> float:
        values = [point.metrics[metric] for point in history]
        return next(p.progress for p in history if p.metrics[metric] >= 0.9 * max(values))

    return {"robustness_delay": arrival("robust_accuracy") - arrival("accuracy")}
