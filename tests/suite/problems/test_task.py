"""Registering tasks, batches, metrics and the fingerprint."""

from __future__ import annotations

import dataclasses
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.components.fingerprints import source_files, source_hash
from suite.data.split import Split
from suite.problems.batches import FullBatch, Shuffled
from suite.problems.metrics import classification_metrics
from suite.problems.task import task

ABOUT = {"version": 1, "summary": "s", "source": "s", "evaluations": 1, "score": None, "target": 1}


def numbered(count):
    return Split(torch.arange(count).float().view(-1, 1), torch.arange(count))


def test_shuffled_passes_over_everything_in_a_new_order():
    batches = Shuffled(numbered(12), 4, torch.Generator().manual_seed(0))
    epochs = []
    for _ in range(2):
        drawn = list(islice(batches, 3))
        assert all(torch.equal(inputs.view(-1).long(), targets) for inputs, targets in drawn)
        epochs.append(torch.cat([targets for _, targets in drawn]).tolist())
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]


def test_shuffled_drops_a_partial_batch_and_shrinks_to_small_data():
    batches = Shuffled(numbered(10), 4, torch.Generator().manual_seed(0))
    sizes = [len(targets) for _, targets in islice(batches, 6)]
    assert sizes == [4] * 6
    inputs, _ = next(Shuffled(numbered(3), 4, torch.Generator().manual_seed(0)))
    assert len(inputs) == 3


def test_shuffled_augments_inputs_with_its_generator():
    def jitter(inputs, generator):
        return inputs + torch.rand(inputs.shape, generator=generator)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([x for x, _ in islice(Shuffled(numbered(8), 4, generator, jitter), 4)])

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert (draw(0) % 1 != 0).any()


def test_full_batch_repeats_the_split():
    split = numbered(5)
    for inputs, targets in islice(FullBatch(split), 3):
        assert inputs is split.inputs
        assert targets is split.targets


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


def test_a_wrong_track_or_budget_is_refused():
    with pytest.raises(ValueError, match="track is one of"):
        task("wrong", None, track="huge", batch_size=1, budget=1, **ABOUT)
    with pytest.raises(ValueError, match="at least one batch"):
        task("wrong", None, track="mini", batch_size=8, budget=7, **ABOUT)
    with pytest.raises(ValueError, match="whole numbers from 1, not 0"):
        task("wrong", None, track="mini", batch_size=1, budget=1, **{**ABOUT, "version": 0})
    assert "wrong" not in registry.names("task")


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
