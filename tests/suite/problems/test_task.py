"""Registering tasks, metrics and the fingerprint."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from suite import Problem, score
from suite.components import registry
from suite.components.fingerprints import source_files, source_hash
from suite.data.split import Split
from suite.errors import UsageError
from suite.home import ROOT
from suite.problems.metrics import classification_metrics, loss_name
from suite.problems.task import family_of, task
from tests.commands import environment


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_metrics_do_not_depend_on_the_chunk(chunk):
    torch.manual_seed(0)
    outputs, targets = torch.randn(7, 4), torch.randint(4, (7,))
    metrics = classification_metrics(nn.Identity(), Split(outputs, targets), chunk=chunk)
    assert metrics["loss"] == pytest.approx(float(nn.functional.cross_entropy(outputs, targets)))
    assert metrics["accuracy"] == pytest.approx(float((outputs.argmax(1) == targets).sum()) / 7)


def test_metrics_of_sequences_count_every_position():
    outputs = nn.functional.one_hot(torch.tensor([[0, 1], [1, 1]]), 2).float() * 9

    def criterion(scores, labels):
        return nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten())

    targets = torch.tensor([[0, 1], [1, 0]])
    metrics = classification_metrics(nn.Identity(), Split(outputs, targets), criterion)
    assert metrics["accuracy"] == 0.75


def test_metrics_are_of_what_the_task_compares():
    outputs = torch.tensor([[9.0, 0.0, 1.0], [9.0, 1.0, 0.0]])

    def last_two(scores, labels):
        return scores[:, 1:], labels - 1

    split = Split(outputs, torch.tensor([2, 2]))
    metrics = classification_metrics(nn.Identity(), split, restrict=last_two)
    assert metrics["accuracy"] == 0.5
    expected = nn.functional.cross_entropy(outputs[:, 1:], torch.tensor([1, 1]))
    assert metrics["loss"] == pytest.approx(float(expected))


def of_every_position(scores, labels):
    return nn.functional.cross_entropy(scores.flatten(0, -2), labels.flatten())


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        (nn.functional.cross_entropy, "cross_entropy"),
        (of_every_position, "cross_entropy"),
        (nn.functional.mse_loss, "mse"),
        (lambda outputs, targets: (outputs - targets).square().mean(), "mse"),
        (lambda outputs, targets: (outputs - targets).square().mean() / 2, None),
        (lambda outputs, targets: nn.functional.cross_entropy(outputs, targets) * 2, None),
        (functools.partial(nn.functional.cross_entropy, reduction="sum"), None),
        (functools.partial(nn.functional.cross_entropy, reduction="none"), None),
        (functools.partial(nn.functional.cross_entropy, label_smoothing=0.1), None),
        (lambda outputs, targets: outputs.mean(), None),
    ],
)
def test_a_loss_is_named_by_what_it_computes(criterion, name):
    assert loss_name(criterion) == name
    assert type("Mine", (Plain,), {"criterion": staticmethod(criterion)})().loss_name == name


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("digits", "cross_entropy"),
        ("split_digits_task", "cross_entropy"),
        ("lm_markov", "cross_entropy"),
        ("lm_shakespeare", "cross_entropy"),
        ("matrix_sensing", "mse"),
        ("pvr_boolean", None),
    ],
)
def test_the_losses_of_tasks(task, name):
    assert registry.get("task", task).problem.loss_name == name


class Plain(Problem):
    """Stores what it is given."""

    data = model = batches = None

    def __init__(self, **settings):
        vars(self).update(settings)


def declare(problem=None, **changes):
    """Register a task that is right but for the changes, and take it out again."""
    about = {
        "version": 1,
        "track": "mini",
        "summary": "s",
        "source": "s",
        "batch_size": 8,
        "budget": 80,
        "evaluations": 2,
        "score": score.final("loss", higher_is_better=False, worst=3.0),
        "target": 1.0,
    }
    try:
        task(changes.pop("name", "wrong"), problem or Plain(), **{**about, **changes})
        return registry.get("task", "wrong")
    finally:
        registry.forget("task", "wrong")


def final(**changes):
    return score.final(**{"metric": "loss", "higher_is_better": False, "worst": 3.0, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "Bad-Name"}, "the name 'Bad-Name' is not a name: use lower-case"),
        ({"problem": object()}, "the problem is an instance of a class of Problem"),
        ({"track": "huge"}, "track is one of .*, not 'huge'"),
        ({"version": 0}, "version is a whole number from 1, not 0"),
        ({"version": True}, "version is a whole number from 1, not True"),
        ({"budget": 80.0}, r"budget is a whole number from 1, not 80\.0"),
        ({"batch_size": "8"}, "batch_size is a whole number from 1, not '8'"),
        ({"evaluations": 2.5}, r"evaluations is a whole number from 1, not 2\.5"),
        ({"budget": 7}, "the budget, 7 examples, is less than one batch of 8"),
        ({"time_limit": math.inf}, "time_limit is a positive number of seconds, not inf"),
        ({"time_limit": 0}, "time_limit is a positive number of seconds, not 0"),
        ({"summary": None}, "summary is a text, not None"),
        ({"source": 1}, "source is a text, not 1"),
        ({"score": None}, r"score is made by score\.final\(\.\.\.\)"),
        ({"score": final(worst=None)}, "needs a finite worst=.*, not None"),
        ({"score": final(worst=math.inf)}, "needs a finite worst=.*, not inf"),
        ({"score": final(metric="top-1")}, "the score's metric 'top-1' is not a name"),
        ({"score": score.time_to_target("accuracy", hold=0)}, "hold is a whole number from 1"),
        ({"target": math.nan}, "target is a finite number, not nan"),
        ({"target": "low"}, "target is a finite number, not 'low'"),
        ({"family": "Vision Tasks"}, "family 'Vision Tasks' is not a name"),
        ({"core": "yes"}, "core is True or False, not 'yes'"),
        ({"stream": 1}, "stream is True or False, not 1"),
        ({"contrast": "adamw"}, "contrast is a pair of methods .*, not 'adamw'"),
        ({"contrast": ("adamw", "adamw")}, "contrast is a pair of methods"),
        ({"size_of": "no name"}, "size_of 'no name' is not a name"),
        ({"size_of": None}, "size_of None is not a name"),
        (
            {"problem": Plain(act=torch.relu)},
            r"not a plain value: Plain\.act is the function or class .*relu",
        ),
        ({"problem": Plain(w=torch.zeros(2000))}, r"Plain\.w is of the type torch\.Tensor"),
    ],
)
def test_what_no_trial_or_result_could_hold_is_refused_at_once(changes, reason):
    """With the file, the task and the cure, and nothing is registered."""
    with pytest.raises(UsageError, match=rf"(test_task\.py|<interactive>): task '.*': .*{reason}"):
        declare(**changes)
    assert "wrong" not in registry.names("task")


def test_a_right_declaration_is_accepted():
    entry = declare()
    assert (entry.family, entry.core, entry.stream, entry.contrast) == ("other", False, False, None)
    facts = {"core": True, "stream": True, "contrast": ("adamw", "sgd"), "family": "mine"}
    assert {name: getattr(declare(**facts), name) for name in facts} == facts


def test_time_to_target_needs_no_worst_value():
    assert declare(score=score.time_to_target("accuracy", hold=3)).score.worst is None


def test_the_family_is_the_folder_below_tasks():
    assert family_of(ROOT / "tasks" / "vision" / "digits.py") == "vision"
    assert family_of(ROOT / "tasks" / "vision" / "deeper" / "digits.py") == "vision"
    assert family_of(ROOT / "tasks" / "digits.py") == "other"
    assert family_of(Path("/elsewhere/tasks/vision/digits.py")) == "other"


def test_facts_that_change_no_result_are_no_settings():
    entry = declare(problem=Plain(width=3))
    same = {"family": "x", "core": True, "contrast": ("a", "b"), "summary": "x", "source": "x"}
    same["size_of"] = "other"
    assert dataclasses.replace(entry, **same).fingerprint == entry.fingerprint
    assert dataclasses.replace(entry, stream=True).fingerprint != entry.fingerprint


def test_what_a_problem_keeps_for_itself_later_is_no_setting():
    entry = declare(problem=Plain(width=3))
    before = entry.fingerprint
    entry.problem.cache = torch.zeros(2)
    assert entry.settings["problem"] == {"width": 3}
    assert entry.fingerprint == before


def test_every_process_finds_the_same_fingerprint(tmp_path):
    """Also where Python hashes texts with another seed."""
    code = (
        "from suite.components import registry; "
        "print(registry.get('task', 'modular_addition_features').fingerprint)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**environment(tmp_path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {registry.get("task", "modular_addition_features").fingerprint + "\n"}


def test_code_covers_what_the_problem_imports_from_other_families():
    names = {path.name for path in source_files(registry.get("task", "split_digits").path)}
    assert names == {"split_digits.py", "problem.py", "metrics.py", "digits_data.py"}
    names = {path.name for path in source_files(registry.get("task", "split_cifar10").path)}
    assert {"images.py", "networks.py", "problem.py"} <= names


def test_code_covers_a_base_class_from_a_module_elsewhere(tmp_path, monkeypatch):
    """Its file is a part of the task, though nothing is imported relatively."""
    base = write(
        tmp_path / "lab_problems.py",
        "from suite import Problem\n\nclass Lab(Problem):\n    data = model = batches = None\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    lab = importlib.import_module("lab_problems")
    entry = declare(problem=type("Mine", (lab.Lab,), {"__module__": __name__})())
    before = entry.code
    write(base, base.read_text() + "X = 1\n")
    assert dataclasses.replace(entry).code != before


def test_fingerprint_follows_settings_not_words():
    entry = registry.get("task", "modular_addition")
    same = dataclasses.replace(entry, summary="other words", source="other words")
    assert same.fingerprint == entry.fingerprint
    for change in ({"budget": entry.budget + 1}, {"target": 0.5}, {"batch_size": 1}):
        assert dataclasses.replace(entry, **change).fingerprint != entry.fingerprint
    problem = type(entry.problem)(modulus=61, width=64)
    assert dataclasses.replace(entry, problem=problem).fingerprint != entry.fingerprint


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_source_hash_ignores_comments_docstrings_and_layout(tmp_path):
    plain = write(tmp_path / "a.py", "def f(x):\n    return x + 1\n")
    commented = write(
        tmp_path / "b.py",
        '"""A module."""\n\n# why\ndef f(\n    x,\n):\n    """A function."""\n    return (x + 1)\n',
    )
    changed = write(tmp_path / "c.py", "def f(x):\n    return x + 2\n")
    typed = write(tmp_path / "d.py", "def f(x):\n    return x + True\n")
    assert source_hash(plain) == source_hash(commented)
    assert len({source_hash(path) for path in (plain, changed, typed)}) == 3
    write(tmp_path / "empty.py", "")
    assert source_hash(tmp_path / "empty.py") != source_hash(plain)


def test_source_hash_is_the_same_on_every_python(tmp_path):
    """Recorded with Python 3.11; ast.dump would differ from 3.13 on."""
    path = write(
        tmp_path / "a.py",
        "import os\n\n\nclass A(B, key=1):\n    x: int = 0\n\n    @c\n    def f(self, *a, **k):\n"
        "        return [f'{a!r}:{1.5}', None, ...] if a else lambda: (yield)\n",
    )
    assert source_hash(path) == "9e15c8d47972a065"


def test_source_hash_counts_imported_neighbours(tmp_path):
    helper = write(tmp_path / "_helper.py", "from . import _deeper\n")
    deeper = write(tmp_path / "_deeper.py", "X = 1\n")
    write(tmp_path / "_stranger.py", "X = 1\n")
    path = write(tmp_path / "a.py", "from ._helper import X\nimport os\n")
    assert source_files(path) == [path, deeper, helper]
    before = source_hash(path)
    write(deeper, "X = 2\n")
    assert source_hash(path) != before
