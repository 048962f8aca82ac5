"""The batch source: everything that happens when a batch is drawn, at any place in a step.

The batch is the unit of the protocol, not the step: a method may draw any number of batches in a
step. Each of them is charged, measured if the task is online, and taken from the task that the
budget has reached.

An objective keeps no reference to its source, because the source holds the training data: the
open sources are kept in this module.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

from torch import Tensor

from suite.problems.streams import TaskStream
from suite.training.meter import Ledger, TrialEnds

Batch = tuple[Tensor, Tensor]

_open: dict[int, BatchSource] = {}
_keys = itertools.count()


class TaskSkipped(TrialEnds):
    """A task of a sequence got no batch."""


class BatchSource:
    """Draws batches and does all that a draw requires.

    `before_draw()` is called when the last batch is settled; `changing(task)` before a stream draws
    the first batch of another task; `drawn(batch)` with every new batch, before the method gets it.
    A deque that is put into `latest` keeps the latest batches.
    """

    def __init__(
        self,
        batches: Iterator[Batch],
        ledger: Ledger,
        before_draw: Callable[[], None] = lambda: None,
        changing: Callable[[int], None] = lambda task: None,
        drawn: Callable[[Batch], None] | None = None,
    ) -> None:
        self._batches = batches
        self._stream = batches if isinstance(batches, TaskStream) else None
        self._ledger = ledger
        self._before_draw = before_draw
        self._changing = changing
        self._drawn = drawn
        self.latest: deque[Batch] | None = None
        self.key = next(_keys)
        _open[self.key] = self

    def close(self) -> None:
        """Close the source; the functions that a draw calls may refer to it."""
        _open.pop(self.key, None)
        del self._before_draw, self._changing, self._drawn

    def draw(self) -> Batch:
        """The next batch; raises TrialEnds if there are no more."""
        ledger = self._ledger
        ledger.end_batch()
        if ledger.ended is not None:
            raise ledger.ended
        self._before_draw()
        batch = next(self._batches) if self._stream is None else self._draw_from(self._stream)
        ledger.begin_batch(batch[0].shape[0])
        if self.latest is not None:
            self.latest.append(batch)
        if self._drawn is not None:
            self._drawn(batch)
        return batch

    def finish(self) -> None:
        """Raise TaskSkipped if the stream has not reached its last task."""
        stream = self._stream
        if stream is not None and stream.task < stream.tasks - 1:
            self._refuse_skipping(stream, stream.task + 1)

    def _draw_from(self, stream: TaskStream) -> Batch:
        before = stream.task
        stream.progress = self._ledger.spent / self._ledger.budget
        task = stream.next_task
        if task > before + 1:
            self._refuse_skipping(stream, before + 1)
        if -1 < before < task:
            self._changing(task)
        return next(stream)

    def _refuse_skipping(self, stream: TaskStream, task: int) -> None:
        self._ledger.end(
            TaskSkipped(
                f"the method never got a batch of task {task + 1} of {stream.tasks}: its "
                "evaluations of other batches used up the task's whole share of the budget. Draw a "
                "batch more often, or use fewer evaluations per batch"
            )
        )


def draw(key: int) -> Batch:
    """The next batch of the open source with this key."""
    return _open[key].draw()
