"""Batches: order, augmentation, and what memory a batch shares."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from suite.data.split import Split
from suite.problems.batches import FullBatch, Shuffled


def numbered(count):
    return Split(torch.arange(count).float().view(-1, 1), torch.arange(count))


def shuffled(split, size, seed=0, augment=None):
    return Shuffled(split, size, torch.Generator().manual_seed(seed), augment)


def test_shuffled_passes_over_everything_in_a_new_order():
    batches = shuffled(numbered(12), 4)
    epochs = []
    for _ in range(2):
        drawn = list(islice(batches, 3))
        assert all(torch.equal(inputs.view(-1).long(), targets) for inputs, targets in drawn)
        epochs.append(torch.cat([targets for _, targets in drawn]).tolist())
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]


def test_shuffled_drops_a_partial_batch_and_shrinks_to_small_data():
    sizes = [len(targets) for _, targets in islice(shuffled(numbered(10), 4), 6)]
    assert sizes == [4] * 6
    inputs, _ = next(shuffled(numbered(3), 4))
    assert len(inputs) == 3


def test_shuffled_augments_inputs_with_its_generator():
    def jitter(inputs, generator):
        return inputs + torch.rand(inputs.shape, generator=generator)

    def draw(seed):
        batches = shuffled(numbered(8), 4, seed, jitter)
        return torch.cat([x for x, _ in islice(batches, 4)])

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert (draw(0) % 1 != 0).any()


def test_full_batch_repeats_the_split():
    split = numbered(5)
    for inputs, targets in islice(FullBatch(split), 3):
        assert torch.equal(inputs, split.inputs)
        assert torch.equal(targets, split.targets)


@pytest.mark.parametrize("make", [FullBatch, lambda split: shuffled(split, 3)])
def test_a_batch_shares_no_memory_with_anything_else(make):
    """Views would hand a method the epoch behind its batch, and a way to write into the data."""
    split = numbered(6)
    batches = make(split)
    kept = [*next(batches), *next(batches)]
    storages = [part.untyped_storage() for part in (*kept, split.inputs, split.targets)]
    assert len({storage.data_ptr() for storage in storages}) == len(storages)
    for part in kept:
        assert part._base is None
        assert part.untyped_storage().nbytes() == part.numel() * part.element_size()
    for part in kept:
        part.zero_()
    assert torch.equal(split.targets, torch.arange(6))
    assert sorted(torch.cat([next(batches)[1] for _ in range(2)]).tolist())[-1] == 5
