"""What a person reads while studies run."""

from __future__ import annotations

import pytest

from suite.progress import duration, sparkline


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (59, "59 s"), (61, "1 min"), (3540, "59 min"), (7800, "2 h 10 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_a_sparkline_rises_with_its_values_and_keeps_its_width():
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([]) == ""
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert len(sparkline([float(i) for i in range(1000)])) == 24
