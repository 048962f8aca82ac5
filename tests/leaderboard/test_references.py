"""Frozen references: the scale of each task."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from leaderboard import references
from leaderboard.references import Reference, scaled
from suite.components import registry
from suite.errors import SuiteError
from tests.samples import make_reference


def test_the_ends_of_the_scale():
    reference = Reference(**make_reference("digits", 0.2, 0.7))
    assert scaled(reference, 0.2) == 0
    assert scaled(reference, 0.7) == 1
    assert scaled(reference, 0.95) == pytest.approx(1.5)


def test_lower_raw_scores_scale_higher_if_lower_is_better():
    reference = Reference(**make_reference("lm_markov", 2.5, 1.5))
    assert scaled(reference, 1.0) == pytest.approx(1.5)
    assert scaled(reference, 3.0) == pytest.approx(-0.5)


def test_each_end_is_the_mean_over_its_seeds():
    fields = make_reference("digits", 0.0, 1.0)
    fields["untuned"]["runs"] = [[0.1, 0.3]]
    assert scaled(Reference(**fields), 0.2) == pytest.approx(0)


def test_what_is_saved_is_loaded_sorted_by_task(tmp_path):
    kept = {name: Reference(**make_reference(name, 0.1, 0.9)) for name in ("digits", "cifar10")}
    path = tmp_path / "references.json"
    references.save(kept, path)
    assert references.load(path) == kept
    assert list(references.load(path)) == ["cifar10", "digits"]
    assert [p.name for p in tmp_path.iterdir()] == ["references.json"]


def test_ends_that_coincide_are_no_scale():
    with pytest.raises(ValidationError, match="no scale"):
        Reference(**make_reference("digits", 0.5, 0.5))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "Invalid JSON"),
        ('{"digits": {}}', "digits.task_version: Field required"),
        ('{"../digits": {}}', "../digits"),
    ],
)
def test_a_broken_file_is_explained(tmp_path, text, problem):
    path = tmp_path / "references.json"
    path.write_text(text)
    with pytest.raises(SuiteError) as caught:
        references.load(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_committed_file_is_valid():
    for name, reference in references.load().items():
        task = registry.get("task", name)
        # One of an older version is not used, and replaced when the task is calibrated again.
        assert reference.task_version <= task.version
        # Data that must be fetched may be frozen on a copy that is marked as one.
        assert reference.canonical or task.problem.needs
