"""Sequences of digit tasks: who belongs where, what may be predicted, and what is measured."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

from suite import NotApplicable
from suite.components import registry
from suite.data.split import Split
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.objectives import make_info, make_objective

SPLIT = registry.get("task", "split_digits")
MODULE = sys.modules["suite_tasks.continual.split_digits"]
CONTINUAL = sys.modules["suite_tasks.continual.problem"]
NAMES = (
    "split_digits",
    "split_digits_task",
    "permuted_digits_domains",
    "rotated_digits",
    "stability_gap_digits",
    "class_incremental_growth",
)


def load(name: str):
    problem = registry.get("task", name).problem
    return problem, problem.data(Path("unused"), torch.Generator().manual_seed(0))


def of_task(name: str, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first batch of a task, counted from 0."""
    problem, data = load(name)
    stream = problem.batches(data.train, 20, torch.Generator().manual_seed(1))
    stream.progress = number / problem.tasks
    return next(stream)


def trial(name: str, fraction: float = 1.0, lr: float = 1e-3):
    adamw = {"adamw": {"lr": lr, "weight_decay": 0.01}}
    return run_trial(Trial(name, (("optimizer", "adamw"),), adamw, 0, 0, "evaluation", fraction))


@pytest.mark.parametrize("name", ["split_digits", "split_digits_task"])
def test_each_task_has_two_classes(name):
    for number in range(5):
        _, targets = of_task(name, number)
        assert set(targets.tolist()) == {2 * number, 2 * number + 1}


@pytest.mark.parametrize("name", ["stability_gap_digits", "class_incremental_growth"])
def test_growing_tasks_keep_the_earlier_classes(name):
    problem, data = load(name)
    for number in range(5):
        stream = problem.batches(data.train, 200, torch.Generator().manual_seed(1))
        stream.progress = number / 5
        assert set(next(stream)[1].tolist()) == set(range(2 * number + 2))


@pytest.mark.parametrize("name", NAMES)
def test_evaluations_fall_on_the_ends_of_tasks(name):
    task = registry.get("task", name)
    steps = task.gradient_evaluations / task.problem.tasks
    assert task.evaluations % task.problem.tasks == 0
    # Also for steps that cost two batches, or two thirds of one.
    assert steps == int(steps) and steps % 6 == 0


def test_only_the_classes_of_the_own_task_count():
    scores = torch.tensor([[9.0, 0.0, 1.0, 2.0], [9.0, 0.0, 1.0, 2.0]])
    targets = torch.tensor([3, 1])
    visible, labels = CONTINUAL.among_own_task(scores, targets, classes=2)
    assert visible.tolist() == [[1.0, 2.0], [9.0, 0.0]]
    assert labels.tolist() == [1, 1]
    loss = torch.nn.functional.cross_entropy(visible, labels)
    by_hand = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(9))) / 2
    assert loss.item() == pytest.approx(by_hand)


def test_the_loss_is_that_of_other_classes_at_minus_infinity():
    problem, data = load("split_digits_task")
    outputs = problem.model()(data.train.inputs)
    loss = problem.criterion(*problem.restrict(outputs, data.train.targets))
    tasks = torch.arange(10) // 2
    others = tasks != (data.train.targets // 2)[:, None]
    masked = outputs.masked_fill(others, -math.inf)
    expected = torch.nn.functional.cross_entropy(masked, data.train.targets)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    pairs = [
        torch.autograd.grad(value, outputs, retain_graph=True)[0] for value in (loss, expected)
    ]
    torch.testing.assert_close(*pairs, rtol=1e-5, atol=1e-9)


def test_label_smoothing_smooths_over_the_classes_of_the_task():
    problem, data = load("split_digits_task")
    torch.manual_seed(0)
    model, batch = problem.model(), (data.train.inputs[:32], data.train.targets[:32])
    smoothing = registry.get("regularizer", "label_smoothing").build(epsilon=0.2)
    made = make_objective(model, batch, [smoothing], problem.criterion, restrict=problem.restrict)
    outputs, targets = problem.restrict(model(batch[0]), batch[1])
    assert outputs.shape == (32, 2)
    expected = torch.nn.functional.cross_entropy(outputs, targets, label_smoothing=0.2)
    torch.testing.assert_close(made(), expected.detach())


def test_a_slope_of_the_loss_among_the_classes_of_a_task():
    """Forward mode, as zeroth-order and forward-gradient methods use it."""
    problem, data = load("split_digits_task")
    model, batch = (
        problem.model().double(),
        (data.train.inputs[:32].double(), data.train.targets[:32]),
    )
    made = make_objective(model, batch, (), problem.criterion, restrict=problem.restrict)
    tangent = [torch.randn_like(p) for p in model.parameters()]
    _, slope = made.jvp(tangent)
    made()
    by_gradient = sum((p.grad * t).sum() for p, t in zip(model.parameters(), tangent, strict=True))
    torch.testing.assert_close(slope, by_gradient)


def test_losses_and_gradients_of_examples_are_among_the_classes_of_their_task():
    problem, data = load("split_digits_task")
    model, batch = problem.model(), (data.train.inputs[:6], data.train.targets[:6])
    made = make_objective(model, batch, (), problem.criterion, restrict=problem.restrict)
    outputs, targets = problem.restrict(model(batch[0]), batch[1])
    losses = torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
    torch.testing.assert_close(made.losses(), losses.detach())
    mean = [chunk.mean(0) for (*_, chunk) in made.per_example_gradients()]
    made()
    torch.testing.assert_close(mean[0], list(model.parameters())[-1].grad)


def test_mixup_mixes_labels_of_one_task_and_refuses_those_of_two():
    problem, data = load("split_digits_task")
    mixup = registry.get("regularizer", "mixup").build(alpha=1.0)
    own, targets = data.train.targets // 2 == 3, data.train.targets
    for chosen in (own, torch.ones_like(own)):
        model, batch = problem.model(), (data.train.inputs[chosen][:40], targets[chosen][:40])
        mixup.attach(model, make_info())
        made = make_objective(model, batch, [mixup], problem.criterion, restrict=problem.restrict)
        if chosen is own:
            inputs, labels = made.batch
            outputs, labels = problem.restrict(model(inputs), labels)
            mixed = torch.nn.functional.one_hot(labels, 2).float()
            mixed = torch.lerp(mixed[mixup._order], mixed, mixup._weight)
            expected = torch.nn.functional.cross_entropy(outputs, mixed)
            torch.testing.assert_close(made(), expected.detach())
        else:
            with pytest.raises(NotApplicable, match="are not the same"):
                made()


def test_a_classifier_of_halves_is_right_by_chance_or_always():
    """Scores that only say whether a class is even: enough where the task is known."""
    problem, data = load("split_digits_task")
    even = torch.tensor([1.0, 0.0] * 5)

    class Parity(torch.nn.Module):
        def forward(self, inputs):
            # The label is read off the images' order: a perfect judge of parity.
            scores = torch.where(data.test.targets[:, None] % 2 == 0, even, 1 - even)
            return scores[: len(inputs)]

    known = problem.evaluate(Parity(), data.test)
    unknown = SPLIT.problem.evaluate(Parity(), data.test)
    assert [known[f"accuracy_task_{n}"] for n in range(1, 6)] == [1.0] * 5
    assert [unknown[f"accuracy_task_{n}"] for n in range(1, 6)] == [
        1.0 if n == 1 else 0.0 for n in range(1, 6)
    ]


def test_versions_of_one_image_stay_in_one_split():
    problem, data = load("permuted_digits_domains")
    parts = [split.inputs[: len(split) // 5] for split in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [1000, 397, 400]
    rows = [{tuple(row) for row in part.sort(dim=1).values.tolist()} for part in parts]
    for split, own in zip((data.train, data.validation, data.test), rows, strict=True):
        found = {tuple(row) for row in split.inputs.sort(dim=1).values.tolist()}
        assert found == own
    numbers = problem.task_numbers(data.test)
    assert numbers.bincount().tolist() == [400] * 5


def test_permutations_are_whole_and_differ():
    _, data = load("permuted_digits_domains")
    versions = data.test.inputs.view(5, 400, 64)
    assert torch.equal(versions[0].sort(dim=1).values, versions[3].sort(dim=1).values)
    assert not torch.equal(versions[0], versions[1])


def test_rotation_by_a_quarter_is_exact_and_by_nothing_changes_nothing():
    images = torch.randn(3, 64)
    quarter = MODULE.rotated(images, 90.0).view(3, 8, 8)
    # The grid turns against the clock, as the picture does.
    assert torch.allclose(quarter, images.view(3, 8, 8).rot90(1, (1, 2)), atol=1e-5)
    assert torch.allclose(MODULE.rotated(images, 0.0), images, atol=1e-5)


def test_class_incremental_training_forgets_and_replay_does_not():
    forgets = trial("split_digits", lr=0.01).run.curve.test
    keeps = trial("class_incremental_growth").run.curve.test
    assert forgets["forgetting"][-1] > 0.8
    assert forgets["accuracy_task_1"][-1] < 0.1
    assert keeps["forgetting"][-1] < 0.1
    assert keeps["accuracy_task_1"][-1] > 0.9
    assert forgets["average_accuracy"][-1] == pytest.approx(
        sum(forgets[f"accuracy_task_{n}"][-1] for n in range(1, 6)) / 5, rel=1e-4
    )


def test_forward_transfer_is_measured_against_the_first_evaluation():
    curve = trial("rotated_digits").run.curve
    initial = [curve.test[f"accuracy_task_{n}"][0] for n in range(1, 6)]
    ends = [curve.gradient_evaluations.index(120.0 * n) for n in range(1, 5)]
    gains = [
        curve.test[f"accuracy_task_{n + 1}"][end] - initial[n] for n, end in enumerate(ends, 1)
    ]
    assert curve.gradient_evaluations[0] == 0.0
    assert curve.test["forward_transfer"][-1] == pytest.approx(sum(gains) / 4, rel=1e-4)
    # A digit that is turned a little more is half known already.
    assert curve.test["forward_transfer"][-1] > 0.1


def test_the_gap_is_seen_only_between_the_recorded_evaluations():
    curve = trial("stability_gap_digits").run.curve.test
    recorded = min(curve["accuracy_task_1"][5:])
    assert curve["min_acc"][-1] < recorded - 0.02
    assert curve["forgetting"][-1] < 0.05
    last = curve["accuracy_task_5"][-1]
    worst = curve["min_acc"][-1]
    assert curve["wc_acc"][-1] == pytest.approx(last / 5 + worst * 4 / 5, rel=1e-4)


def test_a_batch_of_a_domain_is_of_that_domain():
    problem, data = load("rotated_digits")
    members = problem.task_numbers(data.train) == 2
    known = {tuple(row) for row in data.train.inputs[members].tolist()}
    inputs, _ = of_task("rotated_digits", 2)
    assert {tuple(row) for row in inputs.tolist()} <= known
    assert isinstance(data.train, Split)
