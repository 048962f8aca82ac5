"""Masked softmax: an example's loss does not push down the scores of other tasks' classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class SoftmaxMasking(Regularizer):
    """Kim, Kwon and Kim 2023: the general masked softmax, with the mask value `mask`.

    In the loss of an example of the current task, the scores of all other classes than the task's
    are replaced by the constant `mask`, so that their gradient is zero. The more `mask` is below
    the other scores, the less the scores of the own classes are pushed up (at minus infinity, the
    softmax is that of the own classes alone). Replayed examples are compared among all classes:
    those that a regularizer to the right adds, as in `adamw+softmax_masking+experience_replay`,
    and all of earlier tasks.

    Deviates from the paper: its equations could not be read, only its abstract and summaries of
    it; that replayed examples are not masked is our reading, and the default 0 is ours. A class
    belongs to the task in which it was first seen; without known task boundaries, the own classes
    are those in the batch. Where the task compares only some classes, the loss stays as it is.
    """

    def __init__(self, mask: float) -> None:
        self.mask = mask
        self._task = 0

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.classes is None or info.loss != "cross_entropy":
            raise NotApplicable("softmax masking needs classes and their cross entropy")
        self._classes, self._told = info.classes, info.tasks is not None
        #: the task of each class; -1 if it has not been seen
        self._owners = torch.full((info.classes,), -1)

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        #: the examples after these are replayed
        self._drawn = len(targets)
        if self._owners.device != targets.device:
            self._owners = self._owners.to(targets.device)
        if not self._told:
            self._owners.fill_(-1)
        new = targets.flatten()
        self._owners[new] = torch.where(self._owners[new] < 0, self._task, self._owners[new])
        return inputs, targets

    def on_task_change(self, model: nn.Module, task: int) -> None:
        self._task = task

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        if outputs.shape[-1] != self._classes or outputs.ndim != targets.ndim + 1:
            return default(outputs, targets)
        own = self._owners == self._task
        masked = own[targets]
        if len(targets) == self.objective.batch_size:  # not a part of the batch
            masked[self._drawn :] = False
        compared = own | ~masked.unsqueeze(-1)
        return default(torch.where(compared, outputs, self.mask), targets)


regularizer(
    "softmax_masking",
    SoftmaxMasking,
    summary="Compares the score of a class with those of its own task's classes only.",
    paper="Kim, Kwon and Kim 2023, Revisiting Softmax Masking: Stop Gradient for Enhancing "
    "Stability in Replay-based Continual Learning",
    url="https://arxiv.org/abs/2309.14808",
    search={"mask": search.uniform(-20.0, 10.0, default=0.0)},
    claims=[
        Claim(
            says="Masking makes replay more stable when classes come one after the other.",
            task="split_digits",
            method="adamw+softmax_masking+experience_replay",
            rival="adamw+experience_replay",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="no number in the abstract: better performance, primarily by more stability, "
            "even with an extremely small buffer",
            place="abstract",
        ),
        Claim(
            says="Masking without any replay forgets less.",
            task="split_digits",
            method="adamw+softmax_masking",
            rival="adamw",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="no number in the abstract: significantly increases stability with and without "
            "replay, better overall particularly with zero or small memory",
            place="abstract of version 1",
        ),
    ],
)
