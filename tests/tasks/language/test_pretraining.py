"""Pretraining on tokens in files: parts, sizes, budgets, and every task end to end, scaled down."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import pytest
import torch

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.corpora import write_tokens

registry.load_all("task")
NAMES = ("lm_tinystories", "lm_fineweb_30m", "lm_fineweb_124m", "lm_data_constrained")


def problem(name):
    return registry.get("task", name).problem


@pytest.fixture
def folder(tmp_path):
    """3,000 tokens of both corpora; those of one are above 2^15 as GPT-2's may be."""
    source = random.Random(0)
    for name, lowest in (("tinystories", 0), ("fineweb", 50_200)):
        tokens = [lowest + source.randrange(57) for _ in range(3000)]
        write_tokens(tmp_path, name, np.array(tokens, dtype="<u2").tobytes())
    return tmp_path


def small(name):
    """The same task with a small network, a short context and few held-out tokens."""
    task = registry.get("task", name)
    shape = dataclasses.replace(task.problem.shape, length=16, width=16, heads=2, layers=1)
    train = None if task.problem.train is None else 1000
    made = type(task.problem)(shape, task.problem.dataset, held_out=200, train=train)
    return dataclasses.replace(task, name="scaled_down", problem=made)


def test_networks_have_the_weights_that_are_said():
    for name, width, layers, millions in (
        ("lm_fineweb_30m", 384, 6, 30),
        ("lm_fineweb_124m", 768, 12, 124),
    ):
        with torch.device("meta"):
            count = sum(p.numel() for p in problem(name).model().parameters())
        assert count == 50_304 * width + layers * (12 * width**2 + 2 * width) + 2 * width
        assert round(count / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "tokens"), list(zip(NAMES, (0.6e9, 0.6e9, 2.5e9, 3.2e9), strict=True)), ids=NAMES
)
def test_budgets_are_in_tokens(name, tokens):
    task = registry.get("task", name)
    assert task.budget * task.problem.shape.length == pytest.approx(tokens, rel=1e-4)
    assert "suite data fetch" in task.problem.needs


def test_a_fixed_set_of_tokens_is_repeated_16_times():
    task = registry.get("task", "lm_data_constrained")
    assert task.budget * 1024 / task.problem.train == pytest.approx(16, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_disjoint_and_cover_the_file(folder, name):
    made = small(name).problem
    data = made.data(folder, torch.Generator())
    raw = np.fromfile(folder / made.dataset / "tokens.bin", dtype="<u2").tolist()

    def read(split):
        return (split.inputs.long() & 0xFFFF).tolist()

    assert read(data.validation) == raw[:200]
    assert read(data.test) == raw[200:400]
    assert read(data.train) == (raw[400:] if made.train is None else raw[400:1400])
    assert not data.canonical
    assert "none have been declared canonical yet" in data.source
    parts = (data.train, data.validation, data.test)
    assert len({part.inputs.untyped_storage().data_ptr() for part in parts}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_runs_from_end_to_end(folder, name):
    task = small(name)
    fraction = 8.5 * task.batch_size / task.budget
    hyperparameters = {"adamw": {"lr": 1e-2, "weight_decay": 0.1}}
    trial = Trial(
        *(task.name, (("optimizer", "adamw"),), hyperparameters, 0, 1, "evaluation", fraction),
        data_folder=str(folder),
    )
    with registry.replaced(task):
        run = run_trial(trial).run
    assert run.status == "completed", run.traceback
    assert run.curve.test["tokens"] == [0, 8 * 32 * 16]
    assert run.curve.test["perplexity"][-1] == pytest.approx(
        math.exp(run.curve.test["loss"][-1]), rel=1e-4
    )
    assert run.curve.test["loss"][-1] < 0.97 * math.log(50_304)
