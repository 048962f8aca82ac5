"""Methods: one optimizer, any regularizers, at most one schedule: `adamw+grokfast_ema@cosine`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.components import registry
from suite.components.discovery import looks_like_file as looks_like_file
from suite.components.registry import Component
from suite.components.search import Distribution
from suite.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from suite.components.regularizer import Regularizer, TaskInfo
    from suite.components.schedule import LearningRateSchedule

#: what a result records of a method
MAX_COMPONENTS = 20
MAX_NAME = 200

#: component name to its hyperparameters
Hyperparameters = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Method:
    """Components in the order of the name: the optimizer, the regularizers, the schedule."""

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
    optimizer: str, regularizers: Sequence[str] = (), schedule: str | None = None
) -> Method:
    """A method from names or paths to files; raises UsageError with similar names."""
    wanted = [("optimizer", optimizer), *(("regularizer", r) for r in regularizers)]
    if schedule is not None:
        wanted.append(("schedule", schedule))
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
    body, at, schedule = name.partition("@")
    optimizer, *regularizers = body.split("+")
    return make_method(optimizer, regularizers, schedule if at else None)


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
    schedule: LearningRateSchedule | None


def build(
    components: Sequence[tuple[str, str]],
    hyperparameters: Hyperparameters,
    model: nn.Module,
    info: TaskInfo,
) -> Parts:
    """Attach the regularizers to the model, then build the optimizer and its schedule."""
    from suite.components.parameters import assign_roles
    from suite.components.schedule import LearningRateSchedule

    regularizers, factor = [], None
    for kind, name in components:
        component: Component = registry.get(kind, name)
        values = hyperparameters[name]
        if kind == "regularizer":
            regularizer = component.build(**values)
            regularizer.attach(model, info)
            regularizers.append(regularizer)
        elif kind == "schedule":
            factor = functools.partial(component.build, **values)
    assign_roles(model)
    (_, name), *_ = components
    component = registry.get("optimizer", name)
    parameters = [p for p in model.parameters() if p.requires_grad]
    extra = {"info": info} if _wants_info(component.build) else {}
    optimizer = component.build(parameters, **hyperparameters[name], **extra)
    schedule = LearningRateSchedule(factor, optimizer) if factor is not None else None
    return Parts(optimizer, regularizers, schedule)


def _wants_info(build: Callable[..., Any]) -> bool:
    return "info" in inspect.signature(build).parameters


def products(
    optimizers: Sequence[str], regularizers: Sequence[str], schedules: Sequence[str]
) -> Iterator[Method]:
    """Every combination; "a,b" among the regularizers means both at once, "none" means none."""
    for optimizer in optimizers:
        for chosen in regularizers or ("none",):
            together = [] if chosen == "none" else chosen.split(",")
            for schedule in schedules or ("none",):
                yield make_method(optimizer, together, None if schedule == "none" else schedule)
