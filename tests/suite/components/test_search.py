"""Search spaces: what a distribution accepts, stores and hands to Optuna."""

from __future__ import annotations

import json
import math

import pytest
from optuna import distributions

from suite import search


def test_defaults_have_the_type_of_their_range():
    assert type(search.uniform(0, 2, default=1).default) is float
    assert type(search.integer(1, 5, default=2).default) is int
    assert search.choice("a", "b", default="a").default == "a"


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (search.uniform(0, 2, default=1), distributions.FloatDistribution(0.0, 2.0)),
        (
            search.log_uniform(1e-4, 1, default=0.1),
            distributions.FloatDistribution(1e-4, 1.0, True),
        ),
        (search.integer(1, 5, default=2), distributions.IntDistribution(1, 5)),
        (search.choice(True, False, default=True), distributions.CategoricalDistribution([1, 0])),
    ],
)
def test_to_optuna(distribution, expected):
    assert distribution.to_optuna() == expected


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (
            search.log_uniform(1e-4, 1, default=0.1),
            {"kind": "log_uniform", "default": 0.1, "low": 1e-4, "high": 1.0},
        ),
        (
            search.integer(1, 5, default=2),
            {"kind": "integer", "default": 2, "low": 1, "high": 5},
        ),
        (
            search.choice("a", "b", default="b"),
            {"kind": "choice", "default": "b", "choices": ["a", "b"]},
        ),
    ],
)
def test_to_json(distribution, expected):
    assert json.loads(json.dumps(distribution.to_json())) == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: search.uniform(0, 1, default=2), r"default 2.0 is outside \[0.0, 1.0\]"),
        (lambda: search.uniform(0, 1, default=math.nan), "outside"),
        (lambda: search.uniform(1, 1, default=1), "low < high"),
        (lambda: search.uniform(1, 0, default=0.5), "low < high"),
        (lambda: search.uniform(0, math.inf, default=1), "finite"),
        (lambda: search.uniform(math.nan, 1, default=1), "finite"),
        (lambda: search.log_uniform(0, 1, default=0.5), "starts above 0"),
        (lambda: search.log_uniform(-1, 1, default=0.5), "starts above 0"),
        (lambda: search.integer(1, 5, default=6), "outside"),
        (lambda: search.choice("a", "b", default="c"), "'c' is not among"),
        (lambda: search.choice(default="a"), "not among"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("distribution", "text"),
    [
        (search.log_uniform(1e-4, 0.1, default=1e-3), "log-uniform 0.0001 to 0.1"),
        (search.integer(1, 5, default=2), "integer 1 to 5"),
        (search.choice("a", "b", default="a"), "one of a, b"),
    ],
)
def test_in_words(distribution, text):
    assert str(distribution) == text


def test_a_distribution_cannot_be_changed():
    with pytest.raises(AttributeError):
        search.uniform(0, 1, default=0.5).default = 0.7


def test_a_default_is_the_choice_itself():
    """A result is read strictly: 1 is not 1.0 there."""
    assert repr(search.choice(0.0, 1.0, default=1).default) == "1.0"
    assert search.choice(1, "1", default="1").default == "1"
