"""Columns from the stored trials, against values computed by hand."""

from __future__ import annotations

import math

import pytest

from leaderboard.references import Reference
from leaderboard.tuning import trials_needed, tuned_threshold, tuning_facts
from tests.samples import make_reference, make_result

SCALE = Reference(**make_reference("digits", 0.2, 0.7))


def with_trials(*replicates, method="adamw", status=()):
    """A result whose trials have these validation scores; the best one is chosen."""
    result = make_result(method=method)
    changed = []
    for replicate, scores in zip(result.replicates, replicates, strict=True):
        tuning = [
            run.model_copy(
                update={"validation_score": score, "status": dict(status).get(score, "completed")}
            )
            for run, score in zip(replicate.tuning, scores, strict=True)
        ]
        chosen = max(range(len(scores)), key=lambda i: scores[i])
        changed.append(replicate.model_copy(update={"tuning": tuning, "chosen": chosen}))
    return result.model_copy(update={"replicates": changed})


TRIALS = [
    [0.45, 0.2, 0.7, 0.1, 0.2, 0.2],
    [0.45, 0.2, 0.2, 0.2, 0.2, 0.95],
    [0.20, 0.2, 0.2, 0.7, 0.2, 0.2],
]


def test_out_of_the_box_tuned_and_gain():
    facts = tuning_facts(with_trials(*TRIALS), SCALE)
    assert facts.out_of_the_box == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    assert facts.tuned == pytest.approx((1.0 + 1.5 + 1.0) / 3)
    assert facts.gain == pytest.approx(2.5 / 3)


def test_sensitivity_is_what_a_drawn_trial_loses():
    facts = tuning_facts(with_trials(*TRIALS), SCALE)
    # Clipped: 0.1 counts as untuned, 0.95 as 1.2. The best is among the five drawn ones.
    losses = [1.0, 0.0, 1.0, 1.0, 1.0, 1.2, 1.2, 1.2, 1.2, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    assert facts.sensitivity == pytest.approx(sum(losses) / 15)
    same = tuning_facts(with_trials(*[[0.7] * 6] * 3), SCALE)
    assert same.sensitivity == 0.0


def test_the_share_of_trials_that_did_not_complete():
    facts = tuning_facts(with_trials(*TRIALS, status={0.45: "diverged", 0.1: "failed"}), None)
    assert facts.failed == pytest.approx(3 / 18)
    assert (facts.out_of_the_box, facts.tuned, facts.gain, facts.effects) == (None, None, None, [])


def test_trials_needed():
    # The defaults of no replicate reach it, 3 of the 15 drawn trials do: 1 + 15 / 3.
    assert trials_needed(with_trials(*TRIALS), 0.7) == pytest.approx(6.0)
    # The defaults of two replicates reach 0.45, those of the third do not.
    assert trials_needed(with_trials(*TRIALS), 0.45) == pytest.approx((1 + 1 + 6) / 3)
    assert trials_needed(with_trials(*TRIALS), 0.1) == 1.0
    assert trials_needed(with_trials(*TRIALS), 0.99) == math.inf


def test_a_failed_trial_reaches_nothing():
    result = with_trials(*TRIALS, status={0.45: "timeout"})
    assert trials_needed(result, 0.45) == pytest.approx(6.0)


def test_the_threshold_is_adamws_own_validation_score_but_five_percent_of_the_scale():
    tuned = (0.7 + 0.95 + 0.7) / 3
    assert tuned_threshold(with_trials(*TRIALS), SCALE) == pytest.approx(tuned - 0.05 * 0.5)


def test_where_lower_is_better_a_low_score_reaches_it():
    result = make_result("lm_markov")
    best = min(run.validation_score for run in result.tuning_runs)
    worst = max(run.validation_score for run in result.tuning_runs)
    assert trials_needed(result, worst) == 1.0
    assert trials_needed(result, best - 0.01) == math.inf
    scale = Reference(**make_reference("lm_markov", 3.0, 2.0))
    chosen = [each.chosen_run.validation_score for each in result.replicates]
    assert tuned_threshold(result, scale) == pytest.approx(sum(chosen) / 3 + 0.05)


def test_an_effect_knows_what_a_hyperparameter_explains():
    """Scores are made of the learning rate alone: a parabola in its logarithm."""
    result = make_result()
    replicates = []
    for replicate in result.replicates:
        tuning = []
        for run in replicate.tuning:
            rate = run.hyperparameters["adamw"]["lr"]
            score = 0.7 - 0.01 * (math.log10(rate) + 3) ** 2
            tuning.append(run.model_copy(update={"validation_score": score}))
        replicates.append(replicate.model_copy(update={"tuning": tuning}))
    facts = tuning_facts(result.model_copy(update={"replicates": replicates}), SCALE)
    rate, decay = facts.effects
    assert (rate.component, rate.name, decay.name) == ("adamw", "lr", "weight_decay")
    assert rate.explained == pytest.approx(1.0)
    assert decay.explained < 0.6
    assert len(rate.values) == len(rate.scores) == 18
    assert rate.replicates == [0] * 6 + [1] * 6 + [2] * 6
    assert rate.trials == [0, 1, 2, 3, 4, 5] * 3


def test_scores_that_never_change_are_explained_by_nothing():
    facts = tuning_facts(with_trials(*[[0.7] * 6] * 3), SCALE)
    assert [effect.explained for effect in facts.effects] == [0.0, 0.0]


def test_few_trials_explain_nothing():
    facts = tuning_facts(make_result(protocol="smoke"), SCALE)
    assert [effect.explained for effect in facts.effects] == [None, None]
    assert facts.sensitivity is None
