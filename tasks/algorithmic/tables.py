"""Tables of binary operations, and problems that learn one from some of its cells.

A table is a tensor (rows, columns) of class ids; -1 marks a cell that is not defined (division by
zero). Operands are the row's and the column's number.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Shuffled, Split, fingerprint_of, score, split_once

from .networks import PairNetwork

#: operations modulo a prime p on columns a (p, 1) and b (1, p); division is handled separately
OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "addition": lambda a, b: a + b,
    "subtraction": lambda a, b: a - b,
    "multiplication": lambda a, b: a * b,
    "x2_xy_y2": lambda a, b: a * a + a * b + b * b,
}


def modular_table(operation: str, modulus: int) -> Tensor:
    """The table (p, p) of an operation modulo a prime p.

    "division" is a / b = c with b * c = a, and "nonzero_multiplication" is a * b for b other than
    0 (Grokfast's); both leave column 0 undefined.
    """
    a, b = torch.arange(modulus).unsqueeze(1), torch.arange(modulus).unsqueeze(0)
    if operation in OPERATIONS:
        return OPERATIONS[operation](a, b) % modulus
    products = a * b % modulus
    if operation == "nonzero_multiplication":
        table = products
    elif operation == "division":
        table = torch.empty_like(products)
        table[products[:, 1:], b[:, 1:].expand(modulus, -1)] = a.expand(-1, modulus - 1)
    else:
        raise ValueError(f"unknown operation {operation!r}")
    table[:, 0] = -1
    return table


def cyclic(order: int) -> Tensor:
    """Addition modulo `order`."""
    return modular_table("addition", order)


def symmetric(letters: int, *, even: bool = False) -> Tensor:
    """Composition of all permutations of some letters (`even`: the alternating group).

    The cell (a, b) is the permutation i -> a(b(i)); permutations are numbered in the order of
    `itertools.permutations`.
    """
    elements = [p for p in permutations(range(letters)) if not (even and _is_odd(p))]
    number = {p: i for i, p in enumerate(elements)}
    rows = [[number[tuple(a[i] for i in b)] for b in elements] for a in elements]
    return torch.tensor(rows)


def _is_odd(permutation: tuple[int, ...]) -> bool:
    n = len(permutation)
    pairs = ((i, j) for i, j in product(range(n), repeat=2) if i < j)
    return sum(permutation[i] > permutation[j] for i, j in pairs) % 2 == 1


def dihedral(corners: int) -> Tensor:
    """Symmetries of a polygon: element s * corners + r rotates r corners after s reflections."""
    s, r = torch.arange(2 * corners) // corners, torch.arange(2 * corners) % corners
    # r1 s1 r2 s2 = (r1 + or - r2) (s1 + s2): a reflection turns the rotations behind it around
    sign = 1 - 2 * s.unsqueeze(1)
    rotation = (r.unsqueeze(1) + sign * r.unsqueeze(0)) % corners
    return (s.unsqueeze(1) + s.unsqueeze(0)) % 2 * corners + rotation


def direct_product(left: Tensor, right: Tensor) -> Tensor:
    """The group of pairs: element i * |right| + j is the pair (i, j)."""
    n = len(right)
    table = left[:, None, :, None] * n + right[None, :, None, :]
    return table.reshape(len(left) * n, -1)


class TableProblem(Problem):
    """Learn a table from a random share of its defined cells; the rest halves into two splits."""

    def __init__(self, network: PairNetwork, train: float, full_batch: bool) -> None:
        self.network = network
        self.train = train
        self.full_batch = full_batch
        self.symbols = int(max(self.table().shape))
        self.classes = int(self.table().max()) + 1

    @abstractmethod
    def table(self) -> Tensor:
        """Class ids (rows, columns), -1 where undefined."""

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        table = self.table()
        cells = (table >= 0).nonzero()
        labels = table[cells[:, 0], cells[:, 1]]
        train = round(self.train * len(cells))
        digest = fingerprint_of(repr(table.tolist()))
        sizes = {"train": train, "validation": (len(cells) - train) // 2}
        return Data(*split_once(Split(cells, labels), digest, generator, **sizes), digest)

    def model(self) -> nn.Module:
        assert self.classes is not None
        return self.network.build(self.symbols, self.classes)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if self.full_batch:
            return FullBatch(train)
        return Shuffled(train, batch_size, generator)


class ModularTable(TableProblem):
    """An operation modulo a prime."""

    def __init__(
        self,
        operation: str,
        modulus: int,
        network: PairNetwork,
        train: float = 0.5,
        full_batch: bool = True,
    ) -> None:
        self.operation = operation
        self.modulus = modulus
        super().__init__(network, train, full_batch)

    def table(self) -> Tensor:
        return modular_table(self.operation, self.modulus)


def grokking(problem: TableProblem, steps: int, evaluations: int = 100) -> dict[str, Any]:
    """What all full-batch grokking tasks declare: budget, and the score of Power et al."""
    batch = round(problem.train * int((problem.table() >= 0).sum()))
    return {
        "version": 2,
        "batch_size": batch,
        "budget": batch * steps,
        "evaluations": evaluations,
        "score": score.time_to_target("accuracy", hold=3),
        "target": 0.99,
    }
