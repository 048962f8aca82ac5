"""Few tokens, many epochs: pretraining with much compute and little text.

Kim et al. 2025, "Pre-training under infinite compute": on a fixed set of 200 million tokens more
epochs end in overfitting, unless weight decay is about 30 times the usual; before them
Muennighoff et al. 2023, "Scaling Data-Constrained Language Models": up to 4 epochs are nearly as
good as new text. Kept: the fixed set, many epochs, and the held-out loss at the end and not at its
best, so that overfitting counts. (The papers train models of other sizes, up to 1.4 and 8.7 billion
weights, and fit their asymptotes.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from suite import Split, score, task

from .markov import MarkovLanguage
from .pretraining import GPT2_SMALL, Pretraining, pretraining
from .text import count_spikes


class RepeatedLanguage(MarkovLanguage):
    """lm_markov's language and network, with so few sequences that they are memorized.

    Like the other language tasks, also reports perplexity, tokens and spikes.
    """

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        metrics = super().evaluate(model, split)
        return {**metrics, "perplexity": math.exp(min(metrics["loss"], 20.0))}

    def training_metrics(self, losses: Sequence[float], examples: float) -> dict[str, float]:
        return {"tokens": examples * self.length, "spikes": float(count_spikes(losses))}


few_sequences = RepeatedLanguage(
    symbols=12,
    concentration=0.3,
    length=16,
    train=512,
    held_out=128,
    width=32,
    heads=2,
    layers=1,
)

task(
    "lm_data_constrained_mini",
    few_sequences,
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="8,192 tokens of a generated language, 37 epochs; nats a symbol above its entropy.",
    source="Kim et al. 2025 on the language of lm_markov",
    batch_size=32,
    budget=32 * 600,
    evaluations=16,
    score=score.final("excess_loss", higher_is_better=False, worst=3.0),
    target=0.35,
)

EPOCHS = 16
TOKENS = 200_000_000

task(
    "lm_data_constrained",
    Pretraining(GPT2_SMALL, "fineweb", train=TOKENS),
    summary="200 million tokens of the web, 16 epochs, GPT-2 small's shape; nats a token.",
    source="Kim et al. 2025, 200 million tokens of FineWeb instead of DCLM",
    target=3.7,
    **pretraining(EPOCHS * TOKENS),
)
