"""From results to standings on a task."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from leaderboard.references import Reference
from leaderboard.selection import select
from leaderboard.standings import task_standings
from suite.results.frames import Stored
from suite.studies.protocol import PROTOCOLS
from tests.samples import make_reference, make_result

REFERENCES = {"digits": Reference(**make_reference("digits", 0.2, 0.7))}


def stored(*results, name="x"):
    return [Stored(Path(f"{name}{i}.json"), result) for i, result in enumerate(results)]


def standing_of(*results, references=REFERENCES):
    (standing,) = task_standings(stored(*results), references)
    return standing


def ranks(standing):
    return {entry.method: entry.rank for entry in standing.ranked}


def test_ranks_are_ranges_and_the_order_is_that_of_scores():
    standing = standing_of(
        make_result(method="lion", scores=[0.90, 0.93, 0.92]),
        make_result(method="adamw", scores=[0.91, 0.92, 0.94]),
        make_result(method="sgd", scores=[0.50, 0.51, 0.52]),
    )
    adamw, lion, sgd = standing.ranked
    assert [entry.method for entry in standing.ranked] == ["adamw", "lion", "sgd"]
    assert [tuple(e.standing.ranks) for e in standing.ranked] == [(1, 2), (1, 2), (3, 3)]
    assert [e.standing.may_be_best for e in standing.ranked] == [True, True, False]
    assert (adamw.standing.verdict, lion.standing.verdict) == (None, "tied")
    assert sgd.standing.verdict == "worse"
    assert sgd.standing.against_adamw.value == pytest.approx(0.51 - 2.77 / 3)
    assert standing.baseline is adamw


def test_replicates_are_paired_by_their_seeds():
    """Each mean varies much more than the difference, which is the same in every replicate."""
    standing = standing_of(
        make_result(method="adamw", scores=[0.2, 0.5, 0.8]),
        make_result(method="lion", scores=[0.31, 0.6, 0.9]),
        make_result(method="sgd", scores=[0.2, 0.51, 0.79]),
    )
    lion = standing.ranked[0]
    assert lion.raw.low < standing.baseline.raw.high
    assert lion.standing.verdict == "better"
    assert list(lion.scores) == [0, 1, 2]


def test_one_replicate_says_nothing_about_ranks():
    """As results of the first protocol have."""
    old = [
        make_result("lm_markov", m, scores=s, protocol="quick") for m, s in ONE_REPLICATE.items()
    ]
    standing = standing_of(*map(with_one_replicate, old))
    assert [tuple(e.standing.ranks) for e in standing.ranked] == [(1, 2), (1, 2)]
    assert standing.ranked[0].raw.high == 10.0  # no worse score is possible
    assert standing.ranked[0].raw.low == -math.inf


ONE_REPLICATE = {"adamw": [1.5, 1.5, 1.5], "lion": [3.0, 3.0, 3.0]}


def with_one_replicate(result):
    protocol = result.protocol.model_copy(update={"replicates": 1})
    replicates = result.replicates[:1]
    return result.model_copy(update={"protocol": protocol, "replicates": replicates})


def test_lower_is_better_where_the_task_says_so():
    standing = standing_of(
        make_result("lm_markov", "lion", scores=[2.0, 2.01, 2.02]),
        make_result("lm_markov", "adamw", scores=[1.5, 1.52, 1.51]),
    )
    assert ranks(standing) == {"adamw": 1, "lion": 2}


def test_a_newcomer_changes_nobodys_score():
    """Intervals share their variance, so they may change; scores may not."""
    first = make_result(method="lion")
    before = standing_of(first).ranked[0]
    after = next(
        e for e in standing_of(first, make_result(method="adamw")).ranked if e.method == "lion"
    )
    assert (before.raw.value, before.scaled_scores) == (after.raw.value, after.scaled_scores)


def test_scaled_score_and_interval():
    entry = standing_of(make_result(scores=[0.45, 0.7, 0.95])).ranked[0]
    assert entry.scaled.value == pytest.approx(1.0)
    ends = (entry.raw.low - 0.2) / 0.5, (entry.raw.high - 0.2) / 0.5
    assert (entry.scaled.low, entry.scaled.high) == pytest.approx(ends)
    assert entry.scaled_scores == pytest.approx([0.5, 1.0, 1.5])
    assert entry.raw.high == 1.0  # no accuracy is higher


def test_where_lower_is_better_the_scale_turns_the_interval_round():
    references = {"lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0))}
    result = make_result("lm_markov", scores=[2.0, 2.1, 2.2])
    entry = standing_of(result, references=references).ranked[0]
    assert entry.scaled.value == pytest.approx(0.9)
    assert entry.scaled.low < entry.scaled.value < entry.scaled.high


def test_all_failed_is_last_even_behind_the_worst_score():
    standing = standing_of(
        make_result(method="mezo", status="diverged"),
        make_result(method="sgd", scores=[0.0, 0.0, 0.0]),
        make_result(method="lion", scores=[0.9, 0.9, 0.9]),
    )
    assert [entry.method for entry in standing.ranked] == ["lion", "sgd", "mezo"]
    assert ranks(standing) == {"lion": 1, "sgd": 2, "mezo": 2}  # no score is worse than sgd's
    failed = standing.ranked[-1]
    assert failed.failures == {"diverged": 3}
    assert failed.metric is None
    assert failed.time_to_target == math.inf


def test_the_final_metric_says_over_how_many_runs_it_is():
    result = make_result(
        method="sgd", scores=[0.8, 0.0, 0.8], status=["completed", "diverged", "completed"]
    )
    entry = standing_of(result).ranked[0]
    # The score counts the failed run with the worst value, the metric cannot.
    assert entry.raw.value == pytest.approx(1.6 / 3)
    assert entry.metric == pytest.approx(0.8, abs=0.05)
    assert (entry.metric_runs, entry.runs) == (2, 3)


def test_a_study_that_never_got_its_data_is_ranked_last_too():
    standing = standing_of(
        make_result(method="mezo", status="failed", data=None), make_result(method="lion")
    )
    assert ranks(standing) == {"lion": 1, "mezo": 2}


def test_time_to_target_is_a_median_with_misses_infinite():
    entry = standing_of(make_result("modular_addition", scores=[100.0, 200.0, 700.0])).ranked[0]
    assert entry.times_to_target == [100.0, 200.0, math.inf]
    assert (entry.time_to_target, entry.reached) == (200.0, 2)
    missed = standing_of(make_result("modular_addition", scores=[100.0, 600.0, 700.0])).ranked[0]
    assert (missed.time_to_target, missed.reached) == (math.inf, 1)


def test_smoke_is_listed_and_never_ranked():
    (standing,) = task_standings(stored(make_result(protocol="smoke")), REFERENCES)
    assert not PROTOCOLS["smoke"].ranked
    assert standing.ranked == []
    assert standing.unranked[0].note == "the protocol smoke is never ranked"


def test_protocols_are_ranked_apart():
    standings = task_standings(stored(make_result(), make_result(protocol="standard")), REFERENCES)
    assert [(s.protocol.name, len(s.ranked)) for s in standings] == [("quick", 1), ("standard", 1)]


def test_an_older_task_version_is_not_ranked_with_the_newest():
    standing = standing_of(
        make_result(method="lion"),
        make_result(method="adamw", task_fields={"version": 2}),
    )
    assert ranks(standing) == {"adamw": 1}
    assert standing.unranked[0].note == "task version 1, the newest is 2"
    assert standing.reference is None
    assert "of task version 1, these results are of version 2" in standing.reference_note
    assert standing.ranked[0].scaled is None


def test_without_a_reference_scores_are_raw():
    standing = standing_of(make_result(), references={})
    assert standing.ranked[0].scaled is None
    assert "no frozen reference" in standing.reference_note


def test_other_data_than_the_references_is_not_ranked():
    strange = {"fingerprint": "ab" * 8, "canonical": False}
    standing = standing_of(
        make_result(method="lion", data=strange),
        make_result(method="muon", data=strange),
        make_result(method="adamw"),
    )
    assert ranks(standing) == {"adamw": 1}
    assert [e.note for e in standing.unranked] == [
        "not the task's canonical data (fingerprint abababababababab)"
    ] * 2


def test_canonical_data_counts_before_the_majority_without_a_reference():
    strange = {"fingerprint": "ab" * 8, "canonical": False}
    standing = standing_of(
        make_result(method="lion", data=strange),
        make_result(method="muon", data=strange),
        make_result(method="adamw"),
        references={},
    )
    assert ranks(standing) == {"adamw": 1}


def test_a_reference_on_other_than_canonical_data_does_not_keep_canonical_results_out():
    copy = {"fingerprint": "ab" * 8, "canonical": False}
    fields = make_reference("digits", 0.2, 0.7, data_fingerprint="ab" * 8, canonical=False)
    references = {"digits": Reference(**fields)}
    alone = standing_of(make_result(method="lion", data=copy), references=references)
    assert ranks(alone) == {"lion": 1}
    assert alone.ranked[0].scaled is not None
    both = standing_of(
        make_result(method="lion", data=copy), make_result(method="adamw"), references=references
    )
    assert ranks(both) == {"adamw": 1}
    assert both.ranked[0].scaled is None
    assert "on other data than these results" in both.reference_note
    assert "not the task's canonical data" in both.unranked[0].note


def test_without_canonical_data_that_of_the_reference_counts():
    copy, other = ({"fingerprint": two * 8, "canonical": False} for two in ("ab", "cd"))
    fields = make_reference("digits", 0.2, 0.7, data_fingerprint="ab" * 8, canonical=False)
    standing = standing_of(
        make_result(method="lion", data=copy),
        make_result(method="sgd", data=other),
        make_result(method="muon", data=other),
        references={"digits": Reference(**fields)},
    )
    assert ranks(standing) == {"lion": 1}


def test_other_task_code_under_the_same_version_is_not_ranked():
    standing = standing_of(
        make_result(method="lion"),
        make_result(method="sgd"),
        make_result(method="adamw", task_fields={"fingerprint": "cd" * 8}),
    )
    assert set(ranks(standing)) == {"lion", "sgd"}
    assert "the task's fingerprint differs" in standing.unranked[0].note


def test_one_result_cannot_turn_a_tasks_table_round():
    """The first file by name decided what is better, where the target is and what is shown."""
    honest = [make_result(method=m, scores=s) for m, s in (("sgd", [0.9] * 3), ("lion", [0.5] * 3))]
    for field, value in {
        "higher_is_better": False, "metric": "loss", "target": 0.1, "worst": -1.0, "hold": 7,
        "track": "full", "batch_size": 32, "budget": 640.0, "score": "mean", "stream": True,
    }.items():  # fmt: skip
        forged = make_result(method="aaa", task_fields={field: value})
        standing = standing_of(*honest, forged)
        assert ranks(standing) == {"sgd": 1, "lion": 2}, field
        assert [entry.method for entry in standing.ranked] == ["sgd", "lion"]
        assert f"the task's {field} differs" in standing.unranked[0].note


def test_one_result_cannot_make_a_task_core():
    honest = [make_result(method=m, task_fields={"core": False}) for m in ("sgd", "lion")]
    standing = standing_of(make_result(method="aaa", task_fields={"core": True}), *honest)
    assert len(standing.ranked) == 3
    assert standing.task.core is False


def test_only_the_declared_result_seed_is_ranked():
    standing = standing_of(
        make_result(method="sgd", scores=[0.5] * 3),
        make_result(method="sgd", scores=[0.9] * 3, seed=3),
        make_result(method="lion", scores=[0.9] * 3, seed=1),
    )
    assert ranks(standing) == {"sgd": 1}
    assert {(e.method, e.note) for e in standing.unranked} == {
        ("sgd", "result seed 3: only seed 0 is ranked"),
        ("lion", "result seed 1: only seed 0 is ranked"),
    }


def test_another_seed_of_a_later_version_keeps_nobody_out():
    late = make_result(method="aaa", seed=1, task_fields={"version": 9, "fingerprint": "ab" * 8})
    assert ranks(standing_of(make_result(method="sgd"), late)) == {"sgd": 1}


def test_a_date_to_come_is_the_oldest():
    real = make_result(scores=[0.8] * 3)
    invented = make_result(scores=[0.9] * 3, environment={"finished": "2999-01-01T00:00:00+00:00"})
    groups, superseded = select(stored(real, invented), REFERENCES)
    assert groups[0].comparable[0].result is real
    assert superseded[0].stored.result is invented


def test_times_and_costs_are_over_completed_runs():
    """What a method took before it failed would make it the fastest of all."""
    some = make_result(method="sgd", status=["timeout", "completed", "timeout"])
    entry = standing_of(some).ranked[0]
    assert entry.gradient_evaluations == some.evaluation_runs[1].cost.gradient_evaluations
    assert standing_of(make_result(status="timeout")).ranked[0].gradient_evaluations is None


def test_a_run_that_ends_no_better_than_untrained_is_not_learning():
    first = make_result(scores=[0.5] * 3).evaluation_runs[0].curve.test["accuracy"][0]
    entry = standing_of(make_result(scores=[first, first + 0.1, first - 0.01])).ranked[0]
    assert entry.not_learning == 2
    assert entry.remark == "not learning (2 of 3 runs)"
    loss = make_result("lm_markov").evaluation_runs[0].curve.test["loss"][0]
    entry = standing_of(make_result("lm_markov", scores=[loss, loss + 1, loss - 0.1])).ranked[0]
    assert entry.not_learning == 2
    # A lower time to target is better, but a higher metric.
    assert standing_of(make_result("modular_addition")).ranked[0].not_learning == 0
    # It did not complete, which is said already.
    assert standing_of(make_result(status="diverged")).ranked[0].not_learning == 0


def test_the_newest_task_version_stands_then_the_last_finished():
    late, early = "2026-11-20T00:00:00+00:00", "2026-11-01T00:00:00+00:00"
    old = make_result(environment={"finished": late}, component={"source_hash": "ab" * 8})
    new = make_result(environment={"finished": early}, task_fields={"version": 2})
    groups, superseded = select(stored(old, new), REFERENCES)
    assert groups[0].comparable[0].result is new
    assert superseded[0].stored.result is old
    assert superseded[0].by.result is new
    same = make_result(environment={"finished": early}, threads=2)
    groups, superseded = select(stored(old, same), REFERENCES)
    assert groups[0].comparable[0].result is old
    assert superseded[0].stored.result is same


def test_times_are_compared_as_times_and_nonsense_is_oldest():
    east = make_result(environment={"finished": "2026-11-22T03:00:00+09:00"})
    utc = make_result(environment={"finished": "2026-11-21T20:00:00+00:00"}, threads=2)
    nonsense = make_result(environment={"finished": "zzzz"}, device="cuda")
    groups, superseded = select(stored(east, utc, nonsense), REFERENCES)
    assert groups[0].comparable[0].result is utc
    assert [item.stored.result for item in superseded] == [nonsense, east]


def test_the_constant_schedule_is_no_schedule():
    alone = standing_of(make_result(method="adamw@constant"), make_result(method="lion@cosine"))
    assert {entry.method for entry in alone.ranked} == {"adamw", "lion@cosine"}
    assert alone.baseline is not None
    early = {"finished": "2026-11-01T00:00:00+00:00"}
    plain, same = make_result(environment=early), make_result(method="adamw@constant")
    groups, superseded = select(stored(same, plain), REFERENCES)
    assert groups[0].comparable[0].result is plain
    assert [item.method for item in superseded] == ["adamw"]
    # A file on a newer task version stands before the plain name.
    newer = make_result(method="adamw@constant", task_fields={"version": 2})
    groups, _ = select(stored(newer, plain), REFERENCES)
    assert groups[0].comparable[0].result is newer


def test_other_replicates_cannot_be_paired():
    """Of one protocol version all have the same; a forged file may not."""
    odd = with_one_replicate(make_result(method="lion"))
    standing = standing_of(make_result(method="adamw"), make_result(method="sgd"), odd)
    assert set(ranks(standing)) == {"adamw", "sgd"}
    assert standing.unranked[0].note == "replicates of seeds 0: those of the others are 0, 1, 2"


def test_the_cost_of_a_step_is_relative_to_adamw():
    def timed(method, step_cost):
        cost = make_result().evaluation_runs[0].cost.model_dump() | {"step_cost": step_cost}
        return make_result(method=method, run={"cost": cost})

    # AdamW in the suite takes a little longer than the bare step.
    standing = standing_of(timed("adamw", 1.1), timed("lion", 2.2), timed("sgd", 0.55))
    found = {entry.method: entry.step_cost for entry in standing.ranked}
    assert found == pytest.approx({"adamw": 1.0, "lion": 2.0, "sgd": 0.5})
    assert standing_of(timed("lion", 2.2)).ranked[0].step_cost is None
    untimed = standing_of(timed("adamw", 1.1), timed("lion", None))
    assert {e.method: e.step_cost for e in untimed.ranked}["lion"] is None
