"""BEMA against its recursion, written out for numbers."""

import torch

from suite.components import registry
from tests.objectives import snapshot
from tests.suite.training.test_steps import make_steps, sgd


def test_average_and_correction():
    kappa, eta, rho = 0.6, 0.3, 10.0
    bema = registry.get("regularizer", "bema").build(ema_power=kappa, bias_power=eta)
    steps, model, *_ = make_steps(sgd, bema)
    first = snapshot(model)
    mean = [w.clone() for w in first]
    steps.start()
    for t in range(1, 9):
        steps.take(0.0)
        steps.take_average()
        beta, alpha = (rho + t) ** -kappa, (rho + t) ** -eta
        for i, (w, average) in enumerate(zip(snapshot(model), steps.average.values(), strict=True)):
            mean[i] = (1 - beta) * mean[i] + beta * w
            expected = mean[i] + alpha * (w - first[i])
            torch.testing.assert_close(average, expected, rtol=0, atol=1e-12)


def test_the_average_of_weights_that_stay_is_the_weights():
    bema = registry.get("regularizer", "bema").build(ema_power=0.5, bias_power=0.2)
    steps, model, *_ = make_steps(lambda p: torch.optim.SGD(p, lr=0.0), bema)
    steps.start()
    for _ in range(4):
        steps.take(0.0)
        steps.take_average()
    for name, p in model.named_parameters():
        torch.testing.assert_close(steps.average[name], p.detach(), rtol=0, atol=1e-15)
