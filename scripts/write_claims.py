"""Write docs/claims.md: the verdict on every claim that the results decide.

    python scripts/write_claims.py [--results results]

Run it after `suite claims --run`, and after results are published.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from leaderboard import references
from leaderboard.claims import OUTCOMES, Outcome, Verdict, decide
from suite.components import registry
from suite.components.claims import Stated, stated
from suite.results.frames import read_folder

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


def page(verdicts: Sequence[Verdict]) -> str:
    """The page's text."""
    count = {outcome: sum(v.outcome == outcome for v in verdicts) for outcome in OUTCOMES}
    said = ", ".join(f"{count[outcome]} are {outcome}" for outcome in OUTCOMES)
    parts = [_HEAD.format(counts=f"Of {len(verdicts)} claims {said}")]
    for outcome, title in _TITLES.items():
        chosen = [verdict for verdict in verdicts if verdict.outcome == outcome]
        if chosen:
            parts += [f"\n## {title}\n", *map(_item, chosen)]
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
    listed = claims()
    stored, _ = read_folder(parser.parse_args().results, {one.claim.task for one in listed})
    PAGE.write_text(page(decide(listed, stored, references.load())), encoding="utf-8")


if __name__ == "__main__":
    main()
