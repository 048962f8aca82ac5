"""The time of an optimizer's step, without the gradients: ours, and a library's.

Every optimizer gets the same weights and gradients, of a small or a larger network's shapes, and
what it asks of the objective is answered at once: gradients that are there already, or tensors of
ones. So the time is the optimizer's own. All are timed in turns in one process, over the time of
torch's AdamW with its defaults in the same turn; the median of the ratios counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from suite.components import registry
from suite.components.method import build
from suite.components.parameters import describe_parameters, mark_head
from suite.components.regularizer import TaskInfo
from suite.training.steps import takes_closure

#: width of the hidden layers and rows of the embedding: about 1 and 10 million parameters
SIZES = {"1M": (256, 1_000), "10M": (896, 2_000)}
HIDDEN = 10


class Network(nn.Module):
    """Hidden matrices, a filter, an embedding, a head, norms and biases; it is never called."""

    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, width)
        self.conv = nn.Conv2d(32, 64, 3)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(HIDDEN))
        self.norm = nn.LayerNorm(width)
        self.head = mark_head(nn.Linear(width, 64))


class NeedsNetwork(Exception):
    """A step asks for what only a network and its data can answer."""


class Prepared:
    """An objective whose answers are there already."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.parameters = list(model.parameters())
        self.batch_size = 32
        self.batch = (torch.zeros(32, 1), torch.zeros(32))
        self.progress, self.spent, self.called = 0.5, 0.0, True
        generator = torch.Generator().manual_seed(0)
        self.given = [0.01 * torch.randn(p.shape, generator=generator) for p in self.parameters]
        self._ones = [torch.ones_like(p) for p in self.parameters]
        self._loss = self.last_loss = torch.tensor(1.0)

    def __call__(self) -> Tensor:
        for p, gradient in zip(self.parameters, self.given, strict=True):
            p.grad = gradient
        return self._loss

    def sampled_labels(self) -> Tensor:
        return self()

    def loss(self) -> Tensor:
        return self._loss

    def gradient(self, batch: object = None) -> tuple[Tensor, list[Tensor]]:
        return self._loss, self.given

    def hvp(self, vector: object) -> list[Tensor]:
        return self._ones

    def jvp(self, tangent: object) -> tuple[Tensor, Tensor]:
        return self._loss, self._loss

    def losses_at(self, deltas: Iterable[object]) -> Tensor:
        return torch.ones(len(list(deltas)))

    def next_batch(self) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        raise AttributeError(name) if name.startswith("__") else NeedsNetwork(name)


Step = Callable[[], Any]


def model(size: str) -> nn.Module:
    torch.manual_seed(0)
    made = Network(*SIZES[size])
    describe_parameters(made)
    return made


def ours(name: str, size: str) -> Step:
    """A step of one of the suite's optimizers with its defaults."""
    network = model(size)
    info = TaskInfo(32, 1_000, 64, torch.Generator().manual_seed(0), examples=10_000, epochs=3.2)
    parts = build(
        [("optimizer", name)], {name: registry.get("optimizer", name).defaults}, network, info
    )
    objective = Prepared(network)
    step = parts.optimizer.step
    if not takes_closure(step):
        return lambda: (objective(), step())
    if parts.gradient_first:
        return lambda: (objective(), step(objective))
    return lambda: step(objective)


def theirs(
    make: Callable[[list[nn.Parameter], Any], torch.optim.Optimizer], name: str, size: str
) -> Step:
    """A step of a library's optimizer, given our defaults."""
    network = model(size)
    h = SimpleNamespace(**registry.get("optimizer", name).defaults) if name else None
    optimizer = make(list(network.parameters()), h)
    objective = Prepared(network)

    def step() -> None:
        objective()
        optimizer.step()

    return step


def torch_adamw(parameters: list[nn.Parameter], h: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters)


def seconds(step: Step, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - began) / count


def ratios(step: Step, size: str, rounds: int = 5, budget: float = 1.0) -> float:
    """Time of a step over torch's AdamW with its defaults, the median of rounds in turns.

    A step that takes longer than the budget, in seconds, is timed twice only.
    """
    reference = theirs(torch_adamw, "", size)
    for _ in range(3):
        reference()
    step()  # makes its state
    once = seconds(step, 1)
    count = max(1, min(20, int(budget / rounds / max(once, 1e-4) / 2)))
    if once > budget:
        rounds = 2
    else:
        step()
    gc.disable()
    try:
        return median(seconds(step, count) / seconds(reference, 10) for _ in range(rounds))
    finally:
        gc.enable()
