"""Streams: every method meets every task, and a task's batches are its own."""

from __future__ import annotations

import pytest
import torch

from suite.problems.streams import TaskStream, task_at


def draws(task: int, generator: torch.Generator):
    while True:
        yield torch.full((2,), float(task)), torch.rand(2, generator=generator)


def make(seed: int = 0) -> TaskStream:
    return TaskStream(4, draws, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [4, 8, 400])
def test_tasks_last_equal_shares_of_the_budget(steps):
    stream = make()
    seen = []
    for step in range(steps):
        stream.progress = step / steps
        inputs, _ = next(stream)
        assert inputs[0] == stream.task
        seen.append(stream.task)
    assert [seen.count(task) for task in range(4)] == [steps // 4] * 4
    assert seen == sorted(seen)


def test_a_tasks_batches_do_not_depend_on_how_many_were_drawn_before():
    firsts = []
    for batches in (1, 7):
        stream = make()
        for _ in range(batches):
            next(stream)
        stream.progress = 0.25
        firsts.append(next(stream)[1])
    assert torch.equal(*firsts)


def test_tasks_and_seeds_differ():
    one, other = make(0), make(1)
    first = next(one)[1]
    assert not torch.equal(first, next(other)[1])
    one.progress = 0.5
    assert not torch.equal(first, next(one)[1])


def test_a_share_that_rounding_put_below_a_boundary_belongs_to_the_next_task():
    assert task_at(sum([1 / 3] * 3) / 4 - 1e-12, 4) == 1
    assert task_at(1.0, 4) == 3
