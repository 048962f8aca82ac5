"""Proposals depend on earlier scores in trial order, and on nothing else."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from suite import search
from suite.studies.protocol import PROTOCOLS, get_protocol
from suite.studies.tuning import best, propose

SPACE = {
    "a.lr": search.log_uniform(1e-5, 1.0, default=1e-3),
    "a.layers": search.integer(1, 9, default=2),
    "a.kind": search.choice("x", "y", "z", default="y"),
}
STANDARD = PROTOCOLS["standard"]
#: as long as it takes TPE to learn
TPE = replace(STANDARD, sampler="tpe", trials=20, generation=4)


def loss(flat):
    return abs(flat["a.layers"] - 7) + abs(flat["a.lr"] - 0.1) + (flat["a.kind"] != "z")


def study(seed, trials=20, rules=TPE):
    history = []
    while len(history) < trials:
        proposed = propose(SPACE, rules, seed, "minimize", history)
        assert len(proposed) == rules.generation
        history += [(flat, loss(flat)) for flat in proposed]
    return history


@pytest.mark.parametrize("sampler", ["sobol", "tpe"])
def test_trial_0_is_the_defaults(sampler):
    for rules in PROTOCOLS.values():
        first = propose(SPACE, replace(rules, sampler=sampler), 3, "minimize", [])
        assert first[0] == {"a.lr": 1e-3, "a.layers": 2, "a.kind": "y"}
        assert len(first) == min(rules.generation, rules.trials)


@pytest.mark.parametrize("rules", [TPE, replace(TPE, sampler="sobol")])
def test_the_same_history_gives_the_same_generation(rules):
    history = study(5, trials=8, rules=rules)
    once = propose(SPACE, rules, 5, "minimize", history)
    assert once == propose(SPACE, rules, 5, "minimize", history)
    assert once != propose(SPACE, rules, 6, "minimize", history)


def points(seed, rules=STANDARD, space=SPACE):
    return propose(space, rules, seed, "minimize", [])[1:]


@pytest.mark.parametrize("seed", range(20))
def test_every_hyperparameter_is_spread_evenly(seed):
    """Seven points of a Sobol sequence lie in seven of eight equal parts of each range."""
    found = points(seed)
    assert len(found) == 7
    decades = [math.log10(flat["a.lr"] / 1e-5) / 5 for flat in found]
    assert len({int(8 * share) for share in decades}) == 7
    assert max(Counter(flat["a.layers"] for flat in found).values()) <= 2
    kinds = Counter(flat["a.kind"] for flat in found)
    assert set(kinds) == {"x", "y", "z"}
    assert max(kinds.values()) <= 4
    signs = Counter(flat["a.on"] for flat in points(seed, space={"a.on": FLAG}))
    assert sorted(signs.values()) == [3, 4]


FLAG = search.choice(True, False, default=True)


def test_every_value_is_equally_likely_over_seeds():
    flats = [flat for seed in range(300) for flat in points(seed)]
    layers = Counter(flat["a.layers"] for flat in flats)
    assert set(layers) == set(range(1, 10))
    assert max(layers.values()) < 1.25 * min(layers.values())
    assert sum(flat["a.lr"] < 10**-2.5 for flat in flats) / len(flats) == pytest.approx(
        0.5, abs=0.02
    )
    uniform = {"a.beta": search.uniform(0.9, 1.0, default=0.9)}
    betas = [flat["a.beta"] for seed in range(300) for flat in points(seed, space=uniform)]
    assert sum(betas) / len(betas) == pytest.approx(0.95, abs=0.001)
    assert min(betas) < 0.901 < 0.999 < max(betas)


def test_values_stay_in_their_range_when_they_are_rounded():
    high = 1 / 3
    space = {"a.lr": search.uniform(high * (1 - 1e-12), high, default=high)}
    for seed in range(50):
        assert all(space["a.lr"].low <= flat["a.lr"] <= high for flat in points(seed, space=space))


def test_the_trials_of_quick_are_the_first_of_standard():
    assert points(4, PROTOCOLS["quick"]) == points(4)[:5]


def test_scores_change_no_proposal_of_the_sequence():
    rules = replace(STANDARD, generation=4)
    first = propose(SPACE, rules, 1, "minimize", [])
    later = [
        propose(SPACE, rules, 1, "minimize", [(flat, score(flat)) for flat in first])
        for score in (loss, lambda flat: 0.0)
    ]
    assert first + later[0] == propose(SPACE, STANDARD, 1, "minimize", [])
    assert later[0] == later[1]


def test_proposals_draw_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    points(3)
    assert torch.equal(before, torch.get_rng_state())


def test_proposals_are_as_published():
    """Under protocol version 2 for ever: published results are checked against them."""
    first, second, *_ = points(0)
    assert first == {"a.lr": 0.127133, "a.layers": 4, "a.kind": "z"}
    assert second == {"a.lr": 7.40948e-05, "a.layers": 9, "a.kind": "x"}


def test_tpe_learns():
    """Past its random start-up it proposes better configurations, on average over seeds."""
    early, late = 0.0, 0.0
    for seed in range(6):
        history = study(seed)
        early += sum(score for _, score in history[1:8]) / 7
        late += sum(score for _, score in history[12:]) / 8
    assert late < 0.8 * early


def test_an_unfinished_generation_is_refused():
    with pytest.raises(ValueError, match="not finished"):
        propose(SPACE, TPE, 0, "minimize", study(0, trials=4)[:3])


def test_a_space_without_hyperparameters_proposes_the_same_each_time():
    assert propose({}, PROTOCOLS["quick"], 0, "maximize", []) == [{}] * 6


def test_best_takes_the_earliest_among_equals():
    assert best([3.0, 1.0, 1.0], higher_is_better=False) == 1
    assert best([3.0, 1.0, 3.0], higher_is_better=True) == 0


def test_protocols_are_as_published():
    facts = {
        n: (p.version, p.replicates, p.trials, p.seeds, p.budget_fraction, p.ranked)
        for n, p in PROTOCOLS.items()
    }
    assert facts == {
        "smoke": (2, 1, 1, 1, 0.05, False),
        "quick": (2, 3, 6, 1, 1.0, True),
        "standard": (2, 5, 8, 2, 1.0, True),
    }
    assert {p.sampler for p in PROTOCOLS.values()} == {"sobol"}
    assert [p.runs for p in PROTOCOLS.values()] == [2, 21, 50]
    with pytest.raises(Exception, match="Did you mean 'quick'"):
        get_protocol("quik")
