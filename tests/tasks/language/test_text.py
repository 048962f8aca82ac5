"""What the language tasks share: spikes, perplexity, and windows of long texts."""

from __future__ import annotations

import math
import random
import sys

import pytest
import torch
from torch import nn

from suite.components import registry

registry.load_all("task")
text = sys.modules["suite_tasks.language.text"]


def noisy(count):
    source = random.Random(0)
    return [2.0 + source.gauss(0, 0.1) for _ in range(count)]


def test_a_jump_is_one_spike_however_long_it_lasts():
    losses = noisy(400)
    assert text.count_spikes(losses) == 0
    losses[200] = 5.0
    losses[300:303] = [4.0, 6.0, 3.5]
    assert text.count_spikes(losses) == 2
    assert text.count_spikes(losses[:201]) == 1


def test_spikes_are_jumps_above_the_usual_spread_and_need_a_history():
    losses = noisy(400)
    losses[50] = 9.0  # within the first window
    losses[350] = 2.0 - 3.0  # downwards
    assert text.count_spikes(losses) == 0
    near, far = noisy(150), noisy(150)
    mean = sum(near[:100]) / 100
    deviation = math.sqrt(sum((x - mean) ** 2 for x in near[:100]) / 100)
    near[100], far[100] = mean + 6.9 * deviation, mean + 7.1 * deviation
    assert (text.count_spikes(near), text.count_spikes(far)) == (0, 1)


def test_a_constant_or_falling_loss_has_no_spikes():
    assert text.count_spikes([0.1] * 500) == 0
    assert text.count_spikes([5 * 0.99**i for i in range(500)]) == 0
    assert text.count_spikes([]) == 0


def test_windows_read_16_bits_without_a_sign_and_targets_follow_inputs():
    tokens = torch.tensor([0, 40_000, 65_535, 3, 4, 5]).to(torch.int16)
    inputs, targets = text.windows(tokens, torch.tensor([0, 2]), 3)
    assert inputs.tolist() == [[0, 40_000, 65_535], [65_535, 3, 4]]
    assert targets.tolist() == [[40_000, 65_535, 3], [3, 4, 5]]


def test_an_epoch_has_every_token_once_as_a_target_and_moves_on():
    tokens = torch.arange(1, 1002).to(torch.int16)
    batches = text.ShuffledWindows(
        text.Text(tokens), length=10, batch_size=4, generator=torch.Generator().manual_seed(0)
    )
    epochs = []
    for _ in range(3):
        found = torch.cat([next(batches)[1].flatten() for _ in range(99 // 4)])
        assert len(found.unique()) == len(found) == 99 // 4 * 40
        epochs.append(found)
    assert len({int(e[0] % 10) for e in epochs}) > 1, "windows begin elsewhere in each epoch"


def test_a_text_shorter_than_a_batch_is_one_batch():
    batches = text.ShuffledWindows(
        text.Text(torch.arange(11).to(torch.int16)), 10, 64, torch.Generator().manual_seed(0)
    )
    inputs, targets = next(batches)
    assert inputs.tolist() == [list(range(10))]
    assert targets.tolist() == [list(range(1, 11))]
    next(batches)


def test_loss_is_the_mean_over_all_tokens_and_perplexity_its_exponential():
    class Fixed(nn.Module):
        def forward(self, tokens):
            return torch.tensor([0.5, 0.25, 0.25]).log().expand(*tokens.shape, 3)

    first = torch.zeros(2, 4, dtype=torch.long)
    second = torch.tensor([[1, 0]])
    found = text.language_metrics(Fixed(), [(first, first), (second, second)])
    loss = (9 * math.log(2) + math.log(4)) / 10
    assert found["loss"] == pytest.approx(loss, rel=1e-6)
    assert found["perplexity"] == pytest.approx(math.exp(loss), rel=1e-6)
