"""Language models from scratch on text of the web, and on stories that small models can tell.

The decoder is that of `decoder.py` with what modded-nanogpt (Jordan et al. 2024) made usual: rotary
positions, normalized queries and keys, ReLU^2, GPT-2's tokens. The 124 million weights are GPT-2
small's shape (Radford et al. 2019). Budgets are 20 tokens per weight (Hoffmann et al. 2022): 0.6
and 2.5 billion. A batch has 32 sequences of 1,024 tokens, not the half million tokens of those
runs: one pass has to fit a GPU of 40 GB.

The held-out data are the corpus's first tokens, a million each for tuning and test (modded-nanogpt,
too, validates on FineWeb's first ones); they may end within a document.

Corpora: Penedo et al. 2024, "The FineWeb Datasets"; Eldan and Li 2023, "TinyStories". No
fingerprint of their tokens is pinned yet, so that results on them are marked as not canonical. The
targets are estimates: no trial of these tasks has been run in full.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from suite import Data, score, task
from suite.data import GPT2_TOKENS, load_tokens

from .decoder import Shape
from .text import NextTextToken, Text

#: GPT-2's tokens, up to a multiple of 64 as in nanoGPT: GPUs multiply such matrices faster
VOCABULARY = 64 * math.ceil(GPT2_TOKENS / 64)
CONTEXT = 1024
BATCH = 32


def shape_of(width: int, heads: int, layers: int) -> Shape:
    """A decoder over GPT-2's tokens with a context of 1,024."""
    return Shape(
        vocabulary=VOCABULARY,
        length=CONTEXT,
        width=width,
        heads=heads,
        layers=layers,
        activation="relu_squared",
        qk_norm=True,
        tied=True,
    )


SMALL = shape_of(width=384, heads=6, layers=6)
GPT2_SMALL = shape_of(width=768, heads=12, layers=12)


class Pretraining(NextTextToken):
    """Predict the next token of a corpus of the catalog.

    The head is the embeddings, of which each is nearest to itself, so that a new network predicts
    that every token repeats: 124 million weights begin at 15 nats; a uniform prediction has 10.8.
    A few steps correct that. Scores near zero at the start, by a small gain of the last norm as in
    T5, were tried on 30 million weights: worse for the first 64 steps, so not used.

    The corpus's first `held_out` tokens are for tuning, the next `held_out` for the test; all
    others, or the first `train` of them, are for training.
    """

    def __init__(
        self, shape: Shape, dataset: str, held_out: int = 2**20, train: int | None = None
    ) -> None:
        super().__init__(shape)
        self.dataset = dataset
        self.held_out = held_out
        self.train = train

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        found, size = load_tokens(self.dataset, folder), self.held_out
        stop = found.count if self.train is None else 2 * size + self.train
        parts = ((2 * size, stop), (0, size), (size, 2 * size))
        train, validation, test = (Text(found.part(*part)) for part in parts)
        return Data(*(train, validation, test), found.fingerprint, found.canonical, found.source)


def pretraining(tokens: int) -> dict[str, Any]:
    """What the tasks here have in common; the budget is in tokens."""
    return {
        "version": 2,
        "track": "full",
        "batch_size": BATCH,
        "budget": BATCH * round(tokens / (BATCH * CONTEXT)),
        "evaluations": 40,
        "score": score.final("loss", higher_is_better=False, worst=40.0),
        "time_limit": 24 * 3600.0,
    }


task(
    "lm_tinystories",
    Pretraining(SMALL, "tinystories"),
    summary="Simple stories, 30 M weights, 0.6 billion tokens; nats a token.",
    source="Eldan and Li 2023, TinyStories; 20 tokens a weight (Hoffmann et al. 2022)",
    target=1.4,
    **pretraining(600_000_000),
)
task(
    "lm_fineweb_30m",
    Pretraining(SMALL, "fineweb"),
    summary="Text of the web, 30 M weights, 0.6 billion tokens; nats a token.",
    source="Penedo et al. 2024, FineWeb; 20 tokens a weight (Hoffmann et al. 2022)",
    target=4.1,
    **pretraining(600_000_000),
)
task(
    "lm_fineweb_124m",
    Pretraining(GPT2_SMALL, "fineweb"),
    summary="Text of the web, GPT-2 small's shape, 2.5 billion tokens; nats a token.",
    source="modded-nanogpt (Jordan et al. 2024); 20 tokens a weight (Hoffmann et al. 2022)",
    target=3.4,
    **pretraining(2_500_000_000),
)
