"""Modular arithmetic: small algorithmic tables on which networks grok.

Power et al. 2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import (
    Data,
    FullBatch,
    Problem,
    Split,
    fingerprint_of,
    mark_head,
    score,
    split_once,
    task,
)


class PairMLP(nn.Module):
    """Two embeddings, summed; ReLU, a hidden layer, ReLU, scores: inputs (N, 2) to (N, modulus).

    The operands have separate embeddings: with a shared one, a + b and b + a look alike and half
    of the held-out pairs leak.
    """

    def __init__(self, modulus: int, width: int) -> None:
        super().__init__()
        self.left = nn.Embedding(modulus, width)
        self.right = nn.Embedding(modulus, width)
        self.hidden = nn.Linear(width, width)
        self.relu = nn.ReLU()
        self.head = mark_head(nn.Linear(width, modulus))

    def forward(self, pairs: Tensor) -> Tensor:
        summed = self.relu(self.left(pairs[:, 0]) + self.right(pairs[:, 1]))
        return self.head(self.relu(self.hidden(summed)))


class ModularAddition(Problem):
    """All pairs (a, b) with label (a + b) mod p: half trains, a quarter each tunes and tests."""

    def __init__(self, modulus: int, width: int) -> None:
        self.modulus = modulus
        self.width = width
        self.classes = modulus

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        p = self.modulus
        pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
        labels = pairs.sum(1) % p
        half, quarter = len(pairs) // 2, len(pairs) // 4
        digest = fingerprint_of(f"all pairs, (a + b) mod {p}")
        table = Split(pairs, labels)
        splits = split_once(table, digest, generator, train=half, validation=quarter)
        return Data(*splits, digest)

    def model(self) -> nn.Module:
        return PairMLP(self.modulus, self.width)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return FullBatch(train)


task(
    "modular_addition",
    ModularAddition(modulus=59, width=64),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Grokking: learn (a + b) mod 59 from half of the table, full batch.",
    source="Power et al. 2022; scaled down to grok within seconds on one core",
    batch_size=59 * 59 // 2,
    budget=59 * 59 // 2 * 2000,
    evaluations=100,
    score=score.time_to_target("accuracy", hold=3),
    target=0.99,
)
