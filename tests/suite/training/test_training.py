"""What the training loop does for a task: streams, projections, late gradients, measurements."""

from __future__ import annotations

import gc
import random
import weakref
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from suite import Data, Problem, Split, optimizer, regularizer, score, task
from suite.components import registry
from suite.components.regularizer import Regularizer
from suite.problems.batches import FullBatch
from suite.problems.streams import TaskStream
from suite.training.calibration import warm_up
from suite.training.loop import run_trial
from suite.training.trial import Trial


def half_square(outputs, targets):
    return 0.5 * ((outputs - targets) ** 2).mean()


class Scalar(Problem):
    """One weight from 1 towards 0: the gradient is the weight itself."""

    criterion = staticmethod(half_square)

    def data(self, folder, generator):
        split = Split(torch.ones(4, 1), torch.zeros(4, 1))
        return Data(split, split, split, fingerprint="0123456789abcdef")

    def model(self):
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        return model

    def batches(self, train, batch_size, generator):
        return FullBatch(train)

    def evaluate(self, model, split):
        return {"weight": float(model.weight)}


class Delayed(Scalar):
    gradient_delay = 2


class Bounded(Scalar):
    def constrain(self, model):
        model.weight.clamp_(min=0.85)


class Watched(Scalar):
    every_step = True

    def summarize(self, history):
        return {
            "points": float(len(history)),
            "smallest": min(p.metrics["weight"] for p in history),
        }


class Followed(Watched):
    every_step = False

    def training_metrics(self, losses, examples):
        return {
            "steps": float(len(losses)),
            "first": losses[0] if losses else 0.0,
            "spent": examples,
        }


class Stream(Scalar):
    online = True
    measures_plasticity = True
    boundaries_known = True

    def batches(self, train, batch_size, generator):
        def start(task, generator):
            while True:
                yield train.inputs, train.targets + task

        return TaskStream(2, start, generator)

    def evaluate(self, model, split):
        return {"loss": float(half_square(model(split.inputs), split.targets))}


class Listener(Regularizer):
    heard: ClassVar[list[float]] = []

    def on_task_change(self, model):
        Listener.heard.append(self.progress)


class Numbered(Regularizer):
    """What it hears of a change: the task, and the target of the batch that is still there."""

    heard: ClassVar[list[tuple[int, float]]] = []

    def on_task_change(self, model, task):
        Numbered.heard.append((task, float(self.objective.batch[1].mean())))
        self.objective.gradient()


class Peeking(torch.optim.SGD):
    def step(self, closure):
        closure.loss()
        return super().step(closure)


class Dicing(torch.optim.SGD):
    """Draws from the generators of Python, numpy and torch."""

    def step(self, closure):
        self.param_groups[0]["lr"] = 0.1 * random.random() * np.random.rand() * float(torch.rand(1))
        return super().step(closure)


class Shrinking(torch.optim.SGD):
    """Every weight becomes 1e-20 of itself at every step."""

    @torch.no_grad()
    def step(self, closure):
        closure()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.mul_(1e-20)


PROBLEMS = {
    "delayed": Delayed(),
    "bounded": Bounded(),
    "watched": Watched(),
    "followed": Followed(),
    "stream": Stream(),
}


@pytest.fixture
def run():
    about = {"paper": "none", "url": "", "summary": "For a test."}
    optimizer("plain_steps", torch.optim.SGD, **about)
    optimizer("peeking_steps", Peeking, **about)
    optimizer("dicing_steps", Dicing, **about)
    optimizer("shrinking_steps", Shrinking, **about)
    regularizer("listener", Listener, **about)
    regularizer("numbered", Numbered, **about)
    for name, problem in PROBLEMS.items():
        settings = {"batch_size": 4, "budget": 4 * 8, "evaluations": 8, "target": 0.0}
        final = score.final("weight", higher_is_better=False, worst=1.0)
        if problem.online:
            final = score.mean("loss", higher_is_better=False, worst=1.0)
            settings["evaluations"] = 2
        if problem.every_step or problem.overrides("training_metrics"):
            settings["evaluations"] = 2
        task(
            name,
            problem,
            version=1,
            track="mini",
            summary="For a test.",
            source="none",
            score=final,
            **settings,
        )

    def trial(name, method="plain_steps", *regularizers, seed=1):
        components = (("optimizer", method), *(("regularizer", r) for r in regularizers))
        values = {method: {"lr": 0.1}, **{r: {} for r in regularizers}}
        return run_trial(Trial(name, components, values, 0, seed, "tuning")).run

    Listener.heard, Numbered.heard = [], []
    yield trial
    mine = {("task", name) for name in PROBLEMS}
    mine |= {("regularizer", name) for name in ("listener", "numbered")}
    for name in ("plain_steps", "peeking_steps", "dicing_steps", "shrinking_steps"):
        mine.add(("optimizer", name))
    for key in mine:
        registry.forget(*key)


def test_late_gradients_are_those_of_earlier_weights(run):
    weights = [1.0, 1.0, 1.0]  # after steps 1 and 2 nothing has arrived
    for step in range(6):
        weights.append(weights[-1] - 0.1 * weights[step])
    curve = run("delayed").curve
    assert curve.validation["weight"] == pytest.approx(weights, rel=1e-5)


def test_a_late_task_answers_no_other_question(run):
    failed = run("delayed", "peeking_steps")
    assert failed.status == "failed"
    assert "NotApplicable" in failed.reason
    assert "'loss'" in failed.reason


def test_a_constraint_holds_after_every_step(run):
    assert run("bounded").curve.validation["weight"] == pytest.approx([1.0, 0.9] + [0.85] * 7)


def test_every_step_is_measured_and_few_are_recorded(run):
    curve = run("watched").curve
    assert curve.gradient_evaluations == [0, 4, 8]
    assert curve.train_loss[0] is None
    assert curve.validation["points"] == [1, 5, 9]
    assert curve.validation["smallest"] == pytest.approx([1, 0.9**4, 0.9**8], rel=1e-5)


def test_the_training_loss_of_every_step_is_handed_to_the_task(run):
    curve = run("followed").curve
    assert curve.validation["steps"] == [0, 4, 8]
    assert curve.validation["first"] == [0, 0.5, 0.5]
    assert curve.validation["spent"] == [0, 16, 32]


def test_a_stream_changes_task_with_the_budget_and_says_so(run):
    curve = run("stream", "plain_steps", "listener").curve
    assert Listener.heard == [0.5]
    weights, losses, plasticity = [1.0], [], []
    for step in range(8):
        away = weights[-1] - step // 4
        losses.append(0.5 * away**2)
        weights.append(weights[-1] - 0.1 * away)
        plasticity.append(1 - 0.9**2)
    halves = [sum(losses[:4]) / 4, sum(losses[4:]) / 4]
    assert curve.gradient_evaluations == [0, 4, 8]
    assert curve.validation["loss"] == pytest.approx([losses[0], *halves], rel=1e-5)
    assert curve.validation["plasticity"] == pytest.approx([0, 0.19, 0.19], rel=1e-5)


def test_a_change_of_task_comes_before_its_first_batch_and_what_it_asks_for_is_charged(run):
    cost = run("stream", "plain_steps", "numbered").cost
    assert Numbered.heard == [(1, 0.0)], "the number of the new task, and a batch of the old one"
    assert (cost.gradient_evaluations, cost.steps) == (8, 7)


def test_a_seed_decides_every_global_generator(run):
    first, second = run("bounded", "dicing_steps"), run("bounded", "dicing_steps")
    assert first.status == "completed", first.reason
    assert first.curve.validation == second.curve.validation
    assert run("bounded", "dicing_steps", seed=2).curve.validation != first.curve.validation


@pytest.mark.parametrize(
    ("method", "status"), [("plain_steps", "completed"), ("peeking_steps", "failed")]
)
def test_a_finished_trial_leaves_no_model_in_memory(run, monkeypatch, method, status):
    """Else those of some trials lie about until Python looks for them, and the next has no room."""
    models, make = [], PROBLEMS["delayed"].model

    def remembered():
        models.append(weakref.ref(model := make()))
        return model

    monkeypatch.setattr(PROBLEMS["delayed"], "model", remembered)
    warm_up()  # as workers do: what torch imports for its first optimizer keeps that one's weights
    gc.disable()
    try:
        assert run("delayed", method).status == status
        # One more was made to time a step with.
        assert models
        assert all(model() is None for model in models)
    finally:
        gc.enable()


def test_numbers_too_small_for_fast_arithmetic_are_zero(run):
    """On a CPU they take many times as long, and a method would look slow for small gradients."""
    weights = run("delayed", "shrinking_steps").curve.validation["weight"]
    assert weights == [1.0, pytest.approx(1e-20, rel=1e-5, abs=0), *[0.0] * 7]
