"""What a metric must be for a result to hold it: refused at the first evaluation, by its name."""

from __future__ import annotations

import pytest

from suite.studies.plan import find_task
from suite.training.recorder import Diverged, Recorder
from tests.commands import TINY


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(find_task(TINY), ("validation",), 1000.0, lambda progress, metric: None)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"other": "good"}, "the metric 'other' is 'good': 'evaluate' and 'summarize' return"),
        ({"other": None}, "the metric 'other' is None"),
        ({"other": 1j}, "the metric 'other' is 1j"),
        ({"Other": 1.0}, "the metric 'Other' is not a name"),
        ({"a" * 61: 1.0}, "is not a name: .* 60 at most"),
        ({f"metric_{n}": 1.0 for n in range(200)}, "201 metrics of the validation data"),
    ],
)
def test_a_metric_that_no_result_holds_is_named(recorder, other, reason):
    with pytest.raises(ValueError, match=reason):
        recorder.add(0.0, 0.0, None, {"validation": {"loss": 1.0, **other}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e101])
def test_what_is_not_finite_has_diverged(recorder, value):
    with pytest.raises(Diverged):
        recorder.add(0.0, 0.0, None, {"validation": {"loss": value}})
