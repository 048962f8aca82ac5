"""What `suite verify` prints and records of each result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.tables import print_json
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.replaying.replay import Choice, Replayed
    from suite.replaying.secret import Fresh, Prediction
    from suite.results.marks import Verification
    from suite.results.model import Result

_REPLAYS = {"equal": "equal to the bit", "close": "within tolerance", "mismatch": "mismatch"}
_SECRET = {"within": "within prediction", "mismatch": "mismatch"}
_COLORS = {"mismatch": "red", "equal": "green", "within": "green", "close": "yellow"}


class Verdicts:
    """The verdicts so far: each is printed when it is known.

    `choice`: which recorded runs are replayed; None for runs from secret seeds.
    """

    def __init__(self, *, as_json: bool, record: bool, choice: Choice | None) -> None:
        self._as_json = as_json
        self._record = record
        self._choice = choice
        self._outcomes = _SECRET if choice is None else _REPLAYS
        self._found: list[dict[str, Any]] = []
        #: by results folder
        self._records: dict[Path, list[Verification]] = {}
        self.counts = dict.fromkeys([*self._outcomes, "not replayed"], 0)

    def add(self, file: Path, item: Replayed) -> None:
        """One run that was replayed."""
        compared, title = item.comparison, item.chosen.title
        self._count(
            file,
            compared.outcome,
            title,
            compared.reason,
            points=compared.points,
            differences=[vars(difference) for difference in compared.differences],
        )
        shown = compared.differences[: 3 if compared.outcome == "mismatch" else 1]
        for difference in shown:
            self._say(f"{'':17} {difference.text}")

    def keep_replay(
        self, file: Path, result: Result, items: Sequence[Replayed], share: float
    ) -> None:
        """All chosen runs of a result were replayed."""
        outcomes = [item.comparison.outcome for item in items]
        words = [f"{outcomes.count(o)} {_REPLAYS[o]}" for o in dict.fromkeys(outcomes)]
        held = "mismatch" not in outcomes
        self._keep(file, result, "replay", held, len(items), share, ", ".join(words))

    def secret(self, file: Path, result: Result, fresh: Sequence[Fresh], found: Prediction) -> None:
        """All runs of a result from secret seeds have ended."""
        outcome = "within" if found.within else "mismatch"
        title = f"{len(fresh)} runs from secret seeds"
        scores = [each.run.test_score for each in fresh]
        seeds = [each.run.seed for each in fresh]
        self._count(file, outcome, title, found.text, scores=scores, seeds=seeds)
        self._keep(file, result, "secret", found.within, len(fresh), 1.0, found.text)

    def not_replayed(self, file: Path, reason: str) -> None:
        """A result of which nothing could be run."""
        self._count(file, "not replayed", None, reason)

    def conclude(self) -> int:
        """Print the counts and how to repeat the choice, and write the records; the exit code."""
        shown = ", ".join(
            f"{n} {self._outcomes.get(what, what)}" for what, n in self.counts.items()
        )
        choice = self._choice
        how = "" if choice is None else f"; {choice.share:g} of the budget"
        again = "" if choice is None else f"; --choice-seed {choice.seed}"
        self._say(f"{shown}{how}{again}")
        if self._record:
            self._write()
        if self._as_json:
            said: dict[str, Any] = {"counts": self.counts, "runs": self._found}
            if choice is not None:
                said |= {"share": choice.share, "choice_seed": choice.seed}
            print_json(said)
        return 1 if self.counts["mismatch"] or self.counts["not replayed"] else 0

    def _count(self, file: Path, outcome: str, title: str | None, reason: str, **more: Any) -> None:
        from suite.results.fields import printable

        self.counts[outcome] += 1
        said = {"file": str(file), "run": title, "outcome": outcome, "reason": reason or None}
        self._found.append({**said, **more})
        words = self._outcomes.get(outcome, outcome)
        color = "mismatch" if outcome == "not replayed" else outcome
        name = printable(str(file))
        if title is None:
            self._say(f"{words:17} {name}: {printable(reason)}", color)
            return
        self._say(f"{words:17} {name}: {title}", color)
        if reason:
            self._say(f"{'':17} {printable(reason)}")

    def _keep(
        self,
        file: Path,
        result: Result,
        kind: str,
        held: bool,
        runs: int,
        share: float,
        found: str,
    ) -> None:
        """Remember the record of a result, if records are asked for."""
        if not self._record:
            return
        from suite.results import environment
        from suite.results.files import check_place
        from suite.results.marks import Verification

        check_place(result, file.absolute())
        here = environment.record(result.device, {})
        folder = file.absolute().parent.parent
        self._records.setdefault(folder, []).append(
            Verification.model_validate(
                {
                    "digest": result.digest,
                    "task": result.task.name,
                    "method": result.method.name,
                    "protocol": result.protocol.name,
                    "kind": kind,
                    "held": held,
                    "runs": runs,
                    "share": share,
                    "found": found,
                    "commit": here.commit,
                    "cpu": here.cpu,
                    "when": here.started,
                }
            )
        )

    def _write(self) -> None:
        from suite.results.marks import add

        for folder, records in self._records.items():
            try:
                path = add(folder, records)
            except OSError as error:
                raise UsageError(f"{folder}: no record can be written: {error.strerror}") from None
            self._say(f"{len(records)} {'record' if len(records) == 1 else 'records'} in {path}")

    def _say(self, line: str, outcome: str = "") -> None:
        click.secho(line, fg=_COLORS.get(outcome), err=self._as_json)
