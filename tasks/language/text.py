"""Shared by language tasks: the next token's loss, perplexity, tokens and spikes; long texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from suite import Problem, Split

from .decoder import Decoder, Shape, compile_blocks

#: a loss is a spike if it is this number of standard deviations above the mean of this number of
#: steps
SPIKE_DEVIATIONS = 7.0
SPIKE_WINDOW = 100


def next_token_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over all positions, in nats: scores (N, T, vocabulary) against tokens (N, T)."""
    return nn.functional.cross_entropy(outputs.flatten(0, -2).float(), targets.flatten())


def count_spikes(losses: Sequence[float]) -> int:
    """How many times the training loss jumps.

    A step is in a spike if its loss exceeds the mean of the last `SPIKE_WINDOW` steps that were in
    none by more than `SPIKE_DEVIATIONS` of their standard deviations; steps in a row are one spike.
    So the first `SPIKE_WINDOW` steps have none. (OLMo 2 reports the share of steps that are
    seven deviations away from the mean of the last 1,000, spikes included; the window is shorter
    here so that short trials can have spikes.)
    """
    window: list[float] = list(losses[:SPIKE_WINDOW])
    total, squares = sum(window), sum(x * x for x in window)
    spikes, inside = 0, False
    for loss in losses[SPIKE_WINDOW:]:
        mean = total / SPIKE_WINDOW
        # The floor keeps rounding out where a loss stays the same.
        deviation = math.sqrt(max(1e-12, squares / SPIKE_WINDOW - mean**2))
        above = loss > mean + SPIKE_DEVIATIONS * deviation
        spikes += above and not inside
        inside = above
        if not above:
            window.append(loss)
            oldest = window[-SPIKE_WINDOW - 1]
            total += loss - oldest
            squares += loss * loss - oldest * oldest
    return spikes


class NextToken(Problem):
    """Predict the next token with a decoder; an example is a sequence of `shape.length` tokens.

    Reports loss (nats per token), perplexity (its exponential), tokens (trained on, as the budget
    counts them) and spikes (`count_spikes`).
    """

    criterion = staticmethod(next_token_loss)

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.classes = shape.vocabulary

    def model(self) -> nn.Module:
        return Decoder(self.shape)

    def accelerate(self, model: nn.Module, device: str) -> None:
        if device == "cuda":
            compile_blocks(model)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        chunks = zip(split.inputs.split(64), split.targets.split(64), strict=True)
        return language_metrics(model, chunks)

    def training_metrics(self, losses: Sequence[float], examples: float) -> dict[str, float]:
        return {"tokens": examples * self.shape.length, "spikes": float(count_spikes(losses))}


def language_metrics(model: nn.Module, chunks: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Loss in nats per token over pairs of inputs and targets (N, T), and perplexity."""
    loss, count = 0.0, 0
    for inputs, targets in chunks:
        loss += float(next_token_loss(model(inputs), targets)) * targets.numel()
        count += targets.numel()
    # Beyond e^20 a perplexity means only that nothing was learned.
    return {"loss": loss / count, "perplexity": math.exp(min(loss / count, 20.0))}


class Text(Split):
    """Tokens in a row, shape (tokens,): 16 bits each, read without a sign.

    Any window of `length + 1` of them is an example. (torch indexes int16 on every device, uint16
    on few.)
    """

    def __init__(self, tokens: Tensor) -> None:
        super().__init__(tokens, tokens)

    def to(self, device: str | torch.device) -> Text:
        return Text(self.inputs.to(device))


def windows(tokens: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets (N, length): the windows of a text that begin at `starts` (N,)."""
    at = starts.unsqueeze(1) + torch.arange(length + 1, device=starts.device)
    found = tokens[at].long() & 0xFFFF
    return found[:, :-1], found[:, 1:]


class ShuffledWindows:
    """Endless batches of windows; in an epoch every token is a target once, in a new order.

    Windows are adjacent, and each epoch moves all of them by a random distance, so that the
    same tokens occur in new contexts. The rest at the text's two ends, and the last partial
    batch, are dropped.
    """

    def __init__(
        self, text: Split, length: int, batch_size: int, generator: torch.Generator
    ) -> None:
        self._tokens = text.inputs
        self._length = length
        self._size = batch_size
        self._generator = generator
        self._batches: Iterator[Tensor] = iter(())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        starts = next(self._batches, None)
        if starts is None:
            self._batches = iter(self._epoch())
            starts = next(self._batches)
        return windows(self._tokens, starts, self._length)

    def _epoch(self) -> tuple[Tensor, ...]:
        room = len(self._tokens) - 1
        most = min(self._length, room - self._length + 1)
        first = int(torch.randint(most, (1,), generator=self._generator))
        count = (room - first) // self._length
        starts = torch.randperm(count, generator=self._generator) * self._length + first
        size = min(self._size, count)
        return starts[: count // size * size].to(self._tokens.device).split(size)


class NextTextToken(NextToken):
    """`NextToken` on texts: windows are drawn from `Text` splits."""

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return ShuffledWindows(train, self.shape.length, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        length, tokens = self.shape.length, split.inputs
        starts = torch.arange(0, len(tokens) - length, length, device=tokens.device)
        # 16 windows of 1,024 tokens and GPT-2's vocabulary are 3 GB of scores
        chunks = starts.split(max(1, 2**14 // length))
        return language_metrics(model, (windows(tokens, chunk, length) for chunk in chunks))
