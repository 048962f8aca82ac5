"""Episodic memories: examples of earlier tasks, and what their gradient forbids.

Used by methods that compare a gradient with that of earlier tasks: A-GEM, ER + A-GEM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Regularizer, TaskInfo


class EpisodicMemory(Regularizer):
    """Keeps examples of the earlier tasks, and gives a random sample of them with each batch.

    The memory of a task is a uniform sample of its examples, an equal share of `capacity` for each
    task, and is read from the next task on. A task without known boundaries has one memory of all
    examples so far (the variant "A-GEM-R" of Buzzega et al. 2020, Dark Experience for General
    Continual Learning).
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._generator = info.generator
        self._tasks = info.tasks
        #: of each task so far; the last one is being filled
        self._memories = []
        #: with the current batch: as many examples of the memory, if it has them
        self._sample: tuple[Tensor, Tensor] | None = None

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not self._memories:
            self._begin_memory()
        self._sample = self._drawn(len(inputs))
        self._memories[-1].add(inputs, targets)
        return inputs, targets

    def on_task_change(self, model: nn.Module, task: int) -> None:
        self._begin_memory()

    def _begin_memory(self) -> None:
        share = max(1, self.capacity // (self._tasks or 1))
        self._memories.append(self.objective.memory(share, self._generator))

    def _drawn(self, examples: int) -> tuple[Tensor, Tensor] | None:
        """Different examples of what may be read, each with equal chance; None if there is none."""
        readable = self._memories if self._tasks is None else self._memories[:-1]
        owners = torch.cat([torch.full((len(m),), i) for i, m in enumerate(readable)] or [_NONE])
        if not len(owners):
            return None
        chosen = owners[torch.randperm(len(owners), generator=self._generator)[:examples]]
        counts = chosen.bincount(minlength=len(readable)).tolist()
        parts = [m.sample(n) for m, n in zip(readable, counts, strict=True) if n]
        inputs, targets = zip(*parts, strict=True)
        return torch.cat(inputs), torch.cat(targets)


_NONE = torch.zeros(0, dtype=torch.long)


def without_conflict(gradients: list[Tensor], reference: list[Tensor]) -> list[Tensor]:
    """g - min(0, g.r) / r.r * r, for the gradients g and r of all parameters together.

    The vector nearest to g that does not point against r. Where g does not, it is g bit by bit.
    """
    pairs = list(zip(gradients, reference, strict=True))
    inner = torch.stack([(g * r).sum() for g, r in pairs]).sum()
    square = torch.stack([r.square().sum() for r in reference]).sum()
    share = inner.clamp(max=0) / square.clamp(min=torch.finfo(square.dtype).tiny)
    return [g - share * r for g, r in pairs]
