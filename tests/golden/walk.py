"""Twenty-five steps of a component on fixed gradients, and on a small network.

The loss of batch t is the sum of every weight times the gradient t of that weight, so that the
gradients are those given, whatever the weights are, and reach the component by the way that they
reach it in a trial: the method is built by the suite, and the suite takes the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from suite.components import method, registry
from suite.components.parameters import describe_parameters, mark_head
from suite.components.regularizer import TaskInfo
from suite.training.batch_source import BatchSource
from suite.training.meter import Ledger, meter
from suite.training.objective import Objective
from suite.training.steps import Steps
from tests.objectives import EXAMPLES, small_batch, small_model

STEPS = 25
SEED = 5

Weights = list[np.ndarray]
Hyperparameters = dict[str, Any]


@dataclass(frozen=True)
class Fact:
    """What a component may know of a tensor."""

    name: str
    role: str
    depth: int
    shape: tuple[int, ...]


class FixedGradients(nn.Module):
    """A tall and a wide matrix, a filter, an embedding, a head, biases and a norm's scale."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.conv = nn.Conv2d(3, 4, 3)
        self.tall = nn.Linear(5, 9)
        self.wide = nn.Linear(9, 6, bias=False)
        self.norm = nn.LayerNorm(6)
        self.head = mark_head(nn.Linear(6, 3))
        self.double()
        generator = torch.Generator().manual_seed(SEED)
        for p in self.parameters():
            p.data = 0.5 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
        #: gradients[t][i] is the one of parameter i in step t; rows of the embedding rest in turn
        self.gradients = [
            [
                torch.randn(p.shape, generator=generator, dtype=p.dtype) * 10.0 ** (i % 3 - 1)
                for i, p in enumerate(self.parameters())
            ]
            for _ in range(STEPS)
        ]
        for t, some in enumerate(self.gradients):
            some[0][t % 7] = 0

    def forward(self, step: Tensor) -> Tensor:
        """Step of shape (1,); the loss of that step, of shape (1,)."""
        given = self.gradients[int(step) % STEPS]
        pairs = zip(self.parameters(), given, strict=True)
        return torch.stack([(p * g).sum() for p, g in pairs]).sum()[None]


@dataclass
class Trajectory:
    """The weights after each step, and those to evaluate with."""

    weights: list[Weights] = field(default_factory=list)
    evaluated: list[Weights] = field(default_factory=list)


@dataclass
class Setting:
    """What a reference starts from: it computes the same trajectory by itself."""

    #: hyperparameters of the component under test
    h: Hyperparameters
    #: the optimizer that a regularizer works around, and its hyperparameters
    under: tuple[str, Hyperparameters]
    facts: list[Fact]
    weights: Weights
    #: gradients[t][i]; empty on a network
    gradients: list[Weights]
    #: a new copy of the model, and the batch of a step
    model: Callable[[], nn.Module]
    batch: Callable[[int], tuple[Tensor, Tensor]]
    steps: int = STEPS

    def generator(self) -> torch.Generator:
        """A random stream that draws what `TaskInfo.generator` draws in the component."""
        return torch.Generator().manual_seed(SEED)


def info(steps: int = STEPS, **changes: Any) -> TaskInfo:
    """The facts of the task that a component is built for."""
    facts = {
        "batch_size": EXAMPLES,
        "steps": steps,
        "classes": 3,
        "generator": torch.Generator().manual_seed(SEED),
        "examples": EXAMPLES * 5,
        "epochs": steps / 5,
        "loss": "cross_entropy",
    }
    return TaskInfo(**{**facts, **changes})


def facts_of(model: nn.Module) -> list[Fact]:
    describe_parameters(model)
    return [Fact(n, p.role, p.depth, tuple(p.shape)) for n, p in model.named_parameters()]


def arrays(tensors: Any) -> Weights:
    return [t.detach().double().numpy().copy() for t in tensors]


def fixed(h: Hyperparameters, under: tuple[str, Hyperparameters]) -> Setting:
    """The setting of fixed gradients."""
    model = FixedGradients()
    gradients = [arrays(some) for some in model.gradients]
    weights = arrays(model.parameters())
    return Setting(h, under, facts_of(model), weights, gradients, FixedGradients, step_batch)


def network(h: Hyperparameters, under: tuple[str, Hyperparameters], **changes: Any) -> Setting:
    """The setting of a small network: five batches in turn, as five batches of an epoch."""
    make = changes.pop("model", small_model)
    batch = changes.pop("batch", lambda step: small_batch(step % 5))
    model = make()
    return Setting(h, under, facts_of(model), arrays(model.parameters()), [], make, batch)


def step_batch(step: int) -> tuple[Tensor, Tensor]:
    return torch.tensor([step]), torch.zeros(1)


def take(
    setting: Setting,
    components: Sequence[tuple[str, str]],
    hyperparameters: dict[str, Hyperparameters],
    criterion: Callable[[Tensor, Tensor], Tensor],
    **changes: Any,
) -> Trajectory:
    """Let the suite build a method and take its steps, as a trial does."""
    steps, model, optimizer = make_steps(setting, components, hyperparameters, criterion, **changes)
    regularizers = steps._parts.regularizers
    found = Trajectory()
    steps.start()
    for t in range(setting.steps):
        for regularizer in regularizers:
            regularizer.progress = t / setting.steps
        steps.take((t + 0.5) / setting.steps)
        found.weights.append(arrays(model.parameters()))
        steps.take_average()
        switch = getattr(optimizer, "eval", None)
        if steps.average is not None:
            found.evaluated.append(
                arrays(steps.average[name] for name, _ in model.named_parameters())
            )
        elif callable(switch):
            switch()
            found.evaluated.append(arrays(model.parameters()))
            optimizer.train()
    return found


def make_steps(
    setting: Setting,
    components: Sequence[tuple[str, str]],
    hyperparameters: dict[str, Hyperparameters],
    criterion: Callable[[Tensor, Tensor], Tensor],
    **changes: Any,
) -> tuple[Steps, nn.Module, torch.optim.Optimizer]:
    """The steps of a method, its model and its optimizer."""
    model = setting.model()
    torch.manual_seed(SEED)
    parts = method.build(components, hyperparameters, model, info(setting.steps, **changes))
    ledger = Ledger(1e9)
    meter(model, ledger)
    batches = (setting.batch(t) for t in range(10**9))
    source = BatchSource(batches, ledger)
    objective = Objective(
        model,
        criterion,
        source.key,
        ledger,
        parts.regularizers,
        create_graph=parts.create_graph,
    )
    return Steps(model, parts, objective), model, parts.optimizer


def mean_output(outputs: Tensor, _: Tensor) -> Tensor:
    return outputs.mean()


def component_trajectory(
    kind: str, name: str, setting: Setting, on_network: bool = False, **changes: Any
) -> Trajectory:
    """The trajectory of a component; a regularizer or schedule works around `setting.under`."""
    names: list[tuple[str, str]] = [(kind, name)]
    chosen = {name: setting.h}
    if kind != "optimizer":
        optimizer, values = setting.under
        names.insert(0, ("optimizer", optimizer))
        chosen[optimizer] = {**registry.get("optimizer", optimizer).defaults, **values}
    criterion = nn.functional.cross_entropy if on_network else mean_output
    return take(setting, names, chosen, changes.pop("criterion", criterion), **changes)


def deviation(found: Sequence[Weights], expected: Sequence[Any], start: Weights) -> float:
    """The largest difference of a tensor in a step, relative to how far it has moved by then.

    A tensor that should not have moved counts by its absolute difference.
    """
    if not found or len(found) != len(expected):
        raise AssertionError(f"{len(expected)} steps were expected, {len(found)} were taken")
    worst, moved = 0.0, False
    for some, wanted in zip(found, expected, strict=True):
        for a, b, first in zip(some, wanted, start, strict=True):
            b = np.asarray(b, dtype=np.float64)
            if a.shape != b.shape:
                raise AssertionError(f"shape {a.shape}, expected {b.shape}")
            distance = np.abs(b - first).max(initial=0.0)
            difference = np.abs(a - b).max(initial=0.0)
            moved = moved or bool(distance)
            worst = max(worst, float(difference / distance if distance > 1e-12 else difference))
            if not np.isfinite(difference):
                return float("inf")
    if not moved:
        raise AssertionError("no weight moved: nothing was compared")
    return worst
