"""Write docs/claims.md: the verdict on every claim and rule of scaling that the results decide.

    python scripts/write_claims.py [--results results]

Run it after `suite claims --run` and `suite transfer --run`, and after results are published.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from leaderboard import references, transfer
from leaderboard.claims import OUTCOMES, Outcome, Verdict, decide
from leaderboard.transfer import Moved
from suite.components import registry
from suite.components.claims import Stated, stated
from suite.components.rules import Transfer
from suite.results.frames import read_folder
from suite.studies.transfer_studies import resolved

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "claims.md"
_HEAD = """# What papers claim, decided

<!-- Written by scripts/write_claims.py from the results: run more, then run it again. -->

{counts}. `suite claims --run` runs what is missing. A claim is stated beside its method;
`suite claims NAME` shows it whole. [The rule](submit.md#how-a-claim-is-decided) says when a claim
is reproduced.

Positive estimates are in favour of the method or say that its value is higher; ratios are times as
soon, or times as high. The interval is of 95 %, over replicates. A claim is of the tasks of this
suite, which are small: "not reproduced" is said of this setting, not of the paper's.
"""
_TITLES: dict[Outcome, str] = {
    "reproduced": "Reproduced",
    "not reproduced": "Not reproduced",
    "undecided": "Undecided",
}


_RULES = """
## Rules of scaling

How the best value of a hyperparameter changes from a task to another size of it: as a factor, with
the interval of 95 % over replicates. `suite transfer --run` runs what is missing;
[how a rule is decided](transfer.md#how-a-rule-is-decided).
"""


def page(verdicts: Sequence[Verdict], moved: Sequence[Moved] = ()) -> str:
    """The page's text."""
    count = {outcome: sum(v.outcome == outcome for v in verdicts) for outcome in OUTCOMES}
    said = ", ".join(f"{count[outcome]} are {outcome}" for outcome in OUTCOMES)
    parts = [_HEAD.format(counts=f"Of {len(verdicts)} claims {said}")]
    for outcome, title in _TITLES.items():
        chosen = [verdict for verdict in verdicts if verdict.outcome == outcome]
        if chosen:
            parts += [f"\n## {title}\n", *map(_item, chosen)]
    told = [one for one in moved if one.outcome != "not run"]
    if told:
        parts += [_RULES, *map(_rule, told)]
    return "\n".join(parts) + "\n"


def _item(verdict: Verdict) -> str:
    one = verdict.stated
    lines = [
        f"- **{one.label}** on {one.claim.task}: {one.claim.says} ({one.source})",
        f"  - claimed: {one.compared}; paper: {one.claim.number}",
        f"  - found: {verdict.shown or 'no estimate'}; {verdict.why} ({verdict.protocol})",
    ]
    if verdict.outcome != "reproduced":
        lines.append(f"  - tried: {verdict.tried}")
    return "\n".join(lines)


def _rule(moved: Moved) -> str:
    rule = moved.rule
    return "\n".join(
        [
            f"- **{rule.name}**, {moved.outcome}: {rule.summary} ({rule.paper})",
            f"  - {rule.hyperparameter} of {rule.method} from {moved.transfer.label(0)} to "
            f"{moved.size}: {moved.predicted:.3g} times predicted",
            f"  - found: {moved.shown} times; {moved.why}",
        ]
    )


def rules() -> list[Transfer]:
    """The rules of scaling of the repository, by name."""
    found = registry.load_all("rule")[0]
    return [resolved(rule) for rule in found if rule.path.is_relative_to(ROOT / "baselines")]


def claims() -> list[Stated]:
    """The claims of methods and diagnostics of the repository, in order of kinds and names."""
    return [
        one
        for kind in (*registry.COMPONENT_KINDS, "diagnostic")
        for one in stated(registry.load_all(kind)[0])
        if one.component.path.is_relative_to(ROOT / "baselines")
    ]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    listed, known = claims(), rules()
    tasks = {one.claim.task for one in listed} | {s.task for one in known for s in one.sizes}
    stored, _ = read_folder(parser.parse_args().results, tasks)
    verdicts = decide(listed, stored, references.load())
    moved = transfer.decide(known, stored, references.load())
    PAGE.write_text(page(verdicts, moved), encoding="utf-8")


if __name__ == "__main__":
    main()
