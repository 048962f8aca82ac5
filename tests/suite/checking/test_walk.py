from __future__ import annotations

import pytest
import torch

from suite import Regularizer
from suite.checking.grounds import STEPS, complex_numbers, grounds, longer, shapes
from suite.checking.subject import Subject
from suite.checking.walk import Saved, Walk, bits, first_difference, same
from tests.checked import Descent, component


class Watches(Regularizer):
    """Writes down what it is told."""

    def __init__(self):
        self.seen, self.tasks = [], []

    def after_step(self, model, optimizer):
        self.seen.append((self.progress, self.objective.progress))

    def on_task_change(self, model, task):
        self.tasks.append(task)

    def average(self, weights):
        return {name: weight * 0.5 for name, weight in weights.items()}

    def around_step(self, step, objective):
        step()
        return step()


def walked(task, kind="optimizer", build=Descent, way=0, **how):
    subject = Subject(component(build, kind))
    with subject.registered(task):
        walk = Walk(subject.ways[way], task, **how)
        return walk, walk.trajectory()


@pytest.mark.parametrize("task", [*grounds(), shapes(), complex_numbers()], ids=lambda t: t.name)
def test_every_ground_can_be_learned(task):
    subject = Subject(component(torch.optim.Adam, space={}))
    with subject.registered(task):
        walk = Walk(subject.ways[0], longer(task, 300)).start()
        losses = []
        for _ in range(300):
            walk.step()
            losses.append(float(walk.objective.last_loss))
    assert sum(losses[-8:]) < 0.95 * sum(losses[:8])


def test_a_walk_is_repeated_to_the_bit_and_a_difference_has_a_number():
    task = grounds()[0]
    _, one = walked(task)
    _, two = walked(task)
    assert all(map(same, one, two))
    subject = Subject(component(Descent))
    with subject.registered(task):
        assert first_difference(Walk(subject.ways[0], task), one) is None
        one[4] = one[5]
        assert first_difference(Walk(subject.ways[0], task), one) == 5


def test_progress_follows_the_steps_whatever_a_step_costs():
    stream = next(task for task in grounds() if task.stream)
    walk, found = walked(stream, "regularizer", Watches)
    (regularizer,) = walk.parts.regularizers
    assert len(found) == STEPS
    assert regularizer.tasks == [1, 2, 3]
    own = [progress for progress, _ in regularizer.seen]
    assert own == pytest.approx([n / STEPS for n in range(STEPS)])
    of_objective = [progress for _, progress in regularizer.seen]
    assert of_objective == pytest.approx(own, abs=1e-2)


def test_the_weights_to_evaluate_with_are_evaluated():
    task = grounds()[0]
    walk, found = walked(task, "regularizer", Watches)
    alone, other = walked(
        task, "regularizer", type("Plain", (Watches,), {"average": lambda s, w: w})
    )
    assert torch.equal(bits(walk.module), bits(alone.module))
    assert found[-1][1] != other[-1][1]


def test_a_saved_walk_goes_on_with_batches_and_random_numbers():
    task = grounds()[0]
    subject = Subject(component(Descent))
    with subject.registered(task):
        way = subject.ways[0]
        expected = Walk(way, task).trajectory()
        first = Walk(way, task).start()
        for _ in range(5):
            first.step()
        saved = Saved(first)
        second = Walk(way, task, batches=first.batches)
        saved.load(second)
        second.step()
        assert same(second.show(), expected[5])


def test_bits_distinguish_what_numbers_do_not():
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
        zero = bits(model)
        model.weight.fill_(-0.0)
        assert not torch.equal(zero, bits(model))
        model.weight.fill_(float("nan"))
        assert torch.equal(bits(model), bits(model))
