"""The parts of the measurement that take seconds; docs/reliability.md has the figures of all."""

from __future__ import annotations

from tests.reliability import damage, texts


def test_damaged_results_are_refused_in_one_line():
    found = damage.measure(210)
    assert found["tried"] == 210
    assert found["good"], found
    assert found["refused in one line"] >= 200


def test_a_hundred_hostile_texts_do_nothing_in_chromium(tmp_path):
    found = texts.measure(tmp_path)
    assert found["good"], found
    assert found["texts"] == 100
    assert found["pages"] > 100
