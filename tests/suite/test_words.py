"""Sizes as people say them."""

from __future__ import annotations

import pytest

from suite.words import human_size, in_words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (870, "870 B"),
        (29_491, "29 kB"),
        (999_600, "1.0 MB"),
        (1_115_394, "1.1 MB"),
        (170_498_071, "170 MB"),
        (1_924_281_556, "1.9 GB"),
        (12_000_000_000_000, "12 TB"),
        (12_000_000_000_000_000, "12000 TB"),
    ],
)
def test_human_size(count, text):
    assert human_size(count) == text


def test_hyperparameters_in_words():
    method = {"sgd": {"lr": 0.1234567, "nesterov": True}, "clip": {}, "sam": {"rho": 1e-05}}
    assert in_words(method) == "lr 0.1235, nesterov True; sam: rho 1e-05"
    assert in_words({"sgd": {}}) == ""
