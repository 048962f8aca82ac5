"""The runs on two cheap tasks: which tasks, and what is said of each end of a trial."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from suite import Regularizer, SuiteError
from suite.checking.runs import CHEAP, Runs, Scale, cheap, follows_tasks
from suite.components import registry
from suite.execution.executor import Ended, Job, Refused, Reported, Started, lost
from tests.checked import Descent, component

NAMES = (
    "digits",
    "xor_cluster_short",
    "sparse_parity",
    "class_incremental_growth",
    "digits_longtail",
)


def scale(name: str, seconds: float = 0.3, untuned: float = 2.0, tuned: float = 0.1) -> Scale:
    return Scale(registry.get("task", name), untuned, tuned, seconds)


class Instant:
    """An executor that ends every trial at once, as it is told by the task's name."""

    def __init__(self, ends) -> None:
        self.ends = ends
        self.jobs: list[Job] = []
        self.events = deque()

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self.events += [Started(job), Reported(job, 0.5, 1.0)]
        end = self.ends.get(job.task.name, 1.0)
        if isinstance(end, SuiteError):
            self.events.append(Refused(job, end))
            return
        status, score, reason = end if isinstance(end, tuple) else ("completed", end, None)
        outcome = lost(job, "failed", "", progress=0.0, seconds=0.0)
        run = outcome.run.model_copy(
            update={"status": status, "reason": reason, "test_score": score}
        )
        self.events.append(Ended(job, replace(outcome, run=run)))

    def next_event(self, timeout: float):
        return self.events.popleft() if self.events else None

    def close(self) -> None:
        pass


def said(ends, tested=None, around=None, names=NAMES):
    executor = Instant(ends)
    tested = tested or registry.get("optimizer", "lion")
    runs = Runs(tested, around, cheap([scale(name) for name in names]), executor, Path())
    return list(runs.verdicts()), executor.jobs


class TestChoice:
    def test_core_tasks_and_few_steps_first_and_families_in_turn(self):
        found = [s.task.name for s in cheap([scale(name) for name in NAMES])]
        assert found[:3] == ["digits", "xor_cluster_short", "class_incremental_growth"]

    def test_dear_tasks_and_those_that_need_data_are_left_out(self):
        assert cheap([scale("digits", CHEAP + 0.1), scale("cifar10")]) == []

    def test_a_method_that_follows_tasks_runs_on_a_stream_first(self):
        assert follows_tasks(registry.get("regularizer", "ewc"))
        assert not follows_tasks(registry.get("regularizer", "sam"))
        _, jobs = said({}, registry.get("regularizer", "ewc"), registry.get("optimizer", "adamw"))
        assert [job.task.name for job in jobs] == ["class_incremental_growth", "digits"]
        _, jobs = said({})
        assert [job.task.name for job in jobs] == ["digits", "xor_cluster_short"]

    def test_a_component_that_cannot_be_built_follows_nothing(self):
        def broken(params, lr):
            raise KeyError("x")

        assert not follows_tasks(component(broken))

    def test_an_optimizer_that_is_told_follows_tasks(self):
        class Told(Descent):
            def on_task_change(self, model, task):
                pass

        class Hooked(Regularizer):
            def on_task_change(self, model, task):
                pass

        assert follows_tasks(component(Told))
        assert follows_tasks(component(Descent, regularizers=(Hooked,)))


class TestVerdicts:
    def test_scores_are_compared_with_the_untuned_reference(self):
        found, jobs = said({"digits": 0.575, "xor_cluster_short": 2.5})
        assert [v.outcome for v in found] == ["ok", "warning"]
        assert "beats the untuned reference: 0.575 against 2, 0.75 on" in found[0].seen
        assert "does not beat the untuned reference" in found[1].seen
        assert {job.trial.purpose for job in jobs} == {"evaluation"}
        assert {job.trial.budget_fraction for job in jobs} == {1.0}
        assert jobs[0].trial.hyperparameters == {"lion": registry.get("optimizer", "lion").defaults}

    @pytest.mark.parametrize(
        ("end", "outcome", "seen"),
        [
            (("failed", 2.0, "ValueError: x (in a.py, line 3, step)"), "problem", "a.py, line 3"),
            (("undercharged", 2.0, "computes 2 times"), "problem", "undercharged: computes"),
            (("diverged", 2.0, "loss is NaN"), "warning", "diverged: loss is NaN"),
            (("timeout", 2.0, "stopped after 25 s"), "warning", "has not ended after 25 s"),
            (SuiteError("the file was changed"), "problem", "the file was changed"),
        ],
    )
    def test_each_end_of_a_trial(self, end, outcome, seen):
        (found, *_), _ = said({"digits": end})
        assert (found.check, found.outcome) == ("task digits", outcome)
        assert seen in found.seen

    def test_another_task_replaces_one_that_does_not_suit(self):
        refused = ("failed", 2.0, "NotApplicable: it needs numbers")
        found, jobs = said({"digits": refused})
        assert [job.task.name for job in jobs] == ["digits", "xor_cluster_short", "sparse_parity"]
        assert [v.check for v in found] == ["task xor_cluster_short", "task sparse_parity"]

    def test_where_none_suits_the_reason_is_said(self):
        refused = ("failed", 2.0, "NotApplicable: it needs numbers")
        found, _ = said(dict.fromkeys(NAMES, refused))
        assert [v.outcome for v in found] == ["not applicable"] * 2
        assert found[0].seen == "it needs numbers"

    def test_a_regularizer_runs_around_the_given_optimizer(self):
        _, jobs = said({}, registry.get("regularizer", "sam"), registry.get("optimizer", "adamw"))
        assert jobs[0].trial.components == (("optimizer", "adamw"), ("regularizer", "sam"))
