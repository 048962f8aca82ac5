"""A generated language of known entropy: the distance to the best possible predictor is exact."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import (
    Data,
    Problem,
    Shuffled,
    Split,
    constant_generator,
    draw_apart,
    fingerprint_of,
    mark_head,
    score,
    task,
)


@functools.cache
def transitions(symbols: int, concentration: float) -> Tensor:
    """The language: P(next symbol | the two before it), shape (symbols, symbols, symbols).

    Every row is one draw from a symmetric Dirichlet distribution. Python's own generator is used,
    whose draws do not change between versions: the language is part of the task's definition.
    """
    source = random.Random("suite/lm_markov")
    draws = [source.gammavariate(concentration, 1.0) for _ in range(symbols**3)]
    table = torch.tensor(draws, dtype=torch.float64).view(symbols, symbols, symbols)
    table = table + 1e-6  # no symbol is impossible: the logarithm stays finite
    return (table / table.sum(-1, keepdim=True)).float()


def entropy_rate(table: Tensor) -> float:
    """Nats per symbol of the endless language: entropies of the rows by how often they occur."""
    symbols = len(table)
    exact = table.double()
    pairs = torch.full((symbols, symbols), symbols**-2, dtype=torch.float64)
    for _ in range(200):  # the share of every pair of neighbours, carried on until it stays
        pairs = torch.einsum("ab,abc->bc", pairs, exact)
    return float(-(pairs.unsqueeze(-1) * exact * exact.log()).sum())


def sample(table: Tensor, sequences: int, length: int, generator: torch.Generator) -> Tensor:
    """Sequences of symbols, shape (sequences, length), that begin with two uniform ones."""
    symbols = len(table)
    text = torch.randint(symbols, (sequences, length), generator=generator)
    cumulative = table.cumsum(-1)
    for i in range(2, length):
        dice = torch.rand(sequences, 1, generator=generator)
        rows = cumulative[text[:, i - 2], text[:, i - 1]]
        text[:, i] = (rows < dice).sum(-1).clamp(max=symbols - 1)
    return text


def expected_losses(outputs: Tensor, inputs: Tensor, table: Tensor) -> tuple[float, float]:
    """Summed over positions: a prediction's expected cross-entropy, and its excess, in nats.

    `outputs` (N, T, symbols) are scores for the symbol that follows each pair of neighbours in
    `inputs` (N, T + 1). The expectation is over that symbol under the language itself, not under
    the one symbol that was drawn. The excess is what the best predictor would save: the
    cross-entropy minus the entropy of the true distribution, their Kullback-Leibler divergence.
    It is 0 for the true distribution and positive for any other.
    """
    truth = table[inputs[:, :-1], inputs[:, 1:]]
    cross_entropy = -(truth * outputs.log_softmax(-1)).sum()
    entropy = -(truth * truth.log()).sum()
    return float(cross_entropy), float(cross_entropy - entropy)


def token_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over all positions: scores (N, T, symbols) against symbols (N, T)."""
    return nn.functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


class Block(nn.Module):
    """Pre-norm causal self-attention and a GELU layer, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()  # a module, so that regularizers of activations can find it
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        projected = self.queries_keys_values(self.attention_norm(x))
        heads = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = heads.unbind()
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(attended.transpose(1, 2).flatten(-2))
        return x + self.contract(self.activation(self.expand(self.mlp_norm(x))))


class Transformer(nn.Module):
    """Symbols (N, T + 1) to scores (N, T, symbols) of the next one, at all positions but the first.

    The first position has seen only one of the two symbols that its successor depends on.
    """

    def __init__(self, symbols: int, length: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(symbols, width)
        self.positions = nn.Embedding(length + 1, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = mark_head(nn.Linear(width, symbols, bias=False))
        for embedding in (self.symbols, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, text: Tensor) -> Tensor:
        x = self.symbols(text) + self.positions.weight[: text.shape[1]]
        return self.head(self.norm(self.blocks(x)[:, 1:]))


class MarkovLanguage(Problem):
    """Predict a second-order Markov chain: one example is a sequence with `length` predictions."""

    criterion = staticmethod(token_cross_entropy)

    def __init__(
        self,
        *,
        symbols: int,
        concentration: float,
        length: int,
        train: int,
        held_out: int,
        width: int,
        heads: int,
        layers: int,
    ) -> None:
        self.symbols = symbols
        self.concentration = concentration
        self.length = length
        self.train = train
        self.held_out = held_out
        self.width = width
        self.heads = heads
        self.layers = layers
        self.classes = symbols

    @property
    def table(self) -> Tensor:
        """The language, see `transitions`."""
        return transitions(self.symbols, self.concentration)

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        def draw(count: int, source: torch.Generator = generator) -> Split:
            text = sample(self.table, count, self.length + 2, source)
            return Split(text[:, :-1].contiguous(), text[:, 2:].contiguous())

        rounded = (self.table.double() * 1e4).round().int().tolist()
        digest = fingerprint_of(repr(rounded))
        # Where rows of the table hardly branch the same sequence may be drawn twice.
        test = draw(self.held_out, constant_generator(digest))
        train, validation = (draw_apart(draw, n, test) for n in (self.train, self.held_out))
        return Data(train, validation, test, digest)

    def model(self) -> nn.Module:
        return Transformer(self.symbols, self.length, self.width, self.heads, self.layers)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """`loss` and `excess_loss`, in nats per symbol, as `expected_losses` defines them."""
        table = self.table.to(split.inputs.device)
        loss = excess = 0.0
        for inputs in split.inputs.split(512):
            batch_loss, batch_excess = expected_losses(model(inputs), inputs, table)
            loss, excess = loss + batch_loss, excess + batch_excess
        positions = split.targets.numel()
        return {"loss": loss / positions, "excess_loss": excess / positions}


language = MarkovLanguage(
    symbols=12,
    concentration=0.3,
    length=16,
    train=8192,
    held_out=256,
    width=32,
    heads=2,
    layers=1,
)

task(
    "lm_markov",
    language,
    version=2,
    track="mini",
    contrast=("schedule_free", "adamw"),
    summary="A small transformer learns a generated language; nats a symbol above its entropy.",
    source="second-order Markov chain with Dirichlet rows, made for this suite",
    batch_size=64,
    budget=64 * 400,
    evaluations=20,
    score=score.final("excess_loss", higher_is_better=False, worst=3.0),
    target=0.15,
)
