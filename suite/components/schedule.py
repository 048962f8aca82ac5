"""Schedules: hyperparameters as functions of progress.

A schedule is a plain function `factor(progress, **hyperparameters)`. The number that it returns
multiplies the learning rate of every group, so that optimizers with several rates keep their
proportions. A schedule of other quantities returns a mapping: `{"lr": f, "momentum": m}` multiplies
entries of the optimizer's groups, `{"sam.rho": r}` an attribute of the regularizer `sam`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from suite.components.regularizer import Regularizer
from suite.errors import NotApplicable

Factors = Mapping[str, float]


class Schedules:
    """Applies the schedule functions of a method before every step; their factors are multiplied.

    They are read in the middle of the step, so that a warm-up never begins at a factor of exactly 0
    and a decay never ends there: such a step would cost a gradient and change nothing. `step` is
    the share of the budget that a step takes. Groups are looked up each time, because a method may
    replace them. If a method sets a value itself, it counts as the value at that moment, the
    schedule's factor included.
    """

    def __init__(
        self,
        factors: Sequence[Callable[[float], float | Factors]],
        optimizer: torch.optim.Optimizer,
        regularizers: Mapping[str, Regularizer] | None = None,
        step: float = 0.0,
    ) -> None:
        self._factors = factors
        self._optimizer = optimizer
        self._regularizers = dict(regularizers or {})
        self._step = step
        self._last: dict[str, float] = {}
        #: by the id of a place and a key: the place, its value without the schedule, the value set
        self._known: dict[tuple[int, str], tuple[Any, Any, Any]] = {}
        for key in self._read(0.0):
            self._refuse_without_place(key)

    def apply(self, progress: float) -> None:
        """Set all values for a step that begins at `progress` in [0, 1)."""
        factors = self._read(progress)
        # A key that is not in the mapping any more is no longer scheduled.
        for key in {**self._last, **factors}:
            factor = factors.get(key, 1.0)
            for place in self._places(key):
                initial = self._initial(place, key)
                value = initial * factor
                place[key] = value
                self._known[id(place.owner), key] = place.owner, initial, value
        self._last = factors
        for regularizer in self._regularizers.values():
            regularizer.lr_factor = factors.get("lr", 1.0)

    def _read(self, progress: float) -> dict[str, float]:
        middle = min(progress + self._step / 2, 1.0)
        read: dict[str, float] = {}
        for factor in self._factors:
            answer = factor(middle)
            found = answer if isinstance(answer, Mapping) else {"lr": answer}
            for key, value in found.items():
                read[key] = read.get(key, 1.0) * value
        return read

    def _places(self, key: str) -> list[_Place]:
        name, dot, attribute = key.partition(".")
        if dot:
            owner = self._regularizers.get(name)
            return [] if owner is None or not hasattr(owner, attribute) else [_Attribute(owner)]
        groups = self._optimizer.param_groups
        if key == "momentum":
            betas = [_FirstBeta(group) for group in groups if "betas" in group]
            return [*betas, *(_Entry(group) for group in groups if key in group)]
        return [_Entry(group) for group in groups if key in group]

    def _initial(self, place: _Place, key: str) -> Any:
        """A value without the schedule."""
        now = place[key]
        known = self._known.get((id(place.owner), key))
        if known is not None and known[2] is now:
            return known[1]
        last = self._last.get(key, 1.0)
        return now / last if last not in (0.0, 1.0) else now

    def _refuse_without_place(self, key: str) -> None:
        if self._places(key):
            return
        name, dot, attribute = key.partition(".")
        if not dot:
            where = f"no parameter group of the optimizer has '{key}'"
        elif name not in self._regularizers:
            where = f"the method has no regularizer '{name}'"
        else:
            where = f"the regularizer '{name}' has no attribute '{attribute}'"
        raise NotApplicable(f"the schedule cannot work: it sets '{key}', and {where}")


class _Place(ABC):
    """Where a scheduled value is."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    @abstractmethod
    def __getitem__(self, key: str) -> Any:
        """The value."""

    @abstractmethod
    def __setitem__(self, key: str, value: Any) -> None:
        """Set the value."""


class _Entry(_Place):
    """An entry of a parameter group."""

    def __getitem__(self, key: str) -> Any:
        return self.owner[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.owner[key] = value


class _FirstBeta(_Place):
    """The momentum of an Adam-like optimizer: the first of a group's `betas`."""

    def __getitem__(self, key: str) -> Any:
        return self.owner["betas"][0]

    def __setitem__(self, key: str, value: Any) -> None:
        self.owner["betas"] = value, *self.owner["betas"][1:]


class _Attribute(_Place):
    """A hyperparameter that a regularizer keeps under its own name."""

    def __getitem__(self, key: str) -> Any:
        return getattr(self.owner, key.partition(".")[2])

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self.owner, key.partition(".")[2], value)
