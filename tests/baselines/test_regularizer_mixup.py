"""Mixup: the loss of mixed inputs is that of mixed one-hot labels."""

import dataclasses

import pytest
import torch
from torch import nn

from suite import NotApplicable
from suite.components import registry
from tests.objectives import CLASSES, make_info, make_objective, small_batch, small_model

Mixup = registry.get("regularizer", "mixup").build


def test_the_loss_is_that_of_mixed_one_hot_labels():
    for seed in range(5):
        mixup, model = Mixup(alpha=1.0), small_model()
        mixup.attach(model, make_info(seed=seed))
        objective = make_objective(model, regularizers=[mixup])
        inputs, targets = small_batch()
        mixed, w = objective.batch[0], mixup._weight
        # The partner of each example, from the inputs alone.
        other = targets.clone()
        for i, row in enumerate(mixed):
            fits = [
                (float((row - (1 - w) * inputs[j] - w * inputs[i]).abs().max()), j)
                for j in range(len(inputs))
            ]
            error, j = min(fits)
            assert error < 1e-12
            other[i] = targets[j]
        hot = nn.functional.one_hot(targets, CLASSES).double()
        labels = w * hot
        labels += (1 - w) * nn.functional.one_hot(other, CLASSES).double()
        expected = -(labels * model(mixed).log_softmax(-1)).sum(-1).mean()
        torch.testing.assert_close(objective(), expected.detach(), rtol=0, atol=1e-12)


def test_weights_have_the_moments_of_the_beta_distribution():
    alpha = 0.4
    mixup = Mixup(alpha=alpha)
    mixup.attach(small_model(), make_info())
    inputs, targets = torch.zeros(2, 1), torch.zeros(2, dtype=torch.long)
    weights = []
    for _ in range(3000):
        mixup.batch(inputs, targets)
        weights.append(mixup._weight)
    found = torch.tensor(weights)
    assert float(found.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(found.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.01)


def test_tokens_and_whole_numbers_are_refused():
    mixup = Mixup(alpha=0.2)
    with pytest.raises(NotApplicable, match="tokens"):
        mixup.attach(small_model(), dataclasses.replace(make_info(), inputs="tokens"))
    mixup.attach(small_model(), make_info())
    with pytest.raises(NotApplicable, match="whole numbers"):
        mixup.batch(torch.zeros(2, 1, dtype=torch.long), torch.zeros(2))
