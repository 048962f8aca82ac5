"""Batches: endless iterators over a training split.

A batch shares no memory with the split or with other batches: a method that writes into it, or
looks for the tensor that it is a view of, finds only this batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from suite.data.split import Split


class Shuffled:
    """Endless batches in a fresh random order every epoch; the last partial batch is dropped.

    `augment(inputs, generator)` may change the images of a batch. One permutation is drawn per
    epoch.
    """

    def __init__(
        self,
        train: Split,
        batch_size: int,
        generator: torch.Generator,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    ) -> None:
        self._split = train
        self._size = min(batch_size, len(train))
        self._generator = generator
        self._augment = augment
        self._batches: Iterator[Tensor] = iter(())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        chosen = next(self._batches, None)
        if chosen is None:
            order = torch.randperm(len(self._split), generator=self._generator)
            order = order[: len(order) // self._size * self._size].to(self._split.inputs.device)
            self._batches = iter(order.split(self._size))
            chosen = next(self._batches)
        # Copies whole rows: faster than indexing with brackets for images of bytes.
        inputs = self._split.inputs.index_select(0, chosen)
        targets = self._split.targets.index_select(0, chosen)
        if self._augment is not None:
            inputs = self._augment(inputs, self._generator)
        return inputs, targets


class FullBatch:
    """Endless repetition of the whole training split, each time a copy."""

    def __init__(self, train: Split) -> None:
        self._split = train

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        return self._split.inputs.clone(), self._split.targets.clone()
