"""What is parsed from source is what the registry knows after importing it."""

from __future__ import annotations

import pytest

from leaderboard.catalogue import read_catalogue
from suite.components import registry
from suite.components.discovery import ROOT


@pytest.fixture(scope="module")
def catalogue():
    return read_catalogue()


@pytest.mark.parametrize("kind", ["optimizer", "regularizer", "schedule"])
def test_components_are_described_as_they_register_themselves(catalogue, kind):
    components = {name: registry.get(kind, name) for name in registry.names(kind)}
    # Other tests may have registered files of their own.
    ours = {n: c for n, c in components.items() if c.path.is_relative_to(ROOT / "baselines")}
    assert len(ours) > 5
    for name, component in ours.items():
        about = catalogue[kind, name]
        assert about.summary == component.summary
        assert ROOT / about.path == component.path
        assert [(c.says, c.task, c.rival, c.number) for c in about.claims] == [
            (c.says, c.task, c.rival, c.number) for c in component.claims
        ]
        assert f'"{name}"' in component.path.read_text("utf-8").splitlines()[about.line]
        assert about.deviates


def test_a_task_says_what_it_is_made_of(catalogue):
    about = catalogue["task", "digits"]
    assert about.summary == registry.get("task", "digits").summary
    assert about.source == "scikit-learn's load_digits (Alpaydin and Kaynak 1998)"
    assert about.problem.startswith("Learn from few images: `train` to train on")
    assert about.arguments == "Digits(train=500, validation=500, width=128, depth=2)"
    assert about.path == "tasks/vision/digits.py"


def test_a_deviation_is_the_whole_paragraph_and_no_more(catalogue):
    text = catalogue["optimizer", "adamw"].deviates
    assert text.startswith("the decay is multiplied by the learning rate")
    assert text.endswith("schedule only.")
