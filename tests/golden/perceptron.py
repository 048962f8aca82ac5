"""The small network of `tests/objectives.py` in NumPy: its loss and its gradient by hand.

References on a network work on a list of four arrays: weight and bias of the hidden layer, weight
and bias of the output layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.golden.walk import Setting

Weights = list[np.ndarray]


@dataclass
class Pass:
    """A forward pass on a batch."""

    inputs: np.ndarray
    targets: np.ndarray
    hidden: np.ndarray
    scores: np.ndarray
    #: what the hidden units were multiplied by after the activation
    mask: np.ndarray | float = 1.0

    @property
    def probabilities(self) -> np.ndarray:
        return softmax(self.scores)

    @property
    def labels(self) -> np.ndarray:
        """One-hot."""
        return np.eye(self.scores.shape[1])[self.targets]

    @property
    def loss(self) -> float:
        """The mean cross entropy."""
        return float(-(self.labels * log_softmax(self.scores)).sum(1).mean())

    @property
    def slope(self) -> np.ndarray:
        """The gradient of the mean cross entropy with respect to the scores."""
        return (self.probabilities - self.labels) / len(self.scores)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(log_softmax(scores))


def batch(setting: Setting, step: int) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = setting.batch(step)
    return inputs.numpy(), targets.numpy()


def forward(
    weights: Weights, inputs: np.ndarray, targets: np.ndarray, mask: np.ndarray | float = 1.0
) -> Pass:
    first, bias, second, offset = weights
    hidden = np.tanh(inputs @ first.T + bias)
    return Pass(inputs, targets, hidden, (hidden * mask) @ second.T + offset, mask)


def backward(weights: Weights, taken: Pass, slope: np.ndarray) -> Weights:
    """Gradients of the four arrays, of a loss with this gradient with respect to the scores."""
    into = slope @ weights[2] * taken.mask * (1 - taken.hidden**2)
    return [into.T @ taken.inputs, into.sum(0), slope.T @ (taken.hidden * taken.mask), slope.sum(0)]


def gradient(weights: Weights, setting: Setting, step: int) -> Weights:
    """Of the mean cross entropy of a step's batch."""
    taken = forward(weights, *batch(setting, step))
    return backward(weights, taken, taken.slope)


def descend(
    setting: Setting, gradients: Callable[[Weights, int], Weights], rate: float = 0.05
) -> list[Weights]:
    """Steps of gradient descent; `gradients(weights, step)`, steps counted from 0."""
    weights, steps = [w.copy() for w in setting.weights], []
    for step in range(setting.steps):
        found = gradients(weights, step)
        weights = [w - rate * g for w, g in zip(weights, found, strict=True)]
        steps.append(weights)
    return steps


def of_scores(
    slope: Callable[[Pass, Any, int], np.ndarray],
) -> Callable[[Setting], list[Weights]]:
    """A trajectory whose loss has the gradient `slope(pass, h, step)` at the scores."""

    def trajectory(setting: Setting) -> list[Weights]:
        def gradients(weights: Weights, step: int) -> Weights:
            taken = forward(weights, *batch(setting, step))
            return backward(weights, taken, slope(taken, setting.h, step))

        return descend(setting, gradients)

    return trajectory
