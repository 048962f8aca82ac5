"""One cycle at its corners, and where its values arrive."""

import pytest
import torch

from suite.components import registry
from suite.components.schedule import Schedules
from suite.errors import NotApplicable
from tests.objectives import small_model

one_cycle = registry.get("schedule", "one_cycle").build
LOW = 0.85 / 0.95


@pytest.mark.parametrize(
    ("progress", "rate", "momentum"),
    [
        (0.0, 0.04, 1.0),
        (0.2, 0.52, (1 + LOW) / 2),
        (0.4, 1.0, LOW),
        (0.6, 0.52, (1 + LOW) / 2),
        (0.8, 0.04, 1.0),
        (0.9, (0.04 * 0.001) ** 0.5, 1.0),
        (1.0, 0.001, 1.0),
    ],
)
def test_corners(progress, rate, momentum):
    found = one_cycle(progress, rise=0.4, final=0.001)
    assert found == pytest.approx({"lr": rate, "momentum": momentum}, abs=1e-12)


def test_momentum_and_betas_are_set():
    parameters = list(small_model().parameters())
    sgd = torch.optim.SGD(parameters, lr=0.1, momentum=0.95)
    adam = torch.optim.AdamW(parameters, lr=0.1, betas=(0.95, 0.99))
    for optimizer in (sgd, adam):
        schedules = Schedules([lambda p: one_cycle(p, rise=0.4, final=0.001)], optimizer)
        for progress, rate, momentum in ((0.4, 0.1, 0.85), (0.8, 0.004, 0.95), (1.0, 1e-4, 0.95)):
            schedules.apply(progress)
            group = optimizer.param_groups[0]
            assert group["lr"] == pytest.approx(rate, rel=1e-9)
            found = group["betas"][0] if "betas" in group else group["momentum"]
            assert found == pytest.approx(momentum, rel=1e-9)
    assert adam.param_groups[0]["betas"][1] == 0.99


def test_without_a_momentum_it_is_refused():
    optimizer = torch.optim.Adagrad(list(small_model().parameters()), lr=0.1)
    with pytest.raises(NotApplicable, match="momentum"):
        Schedules([lambda p: one_cycle(p, rise=0.4, final=0.001)], optimizer)
