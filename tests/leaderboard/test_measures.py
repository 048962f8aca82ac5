"""What claims compare, read from the trials of a study."""

from __future__ import annotations

import pytest

from leaderboard.measures import NotMeasured, Setting, bound, coupling, sensitivity
from tests.samples import make_result

SETTING = Setting()


def study(trials, task="digits"):
    """A result whose first replicate has these tuning trials: (score, lr, decay) each."""
    result = make_result(task, "adamw")
    (replicate, *_) = result.replicates
    runs = [
        replicate.tuning[0].model_copy(
            update={
                "number": number,
                "validation_score": score,
                "hyperparameters": {"adamw": {"lr": lr, "weight_decay": decay}},
            }
        )
        for number, (score, lr, decay) in enumerate(trials)
    ]
    replicate = replicate.model_copy(update={"tuning": runs})
    return result.model_copy(update={"replicates": [replicate]})


def value_of(found):
    (measured,) = found.values()
    return measured.value


def test_sensitivity_is_the_mean_loss_within_a_factor_of_ten():
    sweep = [(0.2, 1e-4, 0), (0.6, 1e-3, 0), (0.9, 1e-2, 0), (0.8, 1e-1, 0), (0.1, 1.0, 0)]
    # Not trial 0, the defaults, and not lr = 1e-4 and 1, which are a hundred times off.
    found = sensitivity(study([(0.0, 2e-2, 0), *sweep]), "lr", SETTING)
    assert value_of(found) == pytest.approx((0.3 + 0.1) / 2)
    with pytest.raises(NotMeasured, match="no sweep of lr"):
        sensitivity(study([(0.0, 1, 0), (0.5, 1e-3, 0), (0.4, 1e2, 0)]), "lr", SETTING)


def test_coupling_is_what_one_value_for_all_loses():
    defaults = (0.0, 5e-2, 0.5)
    apart = [(0.9, 0.1, 1), (0.5, 0.1, 2), (0.8, 0.2, 1), (0.4, 0.2, 2)]
    assert value_of(coupling(study([defaults, *apart]), "lr, weight_decay", SETTING)) == 0.0
    # The best decay is 1 for the low rate and 2 for the high one; 1 is best for both together.
    coupled = [(0.9, 0.1, 1), (0.5, 0.1, 2), (0.5, 0.2, 1), (0.8, 0.2, 2)]
    found = coupling(study([defaults, *coupled]), "lr, weight_decay|strength", SETTING)
    assert value_of(found) == pytest.approx((0.9 + 0.8) / 2 - (0.9 + 0.5) / 2)
    with pytest.raises(NotMeasured, match="no grid of lr, weight_decay"):
        coupling(study([defaults, *coupled[:3]]), "lr, weight_decay", SETTING)


def test_coupling_where_low_scores_are_better():
    defaults = (9.0, 5e-2, 0.5)
    coupled = [(1.0, 0.1, 1), (5.0, 0.1, 2), (4.0, 0.2, 1), (2.0, 0.2, 2)]
    found = coupling(study([defaults, *coupled], "lm_markov"), "lr, weight_decay", SETTING)
    assert value_of(found) == pytest.approx((1 + 4) / 2 - (1 + 2) / 2)


def test_a_bound_is_the_largest_product_of_all_trials():
    result = study([(0.1, 1.0, 0.5), (0.2, 1.0, 2.0)])
    (replicate,) = result.replicates
    columns = ([0.0, 3.0, 1.0], [0.0, 0.1, 0.4])
    runs = [
        run.model_copy(
            update={
                "curve": run.curve.model_copy(update={"validation": {"largest_weight": column}})
            }
        )
        for run, column in zip(replicate.tuning, columns, strict=True)
    ]
    replicate = replicate.model_copy(update={"tuning": runs})
    result = result.model_copy(update={"replicates": [replicate]})
    found = bound(result, "largest_weight * weight_decay", SETTING)
    assert value_of(found) == pytest.approx(3.0 * 0.5)
    with pytest.raises(NotMeasured, match="no column smallest"):
        bound(result, "smallest * weight_decay", SETTING)
