"""Rules of scaling: how the best value of a hyperparameter changes with a task's size, as data.

`suite.rule` declares one, in `suite.components.rule_declaration`; `leaderboard.transfer` decides it
from results. A size is a task with some facts, and the values that other hyperparameters have in
its studies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from suite.components.claims import Claim

Value = float | int | str | bool
#: in which quantity the best values of two sizes are compared: the value itself, or -ln of it,
#: what a moving average with this decay forgets in a step
Quantity = Literal["value", "forgetting"]
QUANTITIES: tuple[Quantity, ...] = ("value", "forgetting")
#: a rule that predicts no change is reproduced if the interval lies within this factor of 1
UNCHANGED = 2.0


@dataclass(frozen=True)
class Size:
    """One size of a rule: what `predicts` may know of it."""

    #: the task's name
    task: str
    #: examples in a batch
    batch_size: int
    #: examples passed forward and backward in a trial
    budget: int
    #: training examples of a finite set; None if the problem does not say
    examples: int | None = None
    #: units of a hidden layer; None if the problem does not say
    width: int | None = None
    #: values of other hyperparameters of the method in these studies, instead of their defaults
    sets: Mapping[str, Value] = field(default_factory=dict)

    @property
    def steps(self) -> float:
        """Plain steps of a trial, of one batch each."""
        return self.budget / self.batch_size


#: the factor by which the best value changes from the base to a size. A rule with a constant that
#: is not known also gets a size whose factor was measured, and that factor
Predicts = Callable[..., float]


@dataclass(frozen=True)
class Rule:
    """A registered rule and what a reader must know about it."""

    name: str
    #: what it says, in one sentence
    summary: str
    paper: str
    url: str
    #: where the paper says so, such as "abstract" or "section 4.1"
    place: str
    method: str
    hyperparameter: str
    #: the base first: a task's name, and values of other hyperparameters there
    sizes: tuple[tuple[str, Mapping[str, Value]], ...]
    predicts: Predicts
    #: the swept range; None for all choices of a hyperparameter that has choices
    bounds: tuple[float, float] | None
    quantity: Quantity
    #: whether the first size after the base fixes the rule's constant instead of being predicted
    fitted: bool
    version: int
    path: Path
    source_hash: str
    authors: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    #: a rule is decided itself, and states no claims of methods
    claims: tuple[Claim, ...] = ()
    kind: Literal["rule"] = field(default="rule", init=False)

    def position(self, value: float) -> float:
        """The logarithm of the compared quantity of a value of the hyperparameter.

        Raises ValueError for a value that has none: one that is not above 0, or a decay of 1.
        """
        return math.log(-math.log(value) if self.quantity == "forgetting" else value)

    def value(self, position: float) -> float:
        """The inverse of `position`."""
        compared = math.exp(position)
        return math.exp(-compared) if self.quantity == "forgetting" else compared


@dataclass(frozen=True)
class Transfer:
    """A rule with the facts of its sizes, and the protocol of the studies of each."""

    rule: Rule
    #: the base first
    sizes: tuple[Size, ...]
    protocols: tuple[str, ...]

    def label(self, number: int) -> str:
        """A size where it is listed: its task, or what it sets where two have the same task."""
        size = self.sizes[number]
        alike = [other for other in self.sizes if other.task == size.task]
        if len(alike) == 1:
            return size.task
        differing = {
            name: value
            for name, value in size.sets.items()
            if any(other.sets.get(name) != value for other in alike)
        }
        said = ", ".join(f"{name}={value}" for name, value in differing.items())
        return f"{size.task}, {said}"

    @property
    def predicted(self) -> tuple[int, ...]:
        """The numbers of the sizes that the rule predicts: all but the base and a fitted one."""
        return tuple(range(2 if self.rule.fitted else 1, len(self.sizes)))

    def factor(self, number: int, measured: float | None = None) -> float:
        """The predicted factor of a size; `measured` is that of the fitted size, if there is one.

        Raises ValueError if the rule gives no positive number.
        """
        size, base = self.sizes[number], self.sizes[0]
        known = (self.sizes[1], measured) if self.rule.fitted else ()
        factor = self.rule.predicts(size, base, *known)
        if not 0 < factor < math.inf:
            raise ValueError(
                f"rule {self.rule.name} predicts {factor!r} for {self.label(number)}: a factor is "
                "a positive number."
            )
        return float(factor)
