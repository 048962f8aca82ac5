"""A store of training examples for replay, whose capacity a result states."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.training.meter import Ledger


class Memory:
    """At most `capacity` training examples: a uniform sample of all that were offered.

    Reservoir sampling, Vitter 1985, "Random Sampling with a Reservoir", algorithm R.
    """

    def __init__(self, capacity: int, generator: torch.Generator, ledger: Ledger) -> None:
        if capacity < 1:
            raise ValueError(f"a memory holds at least one example, not {capacity}")
        self.capacity = capacity
        self._generator = generator
        self._ledger = ledger
        self._offered = 0
        self._inputs: Tensor | None = None
        self._targets: Tensor
        ledger.stored_examples += capacity

    def __len__(self) -> int:
        return min(self._offered, self.capacity)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Offer the examples of a batch; each is kept with equal chance."""
        if self._inputs is None:
            self._inputs = inputs.new_empty((self.capacity, *inputs.shape[1:]))
            self._targets = targets.new_empty((self.capacity, *targets.shape[1:]))
        for i in range(len(inputs)):
            place = self._offered
            if place >= self.capacity:
                place = int(torch.randint(place + 1, (), generator=self._generator))
            if place < self.capacity:
                self._inputs[place] = inputs[i]
                self._targets[place] = targets[i]
            self._offered += 1

    def sample(self, examples: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of different kept examples, as many as asked for or as there are.

        Raises ValueError if nothing is kept.
        """
        if self._inputs is None or not self._offered:
            raise ValueError("the memory is empty: check len(memory) before sampling")
        order = torch.randperm(len(self), generator=self._generator)[:examples]
        order = order.to(self._inputs.device)
        self._ledger.add_to_batch(len(order))
        return self._inputs.index_select(0, order), self._targets.index_select(0, order)
