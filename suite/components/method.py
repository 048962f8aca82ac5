"""Methods: one optimizer, any regularizers, any schedules: `adamw+grokfast_ema@cosine`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.components import registry
from suite.components.declaration import taken_by
from suite.components.discovery import looks_like_file as looks_like_file
from suite.components.registry import Component
from suite.components.search import Distribution
from suite.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from suite.components.regularizer import Regularizer, TaskInfo
    from suite.components.schedule import Schedules

#: what a result records of a method
MAX_COMPONENTS = 20
MAX_NAME = 200

#: component name to its hyperparameters
Hyperparameters = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Method:
    """Components in the order of the name: the optimizer, the regularizers, the schedules."""

    components: tuple[Component, ...]

    @property
    def name(self) -> str:
        """The method's name, which also names its result file."""
        return method_name([(c.kind, c.name) for c in self.components])

    @property
    def defaults(self) -> Hyperparameters:
        """The declared defaults of every component."""
        return {component.name: component.defaults for component in self.components}

    def distributions(self) -> dict[str, Distribution]:
        """The whole search space, with names like `lion.lr`."""
        return {
            f"{component.name}.{name}": distribution
            for component in self.components
            for name, distribution in component.search.items()
        }

    def nested(self, flat: dict[str, Any]) -> Hyperparameters:
        """Hyperparameters by component from names like `lion.lr`."""
        nested: Hyperparameters = {component.name: {} for component in self.components}
        for key, value in flat.items():
            component, name = key.split(".")
            nested[component][name] = value
        return nested

    def flat(self, nested: Hyperparameters) -> dict[str, Any]:
        """The inverse of `nested`."""
        return {f"{c}.{n}": value for c, values in nested.items() for n, value in values.items()}


def method_name(components: Sequence[tuple[str, str]]) -> str:
    """The name of a method from kinds and names."""
    marks = {"optimizer": "", "regularizer": "+", "schedule": "@"}
    return "".join(marks[kind] + name for kind, name in components)


def make_method(
    optimizer: str, regularizers: Sequence[str] = (), schedules: Sequence[str] = ()
) -> Method:
    """A method from names or paths to files; raises UsageError with similar names."""
    wanted = [("optimizer", optimizer), *(("regularizer", r) for r in regularizers)]
    wanted += [("schedule", s) for s in schedules]
    components = tuple(find_component(kind, name) for kind, name in wanted)
    names = [component.name for component in components]
    if len(set(names)) != len(names):
        raise UsageError(f"a method uses each component once: {method_name(wanted)}")
    method = Method(components)
    if len(components) > MAX_COMPONENTS or len(method.name) > MAX_NAME:
        raise UsageError(
            f"a method has at most {MAX_COMPONENTS} components, and its name at most {MAX_NAME} "
            f"characters: {method.name}"
        )
    return method


def parse_method(name: str) -> Method:
    """The method of a name such as `sgd+sam@sgdr`."""
    body, *schedules = name.split("@")
    optimizer, *regularizers = body.split("+")
    return make_method(optimizer, regularizers, schedules)


def find_component(kind: str, name: str) -> Component:
    """The component of a name, or the one that a file registers."""
    if not looks_like_file(name):
        component: Component = registry.get(kind, name)
        return component
    found: list[Component] = [entry for entry in registry.load_file(name) if entry.kind == kind]
    if len(found) != 1:
        listed = ", ".join(entry.name for entry in found) or "none"
        raise UsageError(f"{name} must register one {kind}; it registers {listed}.")
    return found[0]


@dataclass
class Parts:
    """A method built for one trial."""

    optimizer: torch.optim.Optimizer
    regularizers: list[Regularizer]
    schedules: Schedules | None
    #: the name that a user knows each regularizer by
    names: list[str]
    #: the batch's gradient is computed before each step, as well as when the closure is called
    gradient_first: bool
    #: gradients have a graph, which costs as much as a Hessian product
    create_graph: bool


def build(
    components: Sequence[tuple[str, str]],
    hyperparameters: Hyperparameters,
    model: nn.Module,
    info: TaskInfo,
) -> Parts:
    """Attach the regularizers to the model, then build the optimizer and the schedules."""
    from suite.components.parameters import describe_parameters
    from suite.components.schedule import Schedules

    chosen: list[Component] = [registry.get(kind, name) for kind, name in components]
    whole, *others = chosen
    own = hyperparameters[whole.name]
    built = [(f.__name__, f(**_taken(f, own))) for f in whole.regularizers]
    built += [
        (component.name, component.build(**hyperparameters[component.name]))
        for component in others
        if component.kind == "regularizer"
    ]
    for _, regularizer in built:
        regularizer.attach(model, info)
    describe_parameters(model)
    optimizer = _build_optimizer(whole, own, model, info)
    factors = [functools.partial(f, **_taken(f, own)) for f in whole.schedules]
    factors += [
        functools.partial(component.build, **hyperparameters[component.name])
        for component in others
        if component.kind == "schedule"
    ]
    step = 1 / max(1, info.steps)
    return Parts(
        optimizer,
        [regularizer for _, regularizer in built],
        Schedules(factors, optimizer, dict(built), step) if factors else None,
        [name for name, _ in built],
        whole.gradient_first,
        whole.create_graph,
    )


def _build_optimizer(
    component: Component, hyperparameters: dict[str, Any], model: nn.Module, info: TaskInfo
) -> torch.optim.Optimizer:
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    offered = {"info": info, "model": model, "named_parameters": named}
    wanted = inspect.signature(component.build).parameters
    extra = {name: value for name, value in offered.items() if name in wanted}
    # A class that takes names or the model in the place of the parameters gets them there.
    first = extra.pop(next(iter(wanted), ""), [p for _, p in named])
    if component.regularizers or component.schedules:
        hyperparameters = _taken(component.build, hyperparameters)
    optimizer: torch.optim.Optimizer = component.build(first, **hyperparameters, **extra)
    return optimizer


def _taken(function: Callable[..., Any], hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Those hyperparameters of a method of several parts that one part takes."""
    return {name: hyperparameters[name] for name in taken_by(function, hyperparameters)}


def products(
    optimizers: Sequence[str], regularizers: Sequence[str], schedules: Sequence[str]
) -> Iterator[Method]:
    """Every combination; "a,b" means both at once, "none" means none."""
    for optimizer in optimizers:
        for together in regularizers or ("none",):
            for schedule in schedules or ("none",):
                yield make_method(optimizer, _together(together), _together(schedule))


def _together(names: str) -> list[str]:
    return [] if names == "none" else names.split(",")
