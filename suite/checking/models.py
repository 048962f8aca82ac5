"""Small models to try components on: every kind of layer and of parameter that tasks have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from suite.components.parameters import mark_head

FEATURES, CLASSES, SIDE, WORDS, LENGTH = 12, 5, 6, 13, 6


class Small(nn.Module):
    """A model to which a check may add parameters that are not used, or used with weight 0."""

    def __init__(self) -> None:
        super().__init__()
        #: used, and multiplied by 0: its gradient is 0 and not None
        self.idle: Any = None
        #: never used
        self.unused: Any = None

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.outputs(inputs)
        if self.idle is not None:
            outputs = outputs + 0.0 * self.idle.weight.sum()
        return outputs

    def outputs(self, inputs: Tensor) -> Tensor:
        """The outputs without the parameters that a check added."""
        raise NotImplementedError


class Perceptron(Small):
    """Two hidden layers with ReLU, one unit of which is dormant."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(FEATURES, 16),
            nn.ReLU(),
            nn.Linear(16, 12),
            nn.ReLU(),
            mark_head(nn.Linear(12, CLASSES)),
        )
        first = self.body[0]
        assert isinstance(first, nn.Linear)
        with torch.no_grad():
            first.bias[0] = -100.0

    def outputs(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.body(inputs)
        return scores


class Convolutions(Small):
    """Two convolutions with batch norm and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Flatten(),
            mark_head(nn.Linear(24, CLASSES)),
        )

    def outputs(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.body(inputs)
        return scores


class Words(Small):
    """An embedding, whose matrix is the head's too, layer norm, attention, and a wide layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8)
        self.places = nn.Parameter(0.1 * torch.randn(LENGTH, 8))
        self.norm = nn.LayerNorm(8)
        self.queries, self.values = nn.Linear(8, 24, bias=False), nn.Linear(8, 8, bias=False)
        self.wide, self.act, self.narrow = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)
        self.head = mark_head(nn.Linear(8, WORDS, bias=False))
        self.head.weight = self.embedding.weight

    def outputs(self, inputs: Tensor) -> Tensor:
        x = self.embedding(inputs) + self.places
        q, k, v = self.queries(self.norm(x)).chunk(3, -1)
        x = x + self.values((q @ k.mT / 8**0.5).softmax(-1) @ v)
        x = x + self.narrow(self.act(self.wide(x)))
        scores: Tensor = self.head(x[:, -1])
        return scores


class Curve(Small):
    """A regression: one hidden layer with tanh."""

    def __init__(self) -> None:
        super().__init__()
        head = mark_head(nn.Linear(10, 1))
        self.body = nn.Sequential(nn.Linear(FEATURES, 10), nn.Tanh(), head)

    def outputs(self, inputs: Tensor) -> Tensor:
        values: Tensor = self.body(inputs)
        return values


class Table(Small):
    """Parameters without layers, as the tasks of theory have them: a vector and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(0.1 * torch.randn(FEATURES))
        self.scale = nn.Parameter(torch.tensor(1.5))

    def outputs(self, inputs: Tensor) -> Tensor:
        return (inputs @ self.weights * self.scale)[:, None]


class Shapes(Small):
    """Parameters of 0, 1, 2, 3 and 4 dimensions, some of them with a single entry."""

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(0.8))
        self.single = nn.Parameter(torch.tensor([0.3]))
        self.conv2 = nn.Conv2d(1, 3, 3)
        self.conv1 = nn.Conv1d(3, 4, 3)
        self.column = nn.Linear(1, 5, bias=False)
        self.row = nn.Linear(5, 1, bias=False)
        self.narrow = nn.Linear(56, 8)
        self.head = mark_head(nn.Linear(8, CLASSES))

    def outputs(self, inputs: Tensor) -> Tensor:
        x = self.conv2(inputs).tanh().flatten(2)
        x = self.conv1(x).flatten(1)
        x = x + self.row(self.column(x.mean(1, keepdim=True)).tanh())
        x = self.narrow(x * self.number + self.single).tanh()
        scores: Tensor = self.head(x)
        return scores


class Complex(Small):
    """A complex matrix, whose outputs' squared absolute values are the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.3 * torch.randn(CLASSES, FEATURES, dtype=torch.complex64))
        self.bias = nn.Parameter(torch.zeros(CLASSES))

    def outputs(self, inputs: Tensor) -> Tensor:
        found = inputs.to(self.weight.dtype) @ self.weight.mT
        return found.real.square() + found.imag.square() + self.bias
