"""Shakespeare, with a text made here: its parts, its characters, and both tasks end to end."""

from __future__ import annotations

import dataclasses
import random
import string
from pathlib import Path

import pytest

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial

CHARACTERS = sorted(string.ascii_letters + "\n !$&',-.3:;?")


@pytest.fixture
def folder(tmp_path):
    source = random.Random(0)
    text = "".join(CHARACTERS) + "".join(source.choices(CHARACTERS, k=40_000 - 65))
    (tmp_path / "tinyshakespeare.txt").write_text(text, encoding="utf-8", newline="")
    return tmp_path


def test_parts_follow_one_another_and_share_no_memory(folder):
    problem = registry.get("task", "lm_shakespeare").problem
    data = problem.data(folder, None)
    text = (folder / "tinyshakespeare.txt").read_bytes().decode()
    numbers = [CHARACTERS.index(character) for character in text]
    assert data.train.inputs.tolist() == numbers[:36_000]
    assert data.validation.inputs.tolist() == numbers[36_000:38_000]
    assert data.test.inputs.tolist() == numbers[38_000:]
    parts = (data.train, data.validation, data.test)
    assert len({part.inputs.untyped_storage().data_ptr() for part in parts}) == 3
    assert not data.canonical


def test_the_networks_are_those_that_are_described():
    full = registry.get("task", "lm_shakespeare").problem.model()
    count = sum(p.numel() for p in full.parameters())
    assert count == 2 * 65 * 384 + 6 * (12 * 384**2 + 2 * 384) + 2 * 384
    assert round(count / 1e6, 1) == 10.7
    assert registry.get("task", "lm_shakespeare").gradient_evaluations == 5000


@pytest.mark.parametrize("name", ["lm_shakespeare", "lm_shakespeare_mini"])
def test_a_trial_runs_from_end_to_end(folder, name):
    """With a smaller network: the full one takes seconds a step."""
    task = registry.get("task", name)
    shape = dataclasses.replace(task.problem.shape, width=12, layers=1)
    made = type(task.problem)(shape, evaluated=600)
    task = dataclasses.replace(task, name="scaled_down", problem=made)
    hyperparameters = {"adamw": {"lr": 1e-3, "weight_decay": 0.1}}
    fraction = 5.5 * task.batch_size / task.budget
    trial = Trial(
        *(task.name, (("optimizer", "adamw"),), hyperparameters, 0, 1, "evaluation", fraction),
        data_folder=str(folder),
    )
    with registry.replaced(task):
        run = run_trial(trial).run
    assert run.status == "completed", run.traceback
    assert run.curve.test["tokens"] == [0, 5 * task.batch_size * shape.length]
    assert 3 < run.curve.test["loss"][-1] < 4.8


def test_a_text_of_more_characters_is_refused(tmp_path):
    text = "".join(map(chr, range(300)))
    (tmp_path / "tinyshakespeare.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="more than the network's 65"):
        registry.get("task", "lm_shakespeare").problem.data(Path(tmp_path), None)
