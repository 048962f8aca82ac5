"""What belongs on each board: its protocol, its tasks and its methods.

The methods of a board follow from what is registered and declared: every optimizer by itself, every
regularizer and schedule on AdamW, and on SGD where a claim of the component's paper is about SGD.
Only the two short lists below are a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from suite.components import registry
from suite.components.registry import Component
from suite.problems.task import Task

#: measured before all others: every comparison is with them
FIRST = ("adamw", "sgd")
#: what regularizers and schedules are added to; to the second only where a paper did so
_CARRIERS = ("adamw", "sgd")
#: `adamw@constant` is `adamw`
_SAME_AS_NONE = ("constant",)

#: The methods that people look for first, measured under the longer protocol: torch's own, those
#: that recent papers compare with, those of large language models' reports and of the AlgoPerf
#: competition, and the wrappers, averages and schedules that are used with any of them.
STANDARD = (
    *("adamw", "sgd", "adam", "nadam", "radam", "rmsprop", "adagrad", "adafactor", "amsgrad"),
    *("lion", "signsgd_momentum", "muon", "muon_moonlight", "normuon", "scion", "soap", "shampoo"),
    *("kron", "schedule_free", "sophia_g", "adabelief", "adan", "lamb", "lars", "adopt"),
    *("ademamix", "mars_adamw", "prodigy", "dog", "dadapt_adam", "came", "adam_mini", "galore"),
    *("adamw+cautious", "adamw+lookahead", "adamw+sam", "adamw+asam", "adamw+iterate_ema"),
    *("adamw+swa", "adamw+grokfast_ema", "adamw+grad_clip_norm", "adamw+gradient_centralization"),
    *("adamw+l2_init", "adamw+orthogonal_init", "adamw+weight_norm", "adamw+redo"),
    *("adamw+dropout", "adamw+label_smoothing", "adamw+mixup", "adamw+shrink_and_perturb"),
    *("adamw@cosine", "adamw@linear_decay", "adamw@wsd", "adamw@one_cycle", "sgd@linear_decay"),
    *("sgd+sam",),
)

#: Ten that differ in kind, on every task of the mini track.
MINI = (
    *("adamw", "sgd", "lion", "muon", "soap", "schedule_free", "prodigy", "ademamix"),
    *("adamw+sam", "adamw@cosine"),
)


@dataclass(frozen=True)
class Board:
    """Studies that are shown together."""

    name: str
    protocol: str
    #: whether a task belongs on it
    shows: Callable[[Task], bool]
    #: the names of its methods
    methods: Callable[[], Iterable[str]]
    summary: str


def every_method() -> Iterator[str]:
    """The methods that follow from what is registered."""
    yield from registry.names("optimizer")
    for kind, mark in (("regularizer", "+"), ("schedule", "@")):
        for name in registry.names(kind):
            if name not in _SAME_AS_NONE:
                component: Component = registry.get(kind, name)
                yield from _carried(component, mark)


def _carried(component: Component, mark: str) -> Iterator[str]:
    """A regularizer or schedule on the optimizers that it is measured with."""
    claimed = {claim.method for claim in component.claims}
    first, *others = (f"{carrier}{mark}{component.name}" for carrier in _CARRIERS)
    yield first
    yield from (name for name in others if name in claimed)


def _is_core(task: Task) -> bool:
    return task.track == "mini" and task.core


def _is_mini(task: Task) -> bool:
    return task.track == "mini"


BOARDS = {
    board.name: board
    for board in (
        Board(
            "smoke-core",
            "smoke",
            _is_core,
            every_method,
            "does every method run on every core task? A twentieth of the budget, never published",
        ),
        Board("quick-core", "quick", _is_core, every_method, "every method on the core tasks"),
        Board(
            "standard-core",
            "standard",
            _is_core,
            lambda: STANDARD,
            "the methods that people look for first, on the core tasks",
        ),
        Board("quick-mini", "quick", _is_mini, lambda: MINI, "ten methods on the mini track"),
    )
}
