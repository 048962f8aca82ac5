"""Experience replay: every batch is trained on together with examples of earlier ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, TaskInfo, regularizer, search


class ExperienceReplay(Regularizer):
    """Chaudhry et al. 2019, algorithm 1 with reservoir sampling.

    The memory holds a uniform sample of all examples seen. Each step trains on the batch and as
    many examples from the memory, drawn before the batch is offered to it.

    Deviates from the paper: nothing; several draws of a batch within a step replay each time. The
    authors' code (agem, `update_reservior`) draws the place of example N among the N - 1 before it,
    so that it keeps new examples a little too often; here the reservoir is the paper's.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._generator = info.generator
        self._memory = None

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self._memory is None:
            self._memory = self.objective.memory(self.capacity, self._generator)
        replayed = self._memory.sample(len(inputs)) if len(self._memory) else None
        self._memory.add(inputs, targets)
        if replayed is None:
            return inputs, targets
        return torch.cat([inputs, replayed[0]]), torch.cat([targets, replayed[1]])


regularizer(
    "experience_replay",
    ExperienceReplay,
    summary="Trains on every batch together with examples from a small memory.",
    paper="Chaudhry et al. 2019, On Tiny Episodic Memories in Continual Learning",
    url="https://arxiv.org/abs/1902.10486",
    search={"capacity": search.choice(50, 100, 200, default=200)},
    claims=[
        Claim(
            says="Replay from a tiny memory is better than A-GEM, which only projects with it.",
            task="permuted_digits_domains",
            method="adamw+experience_replay",
            rival="adamw+agem",
            measure="column",
            quantity="average_accuracy",
            expect="higher",
            number="a simple baseline with a tiny memory outperforms methods with and without "
            "memory; no number",
            place="abstract",
        ),
        Claim(
            says="Replay from a tiny memory is better than a penalty on weights.",
            task="permuted_digits_domains",
            method="adamw+experience_replay",
            rival="adamw+ewc",
            measure="column",
            quantity="average_accuracy",
            expect="higher",
            number="a simple baseline with a tiny memory outperforms methods with and without "
            "memory; no number",
            place="abstract",
        ),
    ],
)
