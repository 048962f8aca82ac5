from __future__ import annotations

import torch

from suite.checking.checks import INFORMATION
from tests.checked import Descent, component, verdict, verdicts


class LooksTwice(Descent):
    """Computes a second gradient through a layer of the model, past the objective."""

    def __init__(self, params, lr, model):
        super().__init__(params, lr)
        self.model = model

    def step(self, objective):
        loss = super().step(objective)
        with torch.enable_grad():
            for _ in range(3):
                outputs = self.model.outputs(objective.batch[0])
                torch.nn.functional.cross_entropy(outputs, objective.batch[1]).backward()
        return loss


def test_work_past_the_objective_is_a_problem_unless_it_is_declared():
    found = verdict("charges", LooksTwice)
    assert found.failed
    assert "times what it is charged for on a perceptron" in found.seen
    declared = verdict("charges", LooksTwice, extra_work="it looks twice")
    assert declared.outcome == "ok"
    assert "it looks twice" in declared.seen


def test_a_right_one_is_charged_for_all():
    assert verdict("charges", Descent).outcome == "ok"


def test_time_is_information():
    found = verdicts(component(Descent), *INFORMATION)
    assert [v.outcome for v in found.values()] == ["note"]
    assert "times that of torch's AdamW" in found["time of a step"].seen
