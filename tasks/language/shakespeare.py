"""Tiny Shakespeare, character by character: the smallest real text that people pretrain on.

Karpathy 2022, nanoGPT (`config/train_shakespeare_char.py`): 6 layers of width 384, context 256,
5,000 steps of 64 sequences, about 82 epochs. Kept: size, context, batch and budget, and with them
the overfitting in the second half of training. Left out: dropout, which is for regularizers to add;
nanoGPT's choice of the best checkpoint by the split it reports; windows drawn with replacement
(here every character is a target once an epoch); and its learned positions (see `decoder.py`).

The first 90 % of the text are for training, as in nanoGPT; of its validation text, the first half
is for tuning and the second half for the test.
"""

from __future__ import annotations

from pathlib import Path

import torch

from suite import Data, score, task
from suite.data import load_text

from .decoder import Shape
from .text import NextTextToken, Text

#: different characters of the text
CHARACTERS = 65


class Shakespeare(NextTextToken):
    """Predict the next character; characters are numbered in the order of their code points."""

    dataset = "shakespeare"

    def __init__(self, shape: Shape, evaluated: int) -> None:
        super().__init__(shape)
        #: how many characters of each held-out part are measured on, from its beginning
        self.evaluated = evaluated

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        found = load_text("shakespeare", folder)
        numbers = {character: i for i, character in enumerate(sorted(set(found.text)))}
        if len(numbers) > self.shape.vocabulary:
            raise ValueError(
                f"{found.source}: {len(numbers)} different characters, more than the network's "
                f"{self.shape.vocabulary}"
            )
        tokens = torch.tensor([numbers[character] for character in found.text], dtype=torch.int16)
        parts = tokens.tensor_split((len(tokens) * 9 // 10, len(tokens) * 19 // 20))
        train, validation, test = parts
        held_out = (Text(part[: self.evaluated].clone()) for part in (validation, test))
        return Data(
            Text(train.clone()), *held_out, found.fingerprint, found.canonical, found.source
        )


SOURCE = "Karpathy 2022, nanoGPT, config/train_shakespeare_char.py"

task(
    "lm_shakespeare",
    Shakespeare(
        Shape(vocabulary=CHARACTERS, length=256, width=384, heads=6, layers=6), evaluated=60_000
    ),
    version=2,
    track="full",
    summary="nanoGPT's Shakespeare, 10.7 M weights, 82 M characters; nats a character.",
    source=f"{SOURCE}, without dropout",
    batch_size=64,
    budget=64 * 5000,
    evaluations=40,
    score=score.final("loss", higher_is_better=False, worst=12.0),
    target=1.55,
    time_limit=7200.0,
)

task(
    "lm_shakespeare_mini",
    Shakespeare(
        Shape(vocabulary=CHARACTERS, length=64, width=96, heads=3, layers=3), evaluated=16_384
    ),
    version=2,
    track="full",  # small, but the mini track needs no download
    contrast=("adamw", "sgd"),
    summary="A small decoder reads Shakespeare for a minute of one core; nats a character.",
    source=f"{SOURCE}, scaled down",
    batch_size=32,
    budget=32 * 1000,
    evaluations=20,
    score=score.final("loss", higher_is_better=False, worst=12.0),
    target=1.68,
)
