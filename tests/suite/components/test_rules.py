"""Rules of scaling are checked when they are declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite import Size, rule
from suite.components import registry
from suite.components.rules import Transfer
from suite.errors import UsageError

GOOD = {
    "paper": "Them 2026, A Rule",
    "url": "u",
    "place": "abstract",
    "method": "mine",
    "hyperparameter": "lr",
    "sizes": ["small", ("large", {"momentum": 0.5})],
}


def doubles(size: Size, base: Size) -> float:
    """The best rate doubles."""
    return 2.0


@pytest.fixture(autouse=True)
def _alone():
    with registry.separate():
        yield


def test_a_rule_is_registered_as_it_is_declared():
    rule("mine", doubles, **GOOD, bounds=(0.01, 1))
    found = registry.get("rule", "mine")
    assert found.summary == "The best rate doubles."
    assert found.sizes == (("small", {}), ("large", {"momentum": 0.5}))
    assert found.bounds == (0.01, 1.0)
    assert (found.kind, found.quantity, found.fitted, found.version) == ("rule", "value", False, 1)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"place": " "}, "place is a text that is not empty"),
        ({"method": 3}, "method is a text"),
        ({"sizes": "small"}, "sizes is a list of at least 2 tasks, the base and more, not 'small'"),
        ({"sizes": ["small"]}, "at least 2 tasks"),
        ({"sizes": ["small", "small"]}, "a size is given twice"),
        ({"sizes": ["small", ("large", 3)]}, "a pair of it and a dict of hyperparameters"),
        ({"sizes": ["small", ("large", {"lr": 0.1})]}, "lr is swept, and no size gives it a value"),
        ({"bounds": (1.0, 0.1)}, "bounds is a pair of numbers, 0 < low < high, not \\(1.0, 0.1\\)"),
        ({"bounds": 3}, "bounds is a pair"),
        ({"quantity": "root"}, "quantity is one of value, forgetting, not 'root'"),
        ({"fitted": 1}, "fitted is True or False"),
        ({"fitted": True}, "doubles is called with 4 arguments: def doubles\\(size, base, known"),
        ({"version": 0}, "version is a whole number from 1"),
    ],
)
def test_a_mistake_is_told_with_the_rule(changes, complaint):
    with pytest.raises(UsageError, match=complaint) as caught:
        rule("mine", doubles, **{**GOOD, **changes})
    assert "rule 'mine': " in str(caught.value)


def test_a_fitted_rule_has_a_third_size():
    def known(size, base, known, factor):
        return factor

    with pytest.raises(UsageError, match="the base, one that fixes the constant, and more"):
        rule("mine", known, **GOOD, fitted=True)


def transfer(predicts=doubles, **changes) -> Transfer:
    rule("mine", predicts, **{**GOOD, **changes})
    found = registry.get("rule", "mine")
    sizes = tuple(Size(task, 10, 100, sets=sets) for task, sets in found.sizes)
    return Transfer(found, sizes, ("p",) * len(sizes))


def test_sizes_of_one_task_are_told_apart_by_what_they_set():
    sets = [("small", {"momentum": m, "nesterov": False}) for m in (0.5, 0.9)]
    two = transfer(sizes=[*sets, "large"])
    assert [two.label(i) for i in range(3)] == [
        "small, momentum=0.5",
        "small, momentum=0.9",
        "large",
    ]
    assert two.predicted == (1, 2)


def test_a_factor_is_a_positive_number():
    assert transfer().factor(1) == 2.0
    with pytest.raises(ValueError, match="rule mine predicts -1 for large"):
        transfer(lambda size, base: -1).factor(1)


def test_steps_are_of_one_batch():
    assert Size("small", batch_size=25, budget=1000).steps == 40


def test_a_rule_is_found_in_its_folder():
    assert Path("baselines/rules").name in {Path(f).name for f in registry.discovery.FOLDERS}
