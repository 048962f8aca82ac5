"""The page of decided claims: each with its estimate, and what was tried where it failed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from leaderboard.claims import Verdict
from leaderboard.statistics import Interval
from leaderboard.transfer import decide
from scripts.write_claims import claims, page, rules
from suite import Claim
from suite.components.claims import Stated
from suite.results.frames import Stored
from tests.leaderboard.test_transfer import NOISE, OTHER_NOISE, rule, sweep, transfer
from tests.samples import make_result


def stated(says, **fields):
    claim = Claim(
        says=says, task="digits", rival="adamw", measure="score", expect="better", number="2 %",
        place="p", **fields,
    )  # fmt: skip
    return Stated(SimpleNamespace(name="lion", paper="Chen 2023"), claim)


def test_the_page_has_a_part_for_each_verdict():
    evidence = (Stored(Path("lion.json"), make_result(method="lion")),)
    text = page(
        [
            Verdict(stated("It holds."), "reproduced", "because", Interval(2, 1.5, 2.5), "times"),
            Verdict(
                stated("It fails."), "not reproduced", "the opposite holds",
                Interval(-0.2, -0.3, -0.1), "of the task's scale", evidence=evidence,
            ),
            Verdict(stated("Nobody ran it."), "not run", "no result of lion on digits"),
        ]
    )  # fmt: skip
    assert "Of 3 claims 1 are reproduced, 1 are not reproduced, 0 are undecided, 1 are not run" in (
        text.replace("\n", " ")
    )
    holds, fails = text.split("\n## ")[1:]
    assert holds.startswith("Reproduced")
    assert "- **lion** on digits: It holds. (Chen 2023)" in holds
    assert "found: 2 (1.5 to 2.5) times; because" in holds
    assert "tried" not in holds
    assert fails.startswith("Not reproduced")
    assert "found: -0.2 (-0.3 to -0.1) of the task's scale; the opposite holds" in fails
    assert "tried: lion: 3 times 6 trials over lr" in fails
    assert "Nobody ran it." not in text


def test_rules_of_scaling_that_were_run_have_a_part():
    studies = [
        sweep("digits", 0.01, shift=NOISE),
        sweep("cifar10_mini", 0.02, shift=OTHER_NOISE),
    ]
    stored = [Stored(Path(f"{i}.json"), study) for i, study in enumerate(studies)]
    moved = decide([transfer(rule()), transfer(rule(sizes=3))], stored, {})
    text = page([], moved).split("\n## Rules of scaling")[1]
    assert text.count("- **mine**, reproduced: s (p)") == 2
    assert "lr of adamw from digits to cifar10_mini: 2 times predicted" in text
    assert "the interval holds the predicted factor, and not 1" in text
    assert "lm_markov" not in text
    assert "Rules of scaling" not in page([], moved[-1:])


def test_the_page_is_about_the_claims_of_this_repository():
    assert {one.rule.path.parent.parent.name for one in rules()} == {"baselines"}
    listed = claims()
    assert len(listed) > 250
    assert {one.component.path.parent.parent.name for one in listed} == {"baselines"}
