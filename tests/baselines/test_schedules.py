"""Schedules at points where their value is known, and everywhere within bounds."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Mapping

import pytest

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial

NAMES = registry.names("schedule")
EDGE = math.nextafter(1.0, 0.0)


def factor(name: str):
    return registry.get("schedule", name).build


def corners(name: str) -> list[dict]:
    """Every combination of the ends of the search space, and the defaults."""
    component = registry.get("schedule", name)
    ends = {n: d.choices or (d.low, d.high) for n, d in component.search.items()}
    found = [dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values())]
    return [component.defaults, *found]


def test_all_are_found():
    assert {"constant", "cosine", "linear_decay", "sgdr"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_declaration(name):
    component = registry.get("schedule", name)
    assert component.path.stem == name
    assert component.summary.endswith(".")
    assert re.search(r"\b(19|20)\d\d, \w", component.paper)
    arguments = set(inspect.signature(component.build).parameters)
    assert arguments == {"progress", *component.defaults}
    assert component.url.startswith("https://")


@pytest.mark.parametrize("name", NAMES)
def test_between_zero_and_one_for_any_progress_and_corner(name):
    points = [0.0, 1e-12, *(i / 997 for i in range(997)), EDGE]
    for hyperparameters in corners(name):
        for progress in points:
            answer = factor(name)(progress, **hyperparameters)
            values = answer.values() if isinstance(answer, Mapping) else [answer]
            assert all(0.0 <= value <= 1.0 for value in values), (progress, hyperparameters)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits(name):
    components = (("optimizer", "adamw"), ("schedule", name))
    values = {c: registry.get(kind, c).defaults for kind, c in components}
    trial = Trial("modular_addition", components, values, 0, 7, "evaluation", 0.02)
    first, second = run_trial(trial).run, run_trial(trial).run
    assert first.status == "completed", first.reason
    exclude = {"seconds"}
    assert first.curve.model_dump(exclude=exclude) == second.curve.model_dump(exclude=exclude)


def test_constant():
    assert [factor("constant")(p) for p in (0.0, 0.5, EDGE)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("progress", "warmup", "final", "value"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (0.5, 0.0, 0.0, 0.5),
        (1 / 3, 0.0, 0.0, 0.75),
        (EDGE, 0.0, 0.0, 0.0),
        (EDGE, 0.1, 0.2, 0.2),
        (0.5, 0.0, 0.2, 0.6),
        (0.0, 0.1, 0.0, 0.0),
        (0.05, 0.1, 0.0, 0.5),
        (0.1, 0.1, 0.0, 1.0),
        (0.55, 0.1, 0.0, 0.5),
    ],
)
def test_cosine(progress, warmup, final, value):
    assert factor("cosine")(progress, warmup=warmup, final=final) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("progress", "warmup", "value"),
    [
        (0.0, 0.0, 1.0),
        (0.25, 0.0, 0.75),
        (EDGE, 0.0, 0.0),
        (0.0, 0.2, 0.0),
        (0.1, 0.2, 0.5),
        (0.2, 0.2, 1.0),
        (0.6, 0.2, 0.5),
        (EDGE, 0.2, 0.0),
    ],
)
def test_linear_decay(progress, warmup, value):
    assert factor("linear_decay")(progress, warmup=warmup) == pytest.approx(value, abs=1e-9)


def test_sgdr_restarts_where_the_lengths_say():
    # Three cycles of lengths 1, 2 and 4 sevenths.
    starts, middles = [0.0, 1 / 7, 3 / 7], [0.5 / 7, 2 / 7, 5 / 7]
    value = factor("sgdr")
    for start, middle in zip(starts, middles, strict=True):
        assert value(start + 1e-12, cycles=3, t_mult=2) == pytest.approx(1.0)
        assert value(middle, cycles=3, t_mult=2) == pytest.approx(0.5)
    for start in starts[1:]:
        assert value(start - 1e-9, cycles=3, t_mult=2) == pytest.approx(0.0, abs=1e-9)
    assert value(EDGE, cycles=3, t_mult=2) == pytest.approx(0.0, abs=1e-9)


def test_sgdr_with_one_cycle_is_the_cosine():
    for progress in (0.0, 0.1, 0.5, 0.9, EDGE):
        one = factor("sgdr")(progress, cycles=1, t_mult=3)
        assert one == pytest.approx(factor("cosine")(progress, warmup=0.0, final=0.0))
