"""The weights that a reparametrized network uses, and those with which it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from suite.components import registry
from tests.golden.golden import SGD, Golden, measured
from tests.golden.walk import Setting, arrays, deviation, make_steps, network


def layers_of(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]


def used(model: nn.Module) -> list[Any]:
    """Weight and bias of each layer, as the forward pass uses them."""
    tensors = [t for m in layers_of(model) for t in (m.weight, m.bias) if t is not None]
    return arrays(tensors)


def begin(name: str, hyper: dict[str, Any], **changes: Any) -> tuple[Setting, Any, nn.Module]:
    """The setting, the steps and the model of a regularizer under SGD on a network."""
    h = {**registry.get("regularizer", name).defaults, **hyper}
    setting = network(h, SGD, **changes)
    values = {"sgd": {**registry.get("optimizer", "sgd").defaults, **SGD[1]}, name: h}
    names = [("optimizer", "sgd"), ("regularizer", name)]
    steps, model, _ = make_steps(setting, names, values, nn.functional.cross_entropy)
    return setting, steps, model


def trained(
    reference: str,
    name: str,
    trajectory: Callable[[Setting], Sequence[Any]],
    hyper: dict[str, Any] | None = None,
) -> Golden:
    """Weights that the small network uses after each step against a reference's."""

    def measure() -> float:
        setting, steps, model = begin(name, hyper or {})
        found = []
        steps.start()
        for t in range(setting.steps):
            steps.take((t + 0.5) / setting.steps)
            found.append(used(model))
        return deviation(found, trajectory(setting), setting.weights)

    return measured(reference, measure)


def initialized(
    reference: str,
    name: str,
    expected: Callable[[Setting, nn.Module], Sequence[Any]],
    models: Sequence[Callable[[], nn.Module]],
    variants: Sequence[dict[str, Any]] = ({},),
) -> Golden:
    """The initial weights of several models; `expected(setting, model as it was)`."""

    def measure() -> float:
        worst = 0.0
        for make in models:
            for hyper in variants:
                setting, steps, model = begin(name, dict(hyper), model=make)
                steps.start()
                before = make()
                wanted = expected(setting, before)
                worst = max(worst, deviation([used(model)], [wanted], used(before)))
        return worst

    return measured(reference, measure)


def drawn(shape: Sequence[int], generator: torch.Generator) -> Any:
    """Normal numbers of double precision, as an initialization draws them."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).numpy()
