"""A real objective on a fixed batch, in double precision, without a task around it."""

from itertools import repeat

import torch
from torch import nn

from suite.components.parameters import describe_parameters, mark_head
from suite.components.regularizer import TaskInfo
from suite.problems.metrics import unrestricted
from suite.training.batch_source import BatchSource
from suite.training.meter import Ledger, meter
from suite.training.objective import Objective

EXAMPLES, FEATURES, CLASSES = 12, 5, 3


def small_model(seed=0):
    torch.manual_seed(seed)
    layers = nn.Linear(FEATURES, 6), nn.Tanh(), mark_head(nn.Linear(6, CLASSES))
    model = nn.Sequential(*layers).double()
    describe_parameters(model)
    return model


def small_batch(seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(EXAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    targets = torch.randint(CLASSES, (EXAMPLES,), generator=generator)
    return inputs, targets


def make_objective(
    model,
    batch=None,
    regularizers=(),
    criterion=nn.functional.cross_entropy,
    budget=1e6,
    restrict=unrestricted,
):
    ledger = Ledger(budget)
    meter(model, ledger)
    source = BatchSource(repeat(batch or small_batch()), ledger)
    objective = Objective(model, criterion, source.key, ledger, regularizers, restrict=restrict)
    objective.next_batch()
    return objective


def make_info(steps=100, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return TaskInfo(batch_size=EXAMPLES, steps=steps, classes=CLASSES, generator=generator)


def snapshot(model):
    """Copies of the parameters, in order."""
    return [p.detach().clone() for p in model.parameters()]


def tangent_for(model, seed=3):
    """One random tensor a parameter."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in model.parameters()]


def gradients_of(model, batch=None):
    """Gradients of the mean cross entropy, computed without the objective."""
    inputs, targets = batch or small_batch()
    with torch.enable_grad():
        loss = nn.functional.cross_entropy(model(inputs), targets)
        return list(torch.autograd.grad(loss, list(model.parameters())))


def assert_close(model, expected, atol=1e-12):
    """Every parameter of the model is as expected."""
    for p, w in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(p.detach(), w, rtol=0, atol=atol)
