"""What a person reads while studies run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from suite.cli.live_view import PlainView, _Watched, sparkline
from suite.execution.executor import Ended, Reported, Started
from suite.studies.estimate import Estimate
from suite.studies.replicate import RunningReplicate
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


def test_a_sparkline_on_a_terminal_of_ascii(monkeypatch):
    monkeypatch.setattr("suite.cli.live_view.sys", SimpleNamespace(__stderr__=ASCII))
    assert sparkline([0.0, 0.5, 1.0]) == "_=#"


ASCII = SimpleNamespace(encoding="ascii")


class Trials:
    """What the view reads of a study: how many trials it has, and how many are done."""

    def __init__(self, name: str, trials: int, done: int = 0, replicates: int = 1) -> None:
        rules = SimpleNamespace(replicates=replicates)
        self.plan = SimpleNamespace(name=name, identity=name, trials=trials, rules=rules)
        self.trials, self.done, self.resumed = trials, done, done
        self.path = f"{name}.json"
        self.damage = ""
        self.stopped = None


class Watch:
    """A view of studies, and a clock that a test moves."""

    def __init__(self, monkeypatch, *studies: Trials, trial: float, jobs: int = 1) -> None:
        self.now = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr("suite.cli.live_view.time", clock)
        estimates = {
            study.plan.identity: Estimate(trial, study.trials // jobs) for study in studies
        }
        self.view = PlainView([study.plan for study in studies], estimates)

    def event(
        self, study: Trials, number: int, event: type, replicate: int = 0, **fields: Any
    ) -> None:
        key = (study.plan.identity, replicate, "tuning", number)
        job = SimpleNamespace(
            key=key, study=study.plan.identity, trial=SimpleNamespace(series=(replicate, "tuning"))
        )
        if event is Ended:
            study.done += 1
            run = SimpleNamespace(
                number=number,
                status="completed",
                validation_score=1.0,
                test_score=None,
                hyperparameters={"sgd": {"lr": 0.1}},
                cost=SimpleNamespace(seconds=1.0),
            )
            fields = {"outcome": SimpleNamespace(run=run)}
        self.view.event(study, event(job, **fields))

    def trial(self, study: Trials, number: int, seconds: float) -> None:
        """A whole trial of a study."""
        self.event(study, number, Started)
        self.now += seconds
        self.event(study, number, Ended)


def test_time_left_begins_with_the_estimate_and_is_corrected_by_what_trials_take(monkeypatch):
    first, second = Trials("first", 4), Trials("second", 4)
    watch = Watch(monkeypatch, first, second, trial=10.0)
    assert watch.view.time_left() == 80.0
    watch.view.opened(first)
    assert watch.view.time_left() == 80.0
    watch.trial(first, 0, 5.0)  # twice as fast as was estimated: so is the other study
    assert watch.view.time_left() == 3 * 5.0 + 4 * 5.0
    watch.trial(first, 1, 7.0)
    assert watch.view.time_left() == 2 * 6.0 + 4 * 6.0
    watch.trial(first, 2, 6.0)
    watch.trial(first, 3, 6.0)
    watch.view.closed(first)
    assert watch.view.time_left() == 4 * 6.0
    watch.view.opened(second)
    watch.trial(second, 0, 20.0)  # its own trials say more than those of the other
    assert watch.view.time_left() == 3 * 20.0


def test_time_left_counts_trials_beside_one_another(monkeypatch):
    study = Trials("study", 4)
    watch = Watch(monkeypatch, study, trial=10.0, jobs=2)
    assert watch.view.time_left() == 20.0
    watch.view.opened(study)
    watch.event(study, 0, Started)
    watch.event(study, 1, Started)
    watch.now = 30.0
    for number in (0, 1):
        watch.event(study, number, Reported, progress=0.5, metric=1.0)
    assert watch.view.time_left() == 3 * 0.5 * 60.0  # they will have taken 60 s each


def test_time_left_of_a_resumed_study_counts_what_is_missing(monkeypatch):
    resumed = Trials("resumed", 10, done=8)
    watch = Watch(monkeypatch, resumed, trial=3.0)
    watch.view.opened(resumed)
    assert watch.view.time_left() == 6.0
    watch.trial(resumed, 8, 30.0)
    assert watch.view.time_left() == 30.0


def test_a_trial_is_shown_with_its_hyperparameters(monkeypatch, capsys):
    study = Trials("study", 2)
    watch = Watch(monkeypatch, study, trial=1.0)
    watch.view.opened(study)
    watch.trial(study, 0, 1.0)
    assert "[1/2] study: tuning 0, score 1 (1.0 s; lr 0.1)" in capsys.readouterr().err


def test_a_trial_is_shown_with_its_replicate_where_there_are_several(monkeypatch, capsys):
    study = Trials("study", 14, replicates=2)
    watch = Watch(monkeypatch, study, trial=1.0)
    watch.view.opened(study)
    watch.event(study, 3, Ended, replicate=1)
    assert "[1/14] study: replicate 1 tuning 3, score 1 " in capsys.readouterr().err


def test_a_study_may_open_and_a_trial_start_while_the_time_left_is_asked(monkeypatch):
    """The live view asks from a thread of its own."""

    class Restless(Trials):
        """Another study opens, and a trial of this one starts, whenever it is looked at."""

        @property
        def done(self) -> int:
            if self in (w.study for w in list(view._watched.values())):
                others.append(Trials(f"other {len(others)}", 1))
                view._watched[others[-1].plan.name] = _Watched(others[-1], Estimate(1.0, 1))
                view._watched["restless"].progress["a study", 0, "tuning", len(others)] = 0.5
            return 1

        @done.setter
        def done(self, value: int) -> None:
            pass

    others: list[Trials] = []
    restless = Restless("restless", 3)
    restless.resumed = 0
    watch = Watch(monkeypatch, restless, trial=1.0)
    view = watch.view
    view.opened(restless)
    others.clear()
    assert view.time_left() > 0
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
    replicate = object.__new__(RunningReplicate)
    replicate._finished = {"tuning": tuned}
    study = object.__new__(Study)
    study._replicates = [replicate]
    study.plan = SimpleNamespace(task=SimpleNamespace(score=SimpleNamespace(higher_is_better=True)))
    assert study.best_score == 0.5
    assert len(tuned) > 1
