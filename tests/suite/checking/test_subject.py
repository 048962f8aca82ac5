from __future__ import annotations

import pytest

from suite import search
from suite.checking.subject import MOST_VALUES, Subject
from suite.components import registry
from tests.checked import Descent, component


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (search.choice(True, False, default=True), [False]),
        (search.choice(0.0, 0.5, 0.9, default=0.9), [0.0, 0.5]),
        (search.integer(1, 3, default=2), [3, 1]),
        (search.uniform(0.0, 1.0, default=0.0), [0.5, 1.0]),
        (search.uniform(0.0, 1.0, default=0.5), [0.75, 0.25, 1.0, 0.0]),
        (search.log_uniform(1.0, 100.0, default=1.0), [10.0, 100.0]),
        (search.choice(*range(20), default=0), [1, 2, 3, 4, 5]),
    ],
)
def test_other_values_are_in_the_space_and_not_the_default(space, values):
    subject = Subject(component(Descent, space={"value": space}))
    found = subject.other_values("value")
    assert found == values
    assert [type(v) for v in found] == [type(v) for v in values]
    assert len(found) <= MOST_VALUES


def test_a_regularizer_is_tried_around_two_optimizers():
    ways = Subject(component(Descent, "regularizer")).ways
    assert [way.said for way in ways] == ["around AdamW", "around SGD"]
    assert all(way.names[-1] == ("regularizer", "under_test") for way in ways)


def test_nothing_stays_registered():
    subject = Subject(component(Descent))
    before = dict(registry._registry.found)
    with subject.registered():
        assert registry.get("optimizer", "under_test") is subject.component
    assert registry._registry.found == before


def test_an_optimizer_without_its_parts_takes_its_own_hyperparameters():
    space = {
        "lr": search.log_uniform(1e-3, 1.0, default=0.1),
        "rest": search.uniform(0.0, 1.0, default=0.5),
    }
    whole = component(Descent, space=space, schedules=(lambda progress, rest: rest,))
    alone = Subject(whole).without_parts().component
    assert list(alone.search) == ["lr"]
    assert alone.schedules == ()
    plain = Subject(component(Descent))
    assert plain.without_parts() is plain
