"""The subject of a check: a component, and the methods in which it can be tried."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.optim import SGD, AdamW

from suite.components import registry
from suite.components.declaration import taken_by
from suite.components.method import Hyperparameters
from suite.components.registry import Component
from suite.components.search import Distribution, Value

#: values of a hyperparameter that are tried instead of its default, at most
MOST_VALUES = 5


def _plain(name: str, build: Any) -> Component:
    return Component(
        kind="optimizer",
        name=name,
        build=build,
        search={},
        paper="",
        url="",
        summary="",
        version=1,
        path=Path(__file__),
        source_hash="",
    )


#: the optimizers around which regularizers and schedules are tried
_AROUND = (
    _plain("check_adamw", functools.partial(AdamW, lr=1e-2, weight_decay=0.1, fused=True)),
    _plain("check_sgd", functools.partial(SGD, lr=0.05, momentum=0.9, weight_decay=1e-3)),
)
#: what a step's time is compared with
PLAIN = _AROUND[0]


@dataclass(frozen=True)
class Way:
    """A method that contains the component: alone, or around an optimizer of torch."""

    components: tuple[Component, ...]

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Kinds and names in the method's order."""
        return tuple((c.kind, c.name) for c in self.components)

    @property
    def said(self) -> str:
        """What it is around, in words; empty for an optimizer."""
        if len(self.components) < 2:
            return ""
        return f"around {'AdamW' if self.components[0] is PLAIN else 'SGD'}"

    def hyperparameters(self, values: Mapping[str, Value]) -> Hyperparameters:
        """The hyperparameters of all components, with these values of the component's own."""
        nested = {c.name: c.defaults for c in self.components}
        nested[self.components[-1].name].update(values)
        return nested


@dataclass(frozen=True)
class Subject:
    """A component that is checked."""

    component: Component

    @property
    def is_optimizer(self) -> bool:
        """Whether it has a step of its own."""
        return self.component.kind == "optimizer"

    @property
    def ways(self) -> tuple[Way, ...]:
        """The methods in which it is tried, the most usual first."""
        if self.is_optimizer:
            return (Way((self.component,)),)
        return tuple(Way((around, self.component)) for around in _AROUND)

    @contextmanager
    def registered(self, *tasks: Any) -> Iterator[None]:
        """Inside, trials find the component, what is around it, and these tasks by their names."""
        with ExitStack() as stack:
            for entry in (self.component, *_AROUND, *tasks):
                stack.enter_context(registry.replaced(entry))
            yield

    def without_parts(self) -> Subject:
        """The optimizer of a method of several parts, without the other parts."""
        component = self.component
        if not (component.regularizers or component.schedules):
            return self
        names = taken_by(component.build, component.search)
        search = {name: component.search[name] for name in names}
        return Subject(replace(component, regularizers=(), schedules=(), search=search))

    def other_values(self, name: str) -> list[Value]:
        """Values of a hyperparameter's space other than its default."""
        return list(itertools.islice(_others(self.component.search[name]), MOST_VALUES))


def _others(space: Distribution) -> Iterator[Value]:
    if space.choices is not None:
        near = list(space.choices)
        yield from (c for c in near if c != space.default or type(c) is not type(space.default))
        return
    assert space.low is not None and space.high is not None
    low, high, default = float(space.low), float(space.high), float(space.default)
    if space.kind == "log_uniform":
        between = [(default * end) ** 0.5 for end in (high, low)]
    else:
        between = [(default + end) / 2 for end in (high, low)]
    found: list[float] = [*between, high, low]
    values: list[Value] = [round(v) for v in found] if space.kind == "integer" else [*found]
    yield from (v for v in dict.fromkeys(values) if v != space.default)
