"""The rules of scaling of the repository: what each predicts, by its paper's formula."""

from __future__ import annotations

import math

import pytest

from suite.components import registry
from suite.components.method import parse_method
from suite.studies.sweep import grid, transfer_rules
from suite.studies.transfer_studies import resolved

RULES = {rule.name: resolved(rule) for rule in registry.load_all("rule")[0]}
#: by rule, the predicted factors of its sizes
EXPECTED = {
    "adam_square_root": [0.5, 2.0],
    "adamw_timescale": [0.25, 4.0],
    "convex_bound": [0.5],
    "ema_scaling": [2.0],
    "momentum_effective_rate": [0.2],
    "mup_adam": [1.0],
    "quadratic_synchronization": [(5 / 4) ** 2, (5 / 6) ** 2],
    "regime_adaptation": [math.sqrt(5)],
    "standard_width": [128 / 512],
}


def test_every_rule_has_its_factors_here():
    assert set(RULES) == {*EXPECTED, "surge"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_rule_predicts_what_its_paper_says(name):
    transfer = RULES[name]
    factors = [transfer.factor(number) for number in transfer.predicted]
    assert factors == pytest.approx(EXPECTED[name])


def law(noise: float, batch: float) -> float:
    """Li et al. 2024: the best rate for batches of this size, up to a constant."""
    return 1 / (0.5 * (math.sqrt(noise / batch) + math.sqrt(batch / noise)))


@pytest.mark.parametrize("noise", [0.5, 8.0, 11.3, 20.0, 64.0, 2000.0])
def test_the_surge_is_recovered_from_one_factor(noise):
    transfer = RULES["surge"]
    base, known, size = (size.batch_size for size in transfer.sizes)
    measured = law(noise, known) / law(noise, base)
    assert transfer.factor(2, measured) == pytest.approx(law(noise, size) / law(noise, base))


@pytest.mark.parametrize(("measured", "factor"), [(9.0, 4.0), (2.0, 4.0), (0.1, 0.25)])
def test_a_surge_that_no_batch_explains_is_at_an_end_of_the_law(measured, factor):
    # From 8 to 32 the law gives factors between 1/2 and 2, from 8 to 128 between 1/4 and 4.
    assert RULES["surge"].factor(2, measured) == pytest.approx(factor)


@pytest.mark.parametrize("transfer", RULES.values(), ids=list(RULES))
def test_a_rule_sweeps_around_its_default_and_says_how_it_deviates(transfer):
    rule = transfer.rule
    space = parse_method(rule.method).distributions()
    for size in transfer.sizes:
        rules = transfer_rules(space, rule.hyperparameter, rule.bounds, size.sets)
        assert 5 <= len(grid(space, rules.swept)) - 1 <= 14
    assert "Deviates from the paper:" in rule.predicts.__doc__
    assert rule.predicts.__name__ == rule.name


@pytest.mark.parametrize("transfer", RULES.values(), ids=list(RULES))
def test_sizes_differ_in_what_the_rule_is_about_alone(transfer):
    base, *others = (registry.get("task", size.task) for size in transfer.sizes)
    for task in others:
        assert type(task.problem) is type(base.problem)
        assert (task.score, task.target) == (base.score, base.target)
