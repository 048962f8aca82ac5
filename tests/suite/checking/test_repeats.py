from __future__ import annotations

import pytest
import torch

from tests.checked import Descent, from_file, verdict, verdicts

FILE = """
import os, random
import numpy as np
import torch
from suite import optimizer, search

COUNTS = {{"steps": 0}}

class Method(torch.optim.SGD):
    steps = 0
    def step(self, closure):
        {line}
        for group in self.param_groups:
            group["lr"] = factor
        return super().step(closure)

def total(values=[]):
    values.append(1)
    return len(values)

optimizer("under_test", Method, paper="none", url="https://example.org", summary="Leaks.",
          search={{"lr": search.log_uniform(1e-3, 1e-1, default=1e-2)}})
"""


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("Method.steps += 1; factor = 0.1 / Method.steps", "Method.steps"),
        ("COUNTS['steps'] += 1; factor = 0.1 / COUNTS['steps']", "COUNTS"),
        ("factor = 0.1 / total()", "total"),
        ("factor = 0.01 * os.urandom(1)[0]", ""),
        ("factor = 0.1 * float(np.random.default_rng().random())", ""),
    ],
)
def test_what_outlives_a_trial_is_found(tmp_path, line, named):
    tested = from_file(tmp_path, FILE.format(line=line))
    found = verdicts(tested, "second trial")["second trial"]
    assert found.failed
    assert "other bits from step 1 on" in found.seen
    assert f"{named} changed during a trial" in found.seen if named else "changed" not in found.seen


class SwitchesGradientsOff(Descent):
    def step(self, closure):
        loss = super().step(closure)
        torch.set_default_dtype(torch.float64)
        return loss


class Reseeds(Descent):
    def change(self, p, group):
        torch.manual_seed(0)
        p.sub_(p.grad + 0.01 * torch.randn_like(p), alpha=group["lr"])


class FollowsSeed(Descent):
    def __init__(self, params, lr, info):
        super().__init__(params, lr)
        self.generator = torch.Generator().manual_seed(
            int(torch.randint(2**30, (), generator=info.generator))
        )

    def change(self, p, group):
        noise = torch.randn(p.shape, generator=self.generator)
        p.sub_(p.grad + 0.01 * noise, alpha=group["lr"])


class OwnSeed(FollowsSeed):
    def __init__(self, params, lr, info):
        super().__init__(params, lr, info)
        self.generator = torch.Generator().manual_seed(3)


def test_settings_that_outlive_a_trial_are_found():
    try:
        found = verdict("second trial", SwitchesGradientsOff)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.failed
    assert "torch's default dtype" in found.seen


def test_a_global_generator_that_is_set_back_is_found():
    found = verdict("random numbers", Reseeds)
    assert found.failed
    assert "torch's global generator" in found.seen


def test_a_generator_with_a_seed_of_its_own_is_found():
    assert verdict("random numbers", FollowsSeed).outcome == "ok"
    found = verdict("random numbers", OwnSeed)
    assert found.failed
    assert "does not follow the trial's seed" in found.seen


def test_right_ones_repeat():
    assert verdict("second trial", Descent).outcome == "ok"
    assert verdict("second trial", FollowsSeed).outcome == "ok"
    assert verdict("random numbers", Descent).outcome == "ok"
