"""The catalog of data sets: complete, honest about cost, and the default of tasks."""

from __future__ import annotations

import pytest
import torch

from suite import Problem
from suite.data import catalog, load_text
from suite.data.text import DATASETS as TEXTS
from suite.errors import DamagedData, MissingData, UsageError

ENTRIES = list(catalog.datasets().values())


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_says_what_a_person_must_know(entry):
    assert entry.title
    assert entry.licence
    assert entry.layout
    assert entry.bytes > 0
    assert entry.url.startswith("http")
    assert catalog.get(entry.name) is entry
    assert entry.needs.startswith(entry.title)
    assert entry.automatic == (entry.bytes < 500_000_000)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_nothing_is_there_in_an_empty_folder(entry, tmp_path):
    assert not entry.is_there(tmp_path)
    with pytest.raises(MissingData) as caught:
        entry.check(tmp_path)
    assert not isinstance(caught.value, DamagedData)
    assert f"`suite data fetch {entry.name} --data-dir {tmp_path}`" in str(caught.value)


def test_commands_name_the_folder_only_where_it_is_needed(tmp_path, monkeypatch):
    entry = catalog.get("mnist")
    assert entry.command(tmp_path / "home" / "data") == "suite data fetch mnist"
    assert entry.command(tmp_path / "a b") == f"suite data fetch mnist --data-dir '{tmp_path}/a b'"
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path / "a b"))
    assert entry.command(tmp_path / "a b") == "suite data fetch mnist"


class OnData(Problem):
    dataset = "mnist"

    def data(self, folder, generator):
        raise AssertionError

    def model(self):
        return torch.nn.Linear(1, 1)

    def batches(self, train, batch_size, generator):
        raise AssertionError


class Generated(OnData):
    dataset = ""


class Overriding(OnData):
    needs = "a library card"


def test_what_a_task_needs_follows_from_its_data_set(tmp_path, monkeypatch):
    prepared = []
    mnist = type(catalog.get("mnist"))
    monkeypatch.setattr(mnist, "prepare", lambda entry, folder: prepared.append((entry, folder)))
    assert OnData().needs == "MNIST (12 MB, downloaded once)"
    OnData().prepare(tmp_path)
    assert prepared == [(catalog.get("mnist"), tmp_path)]
    assert Generated().needs == ""
    Generated().prepare(tmp_path)
    assert len(prepared) == 1
    assert Overriding().needs == "a library card"


def test_a_misspelt_data_set_is_named(tmp_path):
    problem = OnData()
    problem.dataset = "mnits"
    with pytest.raises(UsageError, match="Did you mean 'mnist'"):
        problem.prepare(tmp_path)


def test_texts_are_read_whole_and_told_apart(tmp_path):
    (entry,) = TEXTS
    (tmp_path / entry.file).write_text("Äpfel\n", encoding="utf-8")
    text = load_text(entry.name, tmp_path)
    assert text.text == "Äpfel\n"
    assert not text.canonical
    assert text.source == "Tiny Shakespeare, another text"
    (tmp_path / entry.file).write_text("Birnen\n", encoding="utf-8")
    assert load_text(entry.name, tmp_path).fingerprint != text.fingerprint
    with pytest.raises(UsageError, match="is not one text"):
        load_text("mnist", tmp_path)
