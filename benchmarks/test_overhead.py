"""A trial through the suite against a loop written by hand: at most 1 % slower."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.stopwatch import Stopwatch, in_turns
from suite.components import registry
from suite.training.loop import run_trial
from suite.training.repeatable import make_repeatable
from suite.training.seeds import derive
from suite.training.trial import Trial

HYPERPARAMETERS = {"lr": 1e-3, "weight_decay": 1e-2}
#: rounds of a trial by hand (7 s and 0.3 s) and one through the suite
ROUNDS = {"modular_addition": 5, "digits": 100}


def by_hand(name: str, seed: int) -> float:
    """What a researcher would write: the same model, data, fused optimizer and evaluations."""
    task = registry.get("task", name)
    problem = task.problem
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    data = problem.data(Path(), generator)
    torch.manual_seed(derive(seed, "initialization"))
    model = problem.model()
    order = torch.Generator().manual_seed(derive(seed, "batches"))
    batches = problem.batches(data.train, task.batch_size, order)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True, **HYPERPARAMETERS)
    steps = task.budget // task.batch_size
    every = steps / task.evaluations

    def evaluate():
        model.eval()
        with torch.no_grad():
            metrics = problem.evaluate(model, data.validation)
        model.train()
        return metrics

    metrics = evaluate()
    for step in range(1, steps + 1):
        inputs, targets = next(batches)
        optimizer.zero_grad()
        loss = problem.criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if step % every < 1:
            metrics = evaluate()
    return metrics[task.score.metric]


def by_suite(name: str, seed: int) -> float:
    components = (("optimizer", "adamw"),)
    trial = Trial(name, components, {"adamw": HYPERPARAMETERS}, 0, seed, "tuning")
    run = run_trial(trial).run
    assert run.status == "completed"
    return run.curve.validation[registry.get("task", name).score.metric][-1]


@pytest.mark.parametrize("name", ["modular_addition", "digits"])
def test_a_trial_costs_at_most_1_percent_more_than_by_hand(benchmark, monkeypatch, name):
    make_repeatable(1)
    assert by_suite(name, 0) == pytest.approx(by_hand(name, 0), rel=1e-5)
    watch = Stopwatch(registry.get("task", name).problem, monkeypatch)
    seconds = in_turns(
        ROUNDS[name],
        hand=lambda: watch.time(lambda: by_hand(name, 1)),
        suite=lambda: watch.time(lambda: by_suite(name, 1)),
    )
    ratio = seconds["suite"] / seconds["hand"]
    benchmark.extra_info["ratio_to_hand_written"] = ratio
    benchmark.extra_info["hand_written_seconds"] = seconds["hand"]
    benchmark.pedantic(by_suite, args=(name, 1), rounds=1)
    print(f"\n{name}: suite {seconds['suite']:.3f} s, by hand {seconds['hand']:.3f} s")
    print(f"{name}: ratio {ratio:.3f}")
    assert ratio <= 1.01
