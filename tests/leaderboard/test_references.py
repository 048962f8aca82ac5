"""Frozen references: the scale of each task."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from leaderboard import references
from leaderboard.references import Contrast, Reference, scaled
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


def test_the_spread_is_that_of_what_a_person_gets_who_tunes_anew():
    """By hand: replicates of means 1, 2 and 3; runs within them differ by 0.2, 0.4 and 0."""
    fields = make_reference("digits", 0.0, 1.0)
    fields["tuned"] |= {
        "hyperparameters": fields["tuned"]["hyperparameters"] * 3,
        "runs": [[0.9, 1.1], [1.8, 2.2], [3.0, 3.0]],
    }
    # One replicate, as of what is not tuned: its runs are independent.
    fields["untuned"]["runs"] = [[8.0, 10.0, 12.0]]
    reference = Reference(**fields)
    assert reference.tuned.scores == pytest.approx([1.0, 2.0, 3.0])
    assert reference.tuned.spread == pytest.approx(1.0)
    assert reference.tuned.spread_within == pytest.approx(((0.02 + 0.08 + 0.0) / 3) ** 0.5)
    assert reference.untuned.spread == pytest.approx(2.0)
    assert reference.spreads_apart == pytest.approx((10.0 - 2.0) / 2.0)


def test_every_replicate_says_what_it_chose():
    fields = make_reference("digits", 0.0, 1.0)
    fields["tuned"]["runs"] = [[0.9], [1.1]]
    with pytest.raises(ValidationError, match="different numbers of replicates"):
        Reference(**fields)


def test_a_contrast_is_paired_by_replicate():
    """By hand: differences 1, 1, 1, 2 and 0 have the mean 1 and the variance 1/2."""
    methods = {"better": "adamw", "worse": "sgd"}
    scores = {"better_scores": [1, 11, 21, 32, 40], "worse_scores": [0, 10, 20, 30, 40]}
    contrast = Contrast(**methods, **scores)
    assert contrast.errors_apart == pytest.approx(1 / math.sqrt(0.5 / 5))
    with pytest.raises(ValidationError, match="not of the same replicates"):
        Contrast(**methods, **scores | {"worse_scores": [0, 10, 20, 30, 40, 50]})
