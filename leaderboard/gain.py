"""Whether a method's gain over its rival survives size: on a task and on another size of it.

The gain is the difference of scores, paired by replicate, with its interval; positive is in favour
of the method. Both sizes have the same metric. The gain

- **survives** if both intervals are above 0;
- **is gone** if it is above 0 on the task, and at the other size the interval reaches 0 or below it
  and lies below half of the gain on the task;
- is **not told** otherwise: also where there is no clear gain on the task.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from leaderboard.board import Board
from leaderboard.comparison import TaskComparison, compare_on_task
from leaderboard.statistics import Interval
from suite.errors import UsageError

Outcome = Literal["survives", "is gone", "not told", "not run"]
OUTCOMES: tuple[Outcome, ...] = ("survives", "is gone", "not told", "not run")


@dataclass(frozen=True)
class Gain:
    """A method's gain on a task and on another size of it."""

    method: str
    rival: str
    base: str
    #: the other size
    task: str
    outcome: Outcome
    #: in words
    why: str
    #: in the units of the score; None without results of both methods
    on_base: Interval | None = None
    on_task: Interval | None = None
    #: protocols of both comparisons
    protocols: tuple[str, ...] = ()


def gains(board: Board, method: str, rival: str, pairs: Iterable[tuple[str, str]]) -> list[Gain]:
    """The verdict on each pair of a task and another size of it, in their order."""
    return [_gain(board, method, rival, base, task) for base, task in pairs]


def gain_on(board: Board, task: str, method: str, rival: str) -> TaskComparison | str:
    """The comparison of a method with its rival on a task, or why there is none."""
    try:
        return compare_on_task(board, task, [rival, method])
    except UsageError as error:
        return str(error)


def _gain(board: Board, method: str, rival: str, base: str, task: str) -> Gain:
    found = [gain_on(board, name, method, rival) for name in (base, task)]
    lacking = [
        name
        for name, one in zip((base, task), found, strict=True)
        if isinstance(one, str) or len(one.entries[0].scores) < 2
    ]
    on_base, on_task = (None if isinstance(one, str) else _interval(one) for one in found)
    protocols = tuple(one.standing.protocol.name for one in found if not isinstance(one, str))
    if lacking or on_base is None or on_task is None:
        outcome: Outcome = "not run"
        why = f"no results of {method} and {rival} that can be compared on {' and '.join(lacking)}"
    else:
        outcome, why = judge(on_base, on_task)
    return Gain(method, rival, base, task, outcome, why, on_base, on_task, protocols)


def _interval(found: TaskComparison) -> Interval:
    """How much better the method is than its rival."""
    (pair,) = found.differences.values()
    if found.standing.task.higher_is_better:
        return Interval(pair.value, pair.low, pair.high)
    return Interval(-pair.value, -pair.high, -pair.low)


def judge(on_base: Interval, on_task: Interval) -> tuple[Outcome, str]:
    """The outcome by the rule of this module, and why in words."""
    if on_base.low <= 0:
        return "not told", "there is no clear gain on the task"
    if on_task.low > 0:
        return "survives", "a gain at both sizes"
    if on_task.high < on_base.value / 2:
        worse = "the rival is better at the other size" if on_task.high < 0 else ""
        return "is gone", worse or "less than half of the gain at the other size, or none"
    return "not told", "the interval at the other size holds no gain and half of the gain"
