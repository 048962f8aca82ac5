"""EGGROLL: the step is the sum over the members of the population."""

import pytest
import torch
from torch import nn

from suite.components import registry
from tests.objectives import EXAMPLES, make_info, make_objective, small_batch, small_model, snapshot

EGGROLL = registry.get("optimizer", "eggroll").build


@pytest.mark.parametrize("rank", [1, 3])
def test_the_step_is_the_sum_over_members(rank):
    lr, sigma, pairs = 0.2, 0.05, 6
    model, reference = small_model(), small_model()
    optimizer = EGGROLL(
        list(model.parameters()), lr=lr, sigma=sigma, info=make_info(), pairs=pairs, rank=rank
    )
    objective = make_objective(model)
    drawn = make_info().generator
    inputs, targets = small_batch()

    def normal(*shape):
        return torch.randn(*shape, generator=drawn, dtype=torch.float64)

    for step in range(3):
        returned = optimizer.step(objective)
        members = []
        for _ in range(pairs):
            noise = []
            for p in reference.parameters():
                if p.ndim == 2:
                    a, b = normal(p.shape[0], rank), normal(p.shape[1], rank)
                    noise.append(a @ b.T / rank**0.5)
                else:
                    noise.append(normal(*p.shape))
            members += [noise, [-e for e in noise]]
        weights, losses = snapshot(reference), []
        for member in members:
            for p, w, e in zip(reference.parameters(), weights, member, strict=True):
                p.data = w + sigma * e
            with torch.no_grad():
                losses.append(nn.functional.cross_entropy(reference(inputs), targets))
        losses = torch.stack(losses)
        fitness = (losses.mean() - losses) / losses.std(correction=0)
        for i, (p, w) in enumerate(zip(reference.parameters(), weights, strict=True)):
            total = sum(f * member[i] for f, member in zip(fitness, members, strict=True))
            p.data = w + lr * total / len(members)
        for p, q in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-6)
        torch.testing.assert_close(returned, losses.mean(), rtol=0, atol=1e-6)
        assert objective.spent == pytest.approx((step + 1) * 2 * pairs * EXAMPLES / 3)
