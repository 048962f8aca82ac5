"""Proposals depend on earlier scores in trial order, and on nothing else."""

from __future__ import annotations

import pytest

from suite import search
from suite.studies.protocol import PROTOCOLS, get_protocol
from suite.studies.tuning import best, propose

SPACE = {
    "a.lr": search.log_uniform(1e-5, 1.0, default=1e-3),
    "a.layers": search.integer(1, 9, default=2),
    "a.kind": search.choice("x", "y", "z", default="y"),
}
STANDARD = PROTOCOLS["standard"]


def loss(flat):
    return abs(flat["a.layers"] - 7) + abs(flat["a.lr"] - 0.1) + (flat["a.kind"] != "z")


def study(seed, trials=20):
    history = []
    while len(history) < trials:
        proposed = propose(SPACE, STANDARD, seed, "minimize", history)
        assert len(proposed) == STANDARD.generation
        history += [(flat, loss(flat)) for flat in proposed]
    return history


def test_trial_0_is_the_defaults():
    for rules in PROTOCOLS.values():
        first = propose(SPACE, rules, 3, "minimize", [])
        assert first[0] == {"a.lr": 1e-3, "a.layers": 2, "a.kind": "y"}
        assert len(first) == min(rules.generation, rules.trials)


def test_the_same_history_gives_the_same_generation():
    history = study(5, trials=8)
    once = propose(SPACE, STANDARD, 5, "minimize", history)
    assert once == propose(SPACE, STANDARD, 5, "minimize", history)
    assert once != propose(SPACE, STANDARD, 6, "minimize", history)


def test_the_sampler_learns():
    """Past its random start-up it proposes better configurations, on average over seeds."""
    early, late = 0.0, 0.0
    for seed in range(6):
        history = study(seed)
        early += sum(score for _, score in history[1:8]) / 7
        late += sum(score for _, score in history[12:]) / 8
    assert late < 0.8 * early


def test_an_unfinished_generation_is_refused():
    with pytest.raises(ValueError, match="not finished"):
        propose(SPACE, STANDARD, 0, "minimize", study(0, trials=4)[:3])


def test_a_space_without_hyperparameters_proposes_the_same_each_time():
    assert propose({}, PROTOCOLS["quick"], 0, "maximize", []) == [{}] * 6


def test_best_takes_the_earliest_among_equals():
    assert best([3.0, 1.0, 1.0], higher_is_better=False) == 1
    assert best([3.0, 1.0, 3.0], higher_is_better=True) == 0


def test_protocols_are_as_published():
    facts = {n: (p.trials, p.seeds, p.budget_fraction, p.ranked) for n, p in PROTOCOLS.items()}
    assert facts == {
        "smoke": (1, 1, 0.05, False),
        "quick": (6, 3, 1.0, True),
        "standard": (20, 5, 1.0, True),
    }
    with pytest.raises(Exception, match="Did you mean 'quick'"):
        get_protocol("quik")
