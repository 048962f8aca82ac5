"""PCGrad against algorithm 1, and where it changes nothing."""

import dataclasses

import pytest
import torch
from torch import nn

from suite import NotApplicable
from suite.components import registry
from tests.objectives import (
    CLASSES,
    gradients_of,
    make_info,
    make_objective,
    small_batch,
    small_model,
    tangent_for,
)

PCGrad = registry.get("regularizer", "pcgrad").build


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def built(model, batch=None, seed=0):
    pcgrad = PCGrad()
    pcgrad.attach(model, make_info(seed=seed))
    return make_objective(model, batch, regularizers=[pcgrad])


def of_classes(model, batch):
    """The part of each class in the batch's gradient."""
    inputs, targets = batch
    found = []
    for label in range(CLASSES):
        chosen = targets == label
        share = chosen.double().mean()
        found.append(share * flat(gradients_of(model, (inputs[chosen], targets[chosen]))))
    return found


def test_conflicting_components_are_removed_one_after_the_other():
    for seed in range(4):
        model = small_model(seed)
        objective = built(model, seed=seed)
        tasks = of_classes(model, small_batch())
        orders = torch.Generator().manual_seed(seed)
        total, conflicts = torch.zeros_like(tasks[0]), 0
        for i, gradient in enumerate(tasks):
            g = gradient.clone()
            for j in torch.randperm(CLASSES, generator=orders).tolist():
                if j != i and g @ tasks[j] < 0:
                    conflicts += 1
                    g = g - (g @ tasks[j]) / (tasks[j] @ tasks[j]) * tasks[j]
            total += g
        loss = objective()
        assert conflicts
        torch.testing.assert_close(
            flat([p.grad for p in model.parameters()]), total, rtol=0, atol=1e-12
        )
        expected = nn.functional.cross_entropy(model(small_batch()[0]), small_batch()[1])
        torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-12)


def test_without_a_conflict_it_is_the_gradient_of_the_batch(monkeypatch):
    model = small_model()
    objective = built(model)
    same = tangent_for(model)
    groups = {label: [(label + 1) * t for t in same] for label in range(CLASSES)}
    monkeypatch.setattr(objective, "per_group_gradients", lambda: groups)
    objective.last_loss = torch.tensor(0.0)
    objective()
    targets = small_batch()[1]
    mean = sum((targets == label).double().mean() * (label + 1) for label in range(CLASSES))
    for p, t in zip(model.parameters(), same, strict=True):
        torch.testing.assert_close(p.grad, mean * t, rtol=0, atol=1e-12)


def test_a_batch_of_one_class_is_as_without_it():
    model, batch = small_model(), (small_batch()[0], torch.ones(12, dtype=torch.long))
    built(model, batch)()
    found = flat([p.grad for p in model.parameters()])
    torch.testing.assert_close(found, flat(gradients_of(model, batch)), rtol=0, atol=1e-14)


def test_refusals():
    with pytest.raises(NotApplicable, match="classes"):
        PCGrad().attach(small_model(), dataclasses.replace(make_info(), classes=None))
    inputs, targets = small_batch()
    with pytest.raises(NotApplicable, match="one for each example"):
        built(small_model(), (inputs, targets[:, None]))()
