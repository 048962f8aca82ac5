"""What a line of the table holds: a reference in words, and how to compare with it.

Each function here makes a line for one form of reference. All compare the component, built and
stepped by the suite, with weights that the reference computes from the same start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from suite.components import registry
from tests.golden.walk import (
    STEPS,
    Fact,
    Hyperparameters,
    Setting,
    Weights,
    component_trajectory,
    deviation,
    fixed,
    network,
)

#: the optimizer that regularizers work around unless a line says otherwise
SGD = ("sgd", {"lr": 0.05, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0})
TOLERANCE = 1e-5

#: update(t, w, g, memory, h, fact) returns the new weight; t counts from 1, memory is a dict
#: of the tensor's own
Update = Callable[[int, np.ndarray, np.ndarray, dict[str, Any], Any, Fact], np.ndarray]


class Values(dict[str, Any]):
    """Hyperparameters that are read as attributes: `h.lr`."""

    __getattr__ = dict.__getitem__


@dataclass(frozen=True)
class Golden:
    """One reference of a component."""

    #: what the component is compared with, in words: "torch.optim.Adam"
    reference: str
    #: measure(kind, name) runs both and returns the largest relative deviation
    measure: Callable[[str, str], float]


def elementwise(reference: str, update: Update, **how: Any) -> Golden:
    """NumPy's transcription of an update that treats every tensor by itself.

    `how` are the arguments of `whole`.
    """

    def trajectory(setting: Setting) -> list[Weights]:
        weights = [w.copy() for w in setting.weights]
        memories: list[dict[str, Any]] = [{} for _ in weights]
        steps = []
        h = Values(setting.h)
        for t, gradients in enumerate(setting.gradients, start=1):
            weights = [
                update(t, w, g, memory, h, fact)
                for w, g, memory, fact in zip(
                    weights, gradients, memories, setting.facts, strict=True
                )
            ]
            steps.append(weights)
        return steps

    return whole(reference, trajectory, **how)


def library(
    reference: str, build: Callable[[list[nn.Parameter], Any], torch.optim.Optimizer], **how: Any
) -> Golden:
    """Another implementation: a torch optimizer, given the same gradients in `.grad`.

    `build(parameters, h)`; the parameters have `.role` and `.depth`. `how`: see `whole`.
    """

    def trajectory(setting: Setting) -> list[Weights]:
        parameters = []
        for w, fact in zip(setting.weights, setting.facts, strict=True):
            p = nn.Parameter(torch.tensor(w))
            p.role, p.depth, p.layer_name = fact.role, fact.depth, fact.name.rpartition(".")[0]
            parameters.append(p)
        optimizer = build(parameters, Values(setting.h))
        steps = []
        for gradients in setting.gradients:
            for p, g in zip(parameters, gradients, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()
            steps.append([p.detach().numpy().copy() for p in parameters])
        return steps

    return whole(reference, trajectory, **how)


def whole(
    reference: str,
    trajectory: Callable[[Setting], Sequence[Any]],
    *,
    hyper: Mapping[str, Any] | None = None,
    variants: Iterable[Mapping[str, Any]] = ({},),
    under: tuple[str, Hyperparameters] = SGD,
    evaluated: bool = False,
    on_network: bool = False,
    **changes: Any,
) -> Golden:
    """A reference that gets the setting and returns the weights after each step.

    Run with the declared defaults, changed by `hyper`, once for each of `variants`, and with a
    weight decay of 0 and of 0.3 where the component has one. `under` is the optimizer around which
    a regularizer works. `evaluated` compares the weights to evaluate with. `on_network` trains the
    small network of `tests/objectives.py` instead of walking along fixed gradients, or the one that
    `model=` makes, on `batch=` (of a step's number) under `criterion=`; other `changes` are fields
    of `TaskInfo`.
    """

    def measure(kind: str, name: str) -> float:
        worst = 0.0
        chosen = {**registry.get(kind, name).defaults, **(hyper or {})}
        for variant in variants:
            for decay in [0.0, 0.3] if "weight_decay" in chosen else [None]:
                h = {**chosen, **variant}
                if decay is not None and "weight_decay" not in variant:
                    h["weight_decay"] = decay
                rest = dict(changes)
                of_network = {k: rest.pop(k) for k in ("model", "batch") if k in rest}
                setting = network(h, under, **of_network) if on_network else fixed(h, under)
                found = component_trajectory(kind, name, setting, on_network, **rest)
                expected = trajectory(setting)
                taken = found.evaluated if evaluated else found.weights
                worst = max(worst, deviation(taken, expected, setting.weights))
        return worst

    return Golden(reference, measure)


def closed_form(
    reference: str,
    factor: Callable[..., float | Mapping[str, float]],
    variants: Iterable[Mapping[str, Any]] = ({},),
) -> Golden:
    """A schedule's factor at the middle of 25 and of 1,000 steps against `factor(progress, h)`."""

    def measure(kind: str, name: str) -> float:
        component = registry.get(kind, name)
        worst = 0.0
        for variant in variants:
            h = {**component.defaults, **variant}
            for steps in (STEPS, 1000):
                for t in range(steps):
                    progress = (t + 0.5) / steps
                    found, expected = component.build(progress, **h), factor(progress, Values(h))
                    if not isinstance(found, Mapping):
                        found = {"lr": found}
                    if not isinstance(expected, Mapping):
                        expected = {"lr": expected}
                    assert set(found) == set(expected), (set(found), set(expected))
                    worst = max(worst, *(abs(found[key] - expected[key]) for key in found))
        return worst

    return Golden(reference, measure)


def measured(reference: str, function: Callable[[], float]) -> Golden:
    """Any other comparison; `function` runs the component and the reference."""
    return Golden(reference, lambda kind, name: function())
