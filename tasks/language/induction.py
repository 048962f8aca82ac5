"""Induction heads: sequences whose rule has to be found in the sequence itself.

Every sequence is a Markov chain with different transition probabilities, so that nothing can be
learned about the next symbol except how to read it from what followed the current one before. Two
layers of attention solve it with an induction head: the first looks one symbol back, the second
for earlier places after the same symbol. Training stays on a plateau where only the symbols'
frequencies in the sequence are used, and leaves it at once when the head forms.

Edelman et al. 2024, "The Evolution of Statistical Induction Heads: In-Context Learning Markov
Chains"; the same task is the chain-shaped case of Nichani et al. 2024, "How Transformers Learn
Causal Structure with Gradient Descent".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import (
    Data,
    Shuffled,
    Split,
    constant_generator,
    draw_apart,
    fingerprint_of,
    score,
    task,
)

from .decoder import Shape
from .text import NextToken


def draw_chains(sequences: int, symbols: int, length: int, generator: torch.Generator) -> Tensor:
    """Sequences (sequences, length), each of a different chain, with a uniform first symbol.

    The rows of a chain's transition table are draws from Dirichlet(1/2, ..., 1/2): normalized
    squares of normal numbers.
    """
    table = torch.randn(sequences, symbols, symbols, generator=generator).square()
    cumulative = (table / table.sum(-1, keepdim=True)).cumsum(-1)
    text = torch.randint(symbols, (sequences, length), generator=generator)
    every = torch.arange(sequences)
    for i in range(1, length):
        dice = torch.rand(sequences, 1, generator=generator)
        text[:, i] = (cumulative[every, text[:, i - 1]] < dice).sum(-1).clamp(max=symbols - 1)
    return text


def best_prediction(text: Tensor, symbols: int) -> Tensor:
    """P(next symbol | all up to each position), shape (N, T, symbols), given texts (N, T).

    The exact posterior mean of the sequence's unknown table: (pairs counted + 1/2) / (times seen
    before + symbols / 2), the estimator of Krichevsky and Trofimov 1981.
    """
    one_hot = nn.functional.one_hot(text, symbols).float()
    # pairs[n, t, a, b]: how often b followed a up to position t
    pairs = torch.einsum("nta,ntb->ntab", one_hot[:, :-1], one_hot[:, 1:]).cumsum(1)
    pairs = nn.functional.pad(pairs, (0, 0, 0, 0, 1, 0))
    every = torch.arange(len(text)).unsqueeze(1).to(text.device)
    at = torch.arange(text.shape[1]).to(text.device)
    counts = pairs[every, at, text] + 0.5
    return counts / counts.sum(-1, keepdim=True)


class Induction(NextToken):
    """Predict chains that are new in every sequence; `train` sequences are drawn."""

    def __init__(self, shape: Shape, train: int, held_out: int) -> None:
        super().__init__(shape)
        self.train = train
        self.held_out = held_out

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        symbols, length = self.shape.vocabulary, self.shape.length

        def draw(count: int, source: torch.Generator = generator) -> Split:
            text = draw_chains(count, symbols, length + 1, source)
            return Split(text[:, :-1].contiguous(), text[:, 1:].contiguous())

        rule = f"Markov chains, {symbols} symbols, rows from Dirichlet(1/2), one a sequence"
        digest = fingerprint_of(rule)
        # Chains that hardly branch are alike: the same sequence may be drawn twice.
        test = draw(self.held_out, constant_generator(digest))
        train, validation = (draw_apart(draw, n, test) for n in (self.train, self.held_out))
        return Data(train, validation, test, digest)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """Expected loss, perplexity, and excess over the best predictor, in nats per symbol.

        The expectation is over the next symbol given the sequence so far. `excess_loss` is the
        Kullback-Leibler divergence from `best_prediction`, 0 for that one and positive for others.
        """
        truth = best_prediction(split.inputs, self.shape.vocabulary)
        loss = float(-(truth * model(split.inputs).float().log_softmax(-1)).sum(-1).mean())
        floor = float(-(truth * truth.log()).sum(-1).mean())
        return {"loss": loss, "perplexity": math.exp(loss), "excess_loss": loss - floor}


task(
    "lm_induction",
    Induction(
        Shape(vocabulary=4, length=24, width=32, heads=1, layers=2, expansion=0),
        train=32 * 400,
        held_out=128,
    ),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="A two-layer decoder learns to read each sequence's own rule; nats above the best.",
    source="Edelman et al. 2024 and Nichani et al. 2024; fewer symbols and shorter sequences",
    batch_size=32,
    budget=32 * 400,
    evaluations=16,
    # The mean over the run: methods differ in how long they stay on the plateau.
    score=score.mean("excess_loss", higher_is_better=False, worst=1.5),
    target=0.065,
)
