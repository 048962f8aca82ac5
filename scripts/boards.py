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

#: whether a method's name is one of those asked for
Asked = Callable[[str], bool]

#: measured before all others: every comparison is with them
FIRST = ("adamw", "sgd")
#: what regularizers and schedules are added to; to the second only where a paper did so
CARRIERS = ("adamw", "sgd")
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
    #: the names of its methods, of those that are asked for
    methods: Callable[[Asked], Iterable[str]]
    summary: str


#: the name of no board, but of all studies that the results folder holds, whatever they are for
PUBLISHED = "published"


def every_method(asked: Asked = lambda name: True) -> Iterator[str]:
    """The methods that follow from what is registered; only files of those asked for are read."""
    yield from filter(asked, registry.names("optimizer"))
    for kind, mark in (("regularizer", "+"), ("schedule", "@")):
        for name in registry.names(kind):
            if name not in _SAME_AS_NONE:
                carried = [f"{carrier}{mark}{name}" for carrier in CARRIERS]
                yield from filter(asked, carried[:1])
                yield from (m for m in carried[1:] if asked(m) and _is_claimed(kind, name, m))


def _is_claimed(kind: str, name: str, method: str) -> bool:
    """Whether a claim of a component's paper is about a method."""
    component: Component = registry.get(kind, name)
    return any(claim.method == method for claim in component.claims)


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
            lambda asked: filter(asked, STANDARD),
            "the methods that people look for first, on the core tasks",
        ),
        Board(
            "quick-mini",
            "quick",
            _is_mini,
            lambda asked: filter(asked, MINI),
            "ten methods on the mini track",
        ),
    )
}
