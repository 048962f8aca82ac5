"""Splits of one finite set: test rows are the task's, the others follow the run's seed."""

from __future__ import annotations

import pytest
import torch

from suite.data.split import Split
from suite.problems.splits import constant_generator, draw_apart, split_once, split_rows


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def split(seed: int, key: str = "a", **sizes: int) -> list[list[int]]:
    parts = split_rows(100, key, seeded(seed), **{"train": 50, "validation": 30, **sizes})
    return [part.tolist() for part in parts]


def test_test_rows_are_the_same_for_every_seed_and_the_others_are_not() -> None:
    first, second = split(1), split(2)
    assert first[2] == second[2]
    assert first[0] != second[0]
    assert sorted(first[0]) != sorted(second[0])
    assert first == split(1)


def test_rows_of_one_seed_are_disjoint_and_of_the_sizes_asked_for() -> None:
    parts = split(1)
    assert [len(part) for part in parts] == [50, 30, 20]
    assert sorted(row for part in parts for row in part) == list(range(100))
    few = split(1, test=5)
    assert [len(part) for part in few] == [50, 30, 5]
    assert few[2] == parts[2][:5]


def test_another_key_tests_other_rows() -> None:
    assert sorted(split(1)[2]) != sorted(split(1, key="b")[2])


def test_recorded_test_rows() -> None:
    """They are part of what a task means: a change of them is a new version of many tasks."""
    assert split(1)[2][:5] == [29, 82, 85, 30, 3]


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="100 rows cannot be split into 80 training, 30 valid"):
        split(1, train=80)
    with pytest.raises(ValueError, match="21 test rows"):
        split(1, test=21)


def test_inputs_and_targets_stay_together() -> None:
    examples = Split(torch.arange(10).float().view(-1, 1), torch.arange(10))
    parts = split_once(examples, "a", seeded(0), train=5, validation=3)
    for part in parts:
        assert torch.equal(part.inputs.flatten().long(), part.targets)
    assert sorted(int(t) for part in parts for t in part.targets) == list(range(10))


def test_what_is_drawn_apart_is_not_among_the_others() -> None:
    """Two of four rows are taken: half of all draws must be drawn again."""
    generator = seeded(0)

    def draw(count: int) -> Split:
        bits = torch.randint(2, (count, 2), generator=generator)
        return Split(bits.float(), bits.sum(1))

    taken = Split(torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    apart = draw_apart(draw, 200, taken)
    assert len(apart) == 200
    assert bool((apart.inputs[:, 0] == 1).all())
    assert torch.equal(apart.inputs.sum(1).long(), apart.targets)


def test_nothing_is_drawn_again_without_need() -> None:
    def draw(count: int) -> Split:
        assert count == 4
        return Split(torch.ones(4, 2), torch.zeros(4))

    assert len(draw_apart(draw, 4, Split(torch.zeros(1, 2), torch.zeros(1)))) == 4


def test_a_constant_generator_follows_from_its_key_alone() -> None:
    draws = [torch.rand(3, generator=constant_generator(key)) for key in ("a", "a", "b")]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
