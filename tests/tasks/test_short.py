"""The short versions keep what their originals are about."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.results.model import Run
from suite.training.loop import run_trial
from suite.training.trial import Trial

#: by name, what it is a short version of
ORIGINALS = {
    "modular_addition_short": "modular_addition_quadratic",
    "pvr_boolean_short": "pvr_boolean",
    "permuted_digits_short": "permuted_digits",
    "lm_markov_short": "lm_markov",
    "lm_induction_short": "lm_induction",
    "lm_data_constrained_short": "lm_data_constrained_mini",
    "xor_cluster_short": "xor_cluster",
    "hierarchical_polynomial_short": "hierarchical_polynomial",
    "noisy_labels_short": "noisy_labels_mini",
    "mnist1d_short": "mnist1d",
}


def adamw(task: str, lr: float, weight_decay: float) -> Run:
    hyperparameters = {"adamw": {"lr": lr, "weight_decay": weight_decay}}
    return run_trial(Trial(task, (("optimizer", "adamw"),), hyperparameters, 0, 1, "tuning")).run


@pytest.mark.parametrize(("name", "original"), ORIGINALS.items())
def test_a_short_version_is_the_same_problem(name, original):
    short, long = registry.get("task", name), registry.get("task", original)
    assert type(short.problem) is type(long.problem)
    assert short.family == long.family
    assert {t.name for t in registry.load_all("task")[0] if t.name.endswith("_short")} == set(
        ORIGINALS
    )


def test_a_sum_is_known_by_heart_long_before_it_is_understood():
    problem = registry.get("task", "modular_addition_short").problem
    torch.manual_seed(0)
    data = problem.data(Path("unused"), torch.Generator().manual_seed(0))
    model = problem.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=1.0)
    reached = {}
    for step in range(500):
        for name, split in (("train", data.train), ("test", data.test)):
            with torch.no_grad():
                right = model(split.inputs).argmax(1) == split.targets
            if name not in reached and float(right.float().mean()) >= 0.99:
                reached[name] = step
        optimizer.zero_grad()
        type(problem).criterion(model(data.train.inputs), data.train.targets).backward()
        optimizer.step()
    assert reached["test"] > 3 * reached["train"]


def test_few_sequences_are_fitted_below_the_entropy_of_their_language():
    """So that what is left of the loss on others is overfitting, and decay lowers it."""
    plain, decayed = (adamw("lm_data_constrained_short", 0.01, decay) for decay in (0.01, 0.3))
    last = {name: values[-1] for name, values in plain.curve.validation.items()}
    entropy = last["loss"] - last["excess_loss"]
    assert plain.curve.train_loss[-1] < entropy - 0.05
    assert last["excess_loss"] > 0.2
    assert decayed.curve.validation["excess_loss"][-1] < last["excess_loss"]


class Frequencies(nn.Module):
    """The share of each symbol so far: all that there is to use without an induction head."""

    def forward(self, text):
        counts = nn.functional.one_hot(text, 3).float().cumsum(1) + 0.5
        return (counts / counts.sum(-1, keepdim=True)).log()


def test_short_sequences_have_a_plateau_that_an_induction_head_leaves():
    task = registry.get("task", "lm_induction_short")
    held_out = task.problem.data(Path("unused"), torch.Generator().manual_seed(0)).test
    plateau = task.problem.evaluate(Frequencies(), held_out)["excess_loss"]
    curve = adamw("lm_induction_short", 0.01, 0.1).curve.validation["excess_loss"]
    assert curve[1] > 0.9 * plateau
    assert curve[-1] < 0.6 * plateau
