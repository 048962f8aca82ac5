"""Streams: tasks that follow one another within one trial, each for a share of the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Batches = Iterator[tuple[Tensor, Tensor]]


class TaskStream:
    """Endless batches of one task after the other, each for an equal share of the budget.

    The loop keeps `progress` up to date and the stream follows it, so that every method trains on
    every task, however many steps its budget allows. `start(task, generator)` begins the batches of
    one task; each task has its own generator, so that its batches do not depend on how many were
    drawn of those before it.
    """

    #: share of the budget that is spent, in [0, 1]
    progress: float = 0.0

    def __init__(
        self,
        tasks: int,
        start: Callable[[int, torch.Generator], Batches],
        generator: torch.Generator,
    ) -> None:
        self.tasks = tasks
        #: the current task's number, counted from 0; -1 before the first batch
        self.task = -1
        self._start = start
        self._seeds = torch.randint(2**62, (tasks,), generator=generator).tolist()
        self._batches: Batches = iter(())

    def __iter__(self) -> TaskStream:
        return self

    @property
    def next_task(self) -> int:
        """The number of the task that the next batch is of."""
        return task_at(self.progress, self.tasks)

    def __next__(self) -> tuple[Tensor, Tensor]:
        task = self.next_task
        if task != self.task:
            self.task = task
            generator = torch.Generator().manual_seed(self._seeds[task])
            self._batches = iter(self._start(task, generator))
        return next(self._batches)


def task_at(progress: float, tasks: int) -> int:
    """The number, counted from 0, of the task that a stream is in at a share of the budget."""
    # Charges are sums of thirds: a share just below a boundary is one that was rounded down.
    return min(int(progress * tasks + 1e-9), tasks - 1)
