"""Networks that learn a binary operation: pairs of class ids (N, 2) to class scores (N, classes).

Each is described by a frozen dataclass of plain values, which a task's settings can print.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from suite import mark_head


class PairNetwork(Protocol):
    """The description of a network."""

    def build(self, symbols: int, classes: int) -> nn.Module:
        """A fresh network for operands below `symbols` and results below `classes`."""


@dataclass(frozen=True)
class TwoEmbeddings:
    """Two embeddings, summed; ReLU, a hidden layer, ReLU, scores.

    The operands have separate embeddings: with a shared one, a + b and b + a look alike and half
    of the held-out pairs of a commutative operation leak.
    """

    width: int

    def build(self, symbols: int, classes: int) -> nn.Module:
        return PairMLP(symbols, classes, self.width)


@dataclass(frozen=True)
class Quadratic:
    """One hidden layer of squares on two one-hot operands, no biases: V (W_a[a] + W_b[b])^2."""

    width: int

    def build(self, symbols: int, classes: int) -> nn.Module:
        return SquaresMLP(symbols, classes, self.width)


@dataclass(frozen=True)
class SmallTransformer:
    """A decoder that reads "a b =" and answers at the last position.

    `operator` puts a token for the operation between the operands: "a o b =". `plain` is without
    normalization and with ReLU, as Nanda et al. 2023 take it; otherwise pre-norm blocks with GELU.
    """

    width: int
    heads: int
    layers: int
    operator: bool = False
    plain: bool = False

    def build(self, symbols: int, classes: int) -> nn.Module:
        return PairTransformer(symbols, classes, self)


class PairMLP(nn.Module):
    """See `TwoEmbeddings`."""

    def __init__(self, symbols: int, classes: int, width: int) -> None:
        super().__init__()
        self.left = nn.Embedding(symbols, width)
        self.right = nn.Embedding(symbols, width)
        self.hidden = nn.Linear(width, width)
        self.relu = nn.ReLU()
        self.head = mark_head(nn.Linear(width, classes))

    def forward(self, pairs: Tensor) -> Tensor:
        summed = self.relu(self.left(pairs[:, 0]) + self.right(pairs[:, 1]))
        return self.head(self.relu(self.hidden(summed)))


class SquaresMLP(nn.Module):
    """See `Quadratic`. The operands enter one-hot, so that the first layer is a hidden matrix."""

    def __init__(self, symbols: int, classes: int, width: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.hidden = nn.Linear(2 * symbols, width, bias=False)
        self.head = mark_head(nn.Linear(width, classes, bias=False))

    def forward(self, pairs: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(pairs, self.symbols).flatten(1)
        return self.head(self.hidden(one_hot.to(self.hidden.weight.dtype)).square())


class PairTransformer(nn.Module):
    """See `SmallTransformer`. Both operands share one embedding; positions are learned."""

    def __init__(self, symbols: int, classes: int, shape: SmallTransformer) -> None:
        super().__init__()
        width = shape.width
        signs = (symbols, symbols + 1)[: 1 + shape.operator]
        self.register_buffer("signs", torch.tensor([signs]), persistent=False)
        self.tokens = nn.Embedding(symbols + len(signs), width)
        self.positions = nn.Embedding(2 + len(signs), width)
        self.blocks = nn.Sequential(*(Block(shape) for _ in range(shape.layers)))
        self.norm = nn.Identity() if shape.plain else nn.LayerNorm(width)
        self.head = mark_head(nn.Linear(width, classes, bias=False))
        if shape.plain:
            for p in self.parameters():
                if p.ndim == 2:
                    nn.init.normal_(p, std=width**-0.5)

    def forward(self, pairs: Tensor) -> Tensor:
        signs = self.signs.expand(len(pairs), -1)
        # the operator is between the operands, the equals sign at the end
        tokens = torch.cat((pairs[:, :1], signs[:, 1:], pairs[:, 1:], signs[:, :1]), 1)
        x = self.tokens(tokens) + self.positions.weight
        return self.head(self.norm(self.blocks(x)[:, -1]))


class Block(nn.Module):
    """Causal self-attention and a layer of four times the width, each added to its input."""

    def __init__(self, shape: SmallTransformer) -> None:
        super().__init__()
        width, biased = shape.width, not shape.plain
        self.heads = shape.heads
        self.attention_norm = nn.Identity() if shape.plain else nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=biased)
        self.mix = nn.Linear(width, width, bias=biased)
        self.mlp_norm = nn.Identity() if shape.plain else nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = nn.ReLU() if shape.plain else nn.GELU()
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        projected = self.queries_keys_values(self.attention_norm(x))
        heads = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = heads.unbind()
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(attended.transpose(1, 2).flatten(-2))
        return x + self.contract(self.activation(self.expand(self.mlp_norm(x))))
