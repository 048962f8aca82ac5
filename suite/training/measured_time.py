"""The time in which the suite measures: neither charged to the method nor timed as training."""

from __future__ import annotations

from suite.training.clock import Clock
from suite.training.meter import Ledger


class Measuring:
    """Inside, the suite measures: the time counts as evaluation and a forward pass is free.

    Entered at every step of a stream: a class, because a generator takes twice as long.
    """

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._clock.pause()
            self._ledger.measuring = True

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._ledger.measuring = False
            self._clock.resume()
