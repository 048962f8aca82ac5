"""What a person reads while studies run."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from suite.cli.live_view import PlainView, _Watched, sparkline
from suite.studies.study import Study
from suite.words import duration


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


class Trials:
    """What the view reads of a study: how many trials it has, and how many are done."""

    def __init__(self, name: str, trials: int, done: int = 0) -> None:
        self.plan = SimpleNamespace(name=name, identity=name, trials=trials)
        self.trials, self.done, self.resumed = trials, done, done
        self.path = f"{name}.json"
        self.damage = ""


def watch(monkeypatch, *studies: Trials, **seconds: float) -> tuple[PlainView, Callable]:
    """A view of studies, and how to let time go by for it."""
    clock = [0.0]
    monkeypatch.setattr("suite.cli.live_view.time", SimpleNamespace(monotonic=lambda: clock[0]))
    view = PlainView([study.plan for study in studies], seconds)
    return view, lambda seconds: clock.append(clock.pop() + seconds)


def test_time_left_counts_what_is_closed_and_what_waits(monkeypatch):
    first, second, third = Trials("first", 2), Trials("second", 2), Trials("third", 6)
    view, pass_time = watch(monkeypatch, first, second, third)
    assert view.time_left() is None
    view.opened(first)
    pass_time(10.0)
    first.done = 1
    assert view.time_left() == 90.0
    pass_time(10.0)
    first.done = 2
    view.closed(first)
    assert view.time_left() == 80.0
    view.opened(second)
    view.opened(third)
    pass_time(10.0)
    third.done = 1
    assert view.time_left() == 70.0


def test_time_left_knows_long_studies_from_short_ones(monkeypatch):
    short, long = Trials("short", 2), Trials("long", 5)
    view, pass_time = watch(monkeypatch, short, long, short=4.0, long=100.0)
    view.opened(short)
    pass_time(2.5)
    short.done = 1
    assert view.time_left() == pytest.approx(2.5 + 125.0)


def test_time_left_goes_by_the_trials_that_ran_now(monkeypatch):
    resumed = Trials("resumed", 10, done=8)
    view, pass_time = watch(monkeypatch, resumed)
    view.opened(resumed)
    pass_time(30.0)
    assert view.time_left() is None
    resumed.done = 9
    assert view.time_left() == 30.0


def test_a_study_may_open_and_a_trial_start_while_the_time_left_is_asked(monkeypatch):
    """The live view asks from a thread of its own."""

    class Restless(Trials):
        """Another study opens, and a trial of this one starts, whenever it is looked at."""

        @property
        def done(self) -> int:
            if self in (w.study for w in list(view._watched.values())):
                others.append(Trials(f"other {len(others)}", 1))
                view._watched[others[-1].plan.name] = _Watched(others[-1], 1.0)
                view._watched["restless"].progress["a study", "tuning", len(others)] = 0.5
            return 1

        @done.setter
        def done(self, value: int) -> None:
            pass

    others: list[Trials] = []
    restless = Restless("restless", 3)
    restless.resumed = 0
    view, pass_time = watch(monkeypatch, restless)
    view.opened(restless)
    others.clear()
    pass_time(1.0)
    assert view.time_left() is not None
    assert others


def test_a_trial_may_end_while_the_best_score_is_asked():
    tuned: dict[int, Any] = {}

    class Ended:
        """The outcome of a trial; another one ends while it is looked at."""

        @property
        def run(self) -> SimpleNamespace:
            tuned[len(tuned)] = Ended()
            return SimpleNamespace(validation_score=0.5)

    tuned[0] = Ended()
    study = object.__new__(Study)
    study._finished = {"tuning": tuned}
    study.plan = SimpleNamespace(task=SimpleNamespace(score=SimpleNamespace(higher_is_better=True)))
    assert study.best_score == 0.5
    assert len(tuned) > 1
