"""One component through all checks, and what is said where something is raised."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from suite.checking.checks import CHECKS, INFORMATION, check_component
from suite.checking.verdict import Verdict
from suite.components import registry
from tests.checked import LR, Descent, component, verdicts


class Other(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class RaisesLate(Descent):
    """Only where no gradient is there."""

    def change(self, p, group):
        if p.ndim == 4:
            raise Other
        super().change(p, group)


def test_every_check_answers_once_and_hyperparameters_each():
    found = list(check_component(component(torch.optim.SGD, space=LR)))
    titles = [verdict.check for verdict in found]
    assert len(set(titles)) == len(titles)
    expected = [check.title for check in CHECKS]
    expected[expected.index("hyperparameters")] = "hyperparameter lr"
    index = expected.index("rates")
    expected[index : index + 1] = ["lr at each step", "weight_decay at each step"]
    assert titles == expected
    assert [v for v in found if v.failed] == []
    assert set(INFORMATION) <= set(titles)


def test_verdicts_come_as_they_are_known():
    found = check_component(component(Descent))
    assert next(found).check == "declaration"
    assert isinstance(next(found), Verdict)
    found.close()
    assert ("optimizer", "under_test") not in registry._registry.found


def test_an_error_without_a_text_is_told_all_the_same():
    found = verdicts(component(RaisesLate), "runs", "shapes")
    assert "its text cannot be shown" in found["runs"].seen
    assert "`raise Other`" in found["shapes"].seen


def test_random_streams_of_the_process_go_on():
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    list(check_component(component(Descent), titles=("runs", "random numbers")))
    assert (torch.rand(1), random.random(), np.random.rand()) == expected


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.title)
def test_every_cure_is_one_sentence(check):
    assert check.cure.endswith(".")
    assert "\n" not in check.cure
