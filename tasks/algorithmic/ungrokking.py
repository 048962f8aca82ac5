"""Ungrokking: a network that has grokked forgets what it knew when it gets too little data.

Varma et al. 2023, "Explaining Grokking through Circuit Efficiency": below a critical size of the
training set memorizing needs less weight norm than the general solution, so that weight decay
removes the latter, and test accuracy falls with it. The facts that must be learned meanwhile are
this suite's: without them a method that stops moving in time would keep what it knows and win.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Point, Split, TaskStream, score, task

from .networks import PairNetwork, SmallTransformer, TwoEmbeddings
from .tables import ModularTable

#: the run has this number of equal parts; in the last ones few cells are left, and facts are added
PARTS, LAST_PARTS = 16, 4


class Ungrokking(ModularTable):
    """Learn a table for three quarters of the budget, then only the share `kept` of its cells.

    It takes weight decay to grok on many cells, and the same weight decay removes the solution on
    few. A method that stops moving would also keep it; therefore there is something to learn until
    the end: with the few cells come facts, which are pairs of one more left operand with every
    right one and have random results, and each quarter of this last phase has new results for them.

    `accuracy` is that on held-out cells, `facts_accuracy` that on the facts of the last part, and
    the score is the smaller one at the end, `least_accuracy`: both kept and learned. A method that
    stops, or a schedule that has decayed, does not know the last facts; steps that are just large
    enough for them lose less of the table than larger ones, as intended.
    `accuracy_lost` is the best accuracy so far minus the present one.
    """

    def __init__(
        self, operation: str, modulus: int, network: PairNetwork, train: float, kept: float
    ) -> None:
        self.kept = kept
        super().__init__(operation, modulus, network, train)
        self.symbols = modulus + 1

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        """The facts of all last parts follow the cells of `train`, the last ones every other."""
        data = super().data(folder, generator)
        right = torch.arange(self.modulus)
        pairs = torch.stack((torch.full_like(right, self.modulus), right), 1)
        size = (LAST_PARTS, self.modulus)
        results = torch.randint(self.modulus, size, generator=generator)
        assert data.validation is not None and data.test is not None
        return replace(
            data,
            train=_joined(data.train, pairs.repeat(LAST_PARTS, 1), results.flatten()),
            validation=_joined(data.validation, pairs, results[-1]),
            test=_joined(data.test, pairs, results[-1]),
        )

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        fact = (train.inputs[:, 0] == self.modulus).cpu()
        cells, facts = (~fact).nonzero().flatten(), fact.nonzero().flatten().chunk(LAST_PARTS)
        few = round(self.kept / self.train * len(cells))
        kept = cells[torch.randperm(len(cells), generator=generator)[:few]]

        def start(part: int, own: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            last = part - (PARTS - LAST_PARTS)
            chosen = cells if last < 0 else torch.cat((kept, facts[last]))
            chosen = chosen.to(train.inputs.device)
            return FullBatch(Split(train.inputs[chosen], train.targets[chosen]))

        return TaskStream(PARTS, start, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        cells, facts = self._apart(split)
        metrics = super().evaluate(model, cells)
        known = super().evaluate(model, facts)["accuracy"]
        least = min(metrics["accuracy"], known)
        return {**metrics, "facts_accuracy": known, "least_accuracy": least}

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        accuracies = [point.metrics["accuracy"] for point in history]
        return {"accuracy_lost": max(accuracies) - accuracies[-1]}

    def _apart(self, split: Split) -> tuple[Split, Split]:
        """Cells of the table, and facts."""
        fact = split.inputs[:, 0] == self.modulus
        cells, facts = (Split(split.inputs[i], split.targets[i]) for i in (~fact, fact))
        return cells, facts


def _joined(split: Split, inputs: Tensor, targets: Tensor) -> Split:
    return Split(torch.cat((split.inputs, inputs)), torch.cat((split.targets, targets)))


few = Ungrokking("subtraction", 31, TwoEmbeddings(64), train=0.8, kept=0.4)
task(
    "ungrokking",
    few,
    version=3,
    track="mini",
    stream=True,
    contrast=("adamw", "sgd"),
    summary="Ungrokking: (a - b) mod 31 after training goes on with few cells and new facts.",
    source="Varma et al. 2023; scaled down to seconds on one core",
    batch_size=769,
    budget=769 * 1200,
    evaluations=40,
    score=score.final("least_accuracy", higher_is_better=True, worst=0.0),
    target=0.5,
)

transformer = SmallTransformer(width=128, heads=4, layers=1, plain=True)
task(
    "ungrokking_transformer",
    Ungrokking("addition", 113, transformer, train=0.7, kept=0.05),
    version=3,
    track="full",
    stream=True,
    summary="Ungrokking: (a + b) mod 113 after training goes on with few cells and new facts.",
    source="Varma et al. 2023, 1-layer transformer; far fewer cells than its critical size",
    batch_size=8938,
    budget=8938 * 8000,
    evaluations=100,
    score=score.final("least_accuracy", higher_is_better=True, worst=0.0),
    target=0.5,
    time_limit=7200.0,
)
