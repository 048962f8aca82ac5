"""The time of every step of a loop that takes its batches from a task.

Whole loops differ by a tenth on a machine that others share, and the shortest of many still by a
twentieth. A neighbour slows other steps each time: the sum of each step's shortest time in some
rounds comes out the same to a few thousandths.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from suite.problems.problem import Problem


class Stopwatch:
    """Reads the time whenever a batch is drawn from a problem; for a CPU, which works at once."""

    def __init__(self, problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
        draw, self._times = problem.batches, (times := [])

        class Timed:
            def __init__(self, *how) -> None:
                self._batches = iter(draw(*how))

            def __iter__(self):
                return self

            def __next__(self):
                times.append(time.perf_counter())
                return next(self._batches)

        monkeypatch.setattr(problem, "batches", Timed)

    def time(self, loop: Callable[[], object]) -> list[float]:
        """Seconds before the first batch, of each step but the last, and from the last batch on."""
        self._times[:] = [time.perf_counter()]
        loop()
        self._times.append(time.perf_counter())
        return [after - before for before, after in pairwise(self._times)]


def in_turns(rounds: int, **loops: Callable[[], list[float]]) -> dict[str, float]:
    """Seconds of loops that are given by name and return those of their parts.

    The sum of each part's shortest time; in turns, so that a neighbour disturbs all alike.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            times[name].append(loop())
    return {name: sum(map(min, zip(*parts, strict=True))) for name, parts in times.items()}
