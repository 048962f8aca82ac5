"""AdAdaGrad: the norm test on gradients computed by hand, and AdaGrad's step."""

import itertools
import math

import pytest
import torch
from torch import nn

from suite import NotApplicable, TaskInfo
from suite.components import registry
from suite.training.batch_source import BatchSource
from suite.training.meter import Ledger, meter
from suite.training.objective import Objective
from tests.objectives import EXAMPLES, gradients_of, small_batch, small_model, snapshot

component = registry.get("optimizer", "adadagrad")
(NormTest,) = component.regularizers


def built(eta, largest, model):
    test = NormTest(eta=eta, largest=largest)
    ledger = Ledger(1e6)
    meter(model, ledger)
    source = BatchSource((small_batch(seed) for seed in itertools.count()), ledger)
    objective = Objective(model, nn.functional.cross_entropy, source.key, ledger, [test])
    return test, objective


@pytest.mark.parametrize(("eta", "largest"), [(0.6, 16), (0.3, 5), (50.0, 16)])
def test_batches_grow_by_the_norm_test_and_steps_are_adagrads(eta, largest):
    lr, model, reference = 0.05, small_model(), small_model()
    test, objective = built(eta, largest, model)
    optimizer = component.build(list(model.parameters()), lr=lr)
    sums = [torch.zeros_like(w) for w in snapshot(reference)]
    drawn, batches, sizes = 0, 1, []
    for _ in range(5):
        objective.next_batch()
        optimizer.step(objective)
        data = [small_batch(drawn + i) for i in range(batches)]
        drawn += batches
        sizes.append(batches)
        rows = []
        for inputs, targets in data:
            for i in range(EXAMPLES):
                one = gradients_of(reference, (inputs[i : i + 1], targets[i : i + 1]))
                rows.append(torch.cat([g.flatten() for g in one]))
        each = torch.stack(rows)
        mean = each.mean(0)
        needed = float(each.var(0).sum() / (eta**2 * mean.square().sum()))
        batches = min(max(batches, math.ceil(needed / EXAMPLES)), largest)
        parts = mean.split([p.numel() for p in reference.parameters()])
        for i, (p, part) in enumerate(zip(reference.parameters(), parts, strict=True)):
            g = part.view(p.shape)
            sums[i] = sums[i] + g**2
            p.data = p.detach() - lr * g / (sums[i].sqrt() + 1e-10)
        for p, q in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-10)
    assert objective.spent == sum(sizes) * EXAMPLES
    assert sizes == sorted(sizes)
    assert (sizes[-1] > 1) == (eta < 1)
    assert test._batches == batches


def test_a_batch_of_one_is_refused():
    info = TaskInfo(batch_size=1, steps=10, classes=3, generator=torch.Generator())
    with pytest.raises(NotApplicable, match="variance"):
        NormTest(eta=1.0).attach(small_model(), info)
