"""Claims are decided from results by the written rule."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from leaderboard.claims import Comparison, decide, judge
from leaderboard.references import Reference
from leaderboard.statistics import Interval
from suite import Claim
from suite.components.claims import Stated
from suite.results.frames import Stored
from tests.samples import make_reference, make_result, with_diagnostics

#: 0 is an accuracy of 0.2, 1 one of 0.7
REFERENCES = {"digits": Reference(**make_reference("digits", 0.2, 0.7))}
COMPONENT = SimpleNamespace(name="lion", paper="a paper")


def claim(**changes):
    fields = {
        "says": "s", "task": "digits", "rival": "adamw", "measure": "score", "expect": "better",
        "number": "n", "place": "p", **changes,
    }  # fmt: skip
    return Claim(**fields)


def stated(**changes):
    return Stated(COMPONENT, claim(**changes))


def study(method, scores, task="digits", **fields):
    """A result under `quick`, whose three replicates have these scores."""
    return make_result(task, method, scores=scores, **fields)


def changed(result, change):
    """The result with `change(run)`, a dictionary of fields, made to every run of it."""
    replicates = [
        replicate.model_copy(
            update={
                name: [run.model_copy(update=change(run)) for run in runs]
                for name, runs in replicate.by_purpose()
            }
        )
        for replicate in result.replicates
    ]
    return result.model_copy(update={"replicates": replicates})


def with_times(result, *times):
    """The result with these times to target, one for each replicate, None for a miss."""
    seeds = [replicate.seed for replicate in result.replicates]
    by_seed = dict(zip(seeds, times, strict=True))
    replicates = [
        replicate.model_copy(
            update={
                "evaluation": [
                    run.model_copy(update={"time_to_target": by_seed[replicate.seed]})
                    for run in replicate.evaluation
                ]
            }
        )
        for replicate in result.replicates
    ]
    return result.model_copy(update={"replicates": replicates})


def verdict(one, *results):
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    return decide([one], stored, REFERENCES)[0]


# -- the rule -------------------------------------------------------------------------------------

FIVE = math.log(5)


@pytest.mark.parametrize(
    ("expect", "low", "high", "outcome"),
    [
        ("better", 0.1, 0.3, "reproduced"),
        ("better", -0.3, -0.1, "not reproduced"),
        ("better", -0.1, 0.3, "undecided"),
        ("better", -0.04, 0.04, "not reproduced"),  # equal, with a margin of 0.05
        ("better", 0.01, 0.04, "reproduced"),  # a small difference is one
        ("worse", -0.3, -0.1, "reproduced"),
        ("worse", 0.1, 0.3, "not reproduced"),
        ("equal", -0.04, 0.04, "reproduced"),
        ("equal", 0.01, 0.3, "undecided"),
        ("equal", 0.06, 0.3, "not reproduced"),
        ("equal", -0.3, -0.06, "not reproduced"),
        ("not_worse", -0.04, 0.9, "reproduced"),
        ("not_worse", -0.3, 0.9, "undecided"),
        ("not_worse", -0.3, -0.06, "not reproduced"),
    ],
)
def test_the_interval_decides_a_direction_or_equality(expect, low, high, outcome):
    compared = Comparison(Interval((low + high) / 2, low, high), 0.05)
    assert judge(claim(expect=expect), compared)[0] == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (4.0, 7.0, "reproduced"),  # 5 is inside
        (6.0, 9.0, "reproduced"),
        (1.5, 9.0, "undecided"),  # inside, but below the square root of 5 as well
        (2.0, 4.0, "not reproduced"),
        (0.2, 0.5, "not reproduced"),
        (3.0, math.inf, "undecided"),  # the rival missed: at least 3 times
        (5.5, math.inf, "reproduced"),
        (0.0, 4.0, "not reproduced"),  # the method missed: at most 4 times
        (0.0, math.inf, "undecided"),
    ],
)
def test_the_interval_decides_a_factor(low, high, outcome):
    ends = [math.log(end) if end else -math.inf for end in (low, high)]
    compared = Comparison(Interval(0.0, *ends), math.log(1.25), FIVE)
    one = claim(measure="time_to_target", expect="better", factor=5.0)
    assert judge(one, compared)[0] == outcome


def test_a_claim_of_a_lower_value_turns_the_sides():
    one = claim(measure="time_to_target", expect="worse", factor=5.0)
    compared = Comparison(Interval(0.0, -math.log(7), -math.log(4)), math.log(1.25), FIVE)
    assert judge(one, compared)[0] == "reproduced"


def test_without_a_scale_nothing_counts_as_equal():
    compared = Comparison(Interval(0.0, -0.001, 0.001), None)
    assert judge(claim(expect="equal"), compared)[0] == "undecided"
    assert judge(claim(), compared)[0] == "undecided"


# -- from results ---------------------------------------------------------------------------------

LION = study("lion", [0.80, 0.82, 0.81])
ADAMW = study("adamw", [0.70, 0.71, 0.72])


def test_scores_are_paired_by_replicate_and_on_the_task_s_scale():
    found = verdict(stated(), LION, ADAMW)
    assert found.outcome == "reproduced"
    # Differences of 0.10, 0.11 and 0.09, of a scale of 0.5; t with 2 degrees of freedom is 4.303.
    half = 4.3027 * 0.01 / math.sqrt(3) / 0.5
    assert found.estimate == pytest.approx((0.2, 0.2 - half, 0.2 + half), rel=1e-4)
    assert (found.unit, found.replicates) == ("of the task's scale", 3)
    assert (found.protocol, len(found.evidence)) == ("quick", 2)
    opposite = Stated(SimpleNamespace(name="adamw", paper="p"), claim(rival="lion"))
    assert verdict(opposite, LION, ADAMW).outcome == "not reproduced"


def test_one_replicate_decides_nothing():
    alone = [
        result.model_copy(update={"replicates": result.replicates[:1]}) for result in (LION, ADAMW)
    ]
    found = verdict(stated(), *alone)
    assert (found.outcome, found.estimate) == ("undecided", None)
    assert found.why == "an interval needs 2 common replicates, there are 1"


def test_what_was_not_run_is_named():
    assert verdict(stated(), ADAMW).why == "no result of lion on digits"
    assert verdict(stated()).outcome == "not run"
    other = make_result(method="lion", protocol="smoke")
    assert verdict(stated(), other, ADAMW).outcome == "not run"


def test_the_variance_is_shared_with_the_other_methods():
    """Two replicates of a pair alone say little: others on the task make the interval narrow."""
    others = [
        study(name, [score + move for move, score in zip((0.0, 0.01, 0.02), scores, strict=True)])
        for name, scores in {
            "sgd": [0.5, 0.505, 0.495], "adam": [0.6, 0.602, 0.609], "muon": [0.8, 0.791, 0.797],
        }.items()
    ]  # fmt: skip
    alone = verdict(stated(), LION, ADAMW).estimate
    shared = verdict(stated(), LION, ADAMW, *others).estimate
    assert shared.high - shared.low < 0.8 * (alone.high - alone.low)


TIMES = {"measure": "time_to_target", "task": "modular_addition"}


def timed(method, *times):
    return with_times(study(method, [100.0] * 3, "modular_addition"), *times)


def test_times_are_compared_as_ratios():
    found = verdict(stated(**TIMES), timed("lion", 10, 11, 10), timed("adamw", 100, 110, 105))
    assert found.outcome == "reproduced"
    assert found.unit == "times"
    assert found.estimate.value == pytest.approx((10 * 10 * 10.5) ** (1 / 3))
    slower = verdict(stated(**TIMES), timed("lion", 100, 110, 105), timed("adamw", 10, 11, 10))
    assert slower.outcome == "not reproduced"
    assert slower.estimate.value == pytest.approx(1 / found.estimate.value)


def test_a_missed_target_leaves_the_ratio_open():
    missed = timed("adamw", None, 110, 105)
    found = verdict(stated(**TIMES), timed("lion", 10, 11, 10), missed)
    assert (found.outcome, found.estimate.high) == ("reproduced", math.inf)
    # The budget, 400, stands for the missed time: at least 40, 10 and 10.5 times.
    assert found.estimate.value == pytest.approx((40 * 10 * 10.5) ** (1 / 3))
    short = verdict(stated(**TIMES, factor=200.0), timed("lion", 10, 11, 10), missed)
    assert short.outcome == "undecided"
    turned = verdict(stated(**TIMES), timed("lion", None, None, 300), timed("adamw", 10, 11, 10))
    assert (turned.outcome, turned.estimate.low) == ("not reproduced", 0.0)
    both = verdict(stated(**TIMES), timed("lion", None, 11, 10), missed)
    assert both.outcome == "undecided"
    assert "both missed" in both.why


def test_values_without_a_ratio_decide_nothing():
    zero = timed("lion", 0, 0, 0)
    found = verdict(stated(**TIMES), zero, timed("adamw", 0, 0, 0))
    assert (found.outcome, found.estimate) == ("undecided", None)
    assert "no ratio of 0" in found.why


def validated(result, first, others):
    """Validation scores: of trial 0, and of all others; the second trial is the chosen one."""
    done = changed(result, lambda run: {"validation_score": first if run.number == 0 else others})
    replicates = [replicate.model_copy(update={"chosen": 1}) for replicate in done.replicates]
    return done.model_copy(update={"replicates": replicates})


def test_untuned_methods_are_read_from_trial_0_on_validation_data():
    lion, adamw = validated(LION, 0.6, 0.9), validated(ADAMW, 0.4, 0.7)
    for untuned, difference in (("method", -0.2), ("both", 0.4), ("rival", 1.0)):
        found = verdict(stated(untuned=untuned), lion, adamw)
        assert found.estimate.value == pytest.approx(difference), untuned


def test_of_several_untuned_methods_the_best_counts():
    lion, sgd = validated(LION, 0.6, 0.9), validated(study("sgd", [0.1] * 3), 0.65, 0.66)
    one = stated(method="lion, sgd", untuned="method", expect="worse")
    found = verdict(one, lion, sgd, validated(ADAMW, 0.4, 0.7))
    assert found.estimate.value == pytest.approx(-0.1)
    assert len(found.evidence) == 3
    assert verdict(one, lion, ADAMW).why == "no result of sgd on digits"


def test_a_column_is_compared_at_its_end():
    def ended(result, value):
        def change(run):
            columns = dict(run.curve.test)
            if columns:
                columns["forgetting"] = [0.9] * (len(columns["accuracy"]) - 1) + [value]
            return {"curve": run.curve.model_copy(update={"test": columns})}

        return changed(result, change)

    one = stated(measure="column", quantity="forgetting", expect="lower")
    found = verdict(one, ended(LION, 0.1), ended(ADAMW, 0.3))
    assert (found.outcome, found.unit) == ("reproduced", "of forgetting")
    assert found.estimate.value == pytest.approx(-0.2)
    absent = verdict(stated(measure="column", quantity="calm", expect="lower"), LION, ADAMW)
    assert "no column calm" in absent.why
    failed = study("lion", [0.0] * 3, status="diverged")
    assert "ended as diverged" in verdict(one, failed, ended(ADAMW, 0.3)).why


def test_a_hyperparameter_is_that_of_the_good_trials():
    """Of six trials the best two count; here lr falls with the trial's number."""

    def tuned(result, lr):
        (name,) = result.tuning_runs[0].hyperparameters

        def change(run):
            return {
                "validation_score": 0.1 * run.number,
                "hyperparameters": {name: {"lr": lr * 10.0**-run.number}},
            }

        return changed(result, change)

    one = stated(measure="hyperparameter", quantity="lr", expect="higher")
    found = verdict(one, tuned(LION, 1.0), tuned(ADAMW, 0.01))
    assert (found.outcome, found.unit) == ("reproduced", "times")
    assert found.estimate.value == pytest.approx(100)
    value = {"rival": "", "measure": "hyperparameter", "quantity": "lr", "expect": "equal"}
    # Trials 4 and 5: lr of 1e-4 and 1e-5.
    assert verdict(stated(**value, value=4e-5), tuned(LION, 1.0)).outcome == "reproduced"
    assert verdict(stated(**value, value=1e-4), tuned(LION, 1.0)).outcome == "not reproduced"
    unnamed = verdict(stated(**{**value, "quantity": "rho"}, value=1.0), tuned(LION, 1.0))
    assert unnamed.outcome == "undecided"
    assert "0 hyperparameters" in unnamed.why


# -- diagnostics ----------------------------------------------------------------------------------


def looked(method, *ends, scores=None):
    """A study whose replicates have these values of a diagnostic at their ends."""
    return with_diagnostics(
        make_result(method=method, scores=scores), {"sharp": [[1, e] for e in ends]}
    )


@pytest.mark.parametrize(
    ("expect", "ends", "outcome"),
    [
        ("equal", (2.1, 1.9, 2.0), "reproduced"),
        ("equal", (0.2, 0.21, 0.19), "not reproduced"),
        ("lower", (0.2, 0.21, 0.19), "reproduced"),
        ("lower", (20, 21, 19), "not reproduced"),
        ("higher", (0.1, 2, 40), "undecided"),
    ],
)
def test_a_diagnostic_at_the_end_is_compared_with_the_claimed_value(expect, ends, outcome):
    one = stated(
        measure="diagnostic", quantity="sharp", rival="", value=2.0, expect=expect, method="sgd"
    )
    found = verdict(one, looked("sgd", *ends))
    assert found.outcome == outcome
    assert found.unit == "times"
    assert found.estimate.value == pytest.approx(math.prod(ends) ** (1 / 3) / 2)


def test_without_the_diagnostic_a_claim_was_not_run_and_says_what_to_do():
    one = stated(
        measure="diagnostic", quantity="sharp", rival="", value=2.0, expect="equal", method="sgd"
    )
    found = verdict(one, make_result(method="sgd"))
    assert (found.outcome, found.estimate) == ("not run", None)
    assert "with --probe" in found.why
    missing = with_diagnostics(make_result(method="sgd"), {"sharp": [[1, None]]})
    assert verdict(one, missing).outcome == "undecided"


@pytest.mark.parametrize(
    ("sign", "expect", "outcome"),
    [(1, "higher", "reproduced"), (1, "lower", "not reproduced"), (-1, "lower", "reproduced")],
)
def test_a_correlation_is_over_all_methods_of_the_task(sign, expect, outcome):
    results = [
        looked(f"method_{n}", *[sign * n] * 3, scores=[0.3 + 0.05 * n] * 3) for n in range(9)
    ]
    one = stated(measure="correlation", quantity="sharp, score", rival="", value=0.0, expect=expect)
    found = verdict(one, *results, make_result(method="plain"))
    assert found.outcome == outcome
    assert found.estimate.value == pytest.approx(sign)
    assert found.replicates == 9
    assert found.tried == "9 methods, all that have the diagnostic here"
    assert verdict(one, *results[:4]).outcome == "not run"
