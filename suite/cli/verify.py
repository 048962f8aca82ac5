"""`suite verify`: run runs of results again from their seeds, and compare."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import as_json, data_dir
from suite.cli.results import result_files
from suite.cli.tables import print_json
from suite.cli.workers import local_executor
from suite.errors import InvalidResult, UsageError

if TYPE_CHECKING:
    from suite.execution.executor import Executor
    from suite.replaying.replay import Choice, Replayed
    from suite.results.model import Result

#: of the budget: where an invented curve has gone wrong, and an honest one has hardly drifted
SHARE = 0.2
_OUTCOMES = {"equal": "equal to the bit", "close": "within tolerance", "mismatch": "mismatch"}


@click.command(no_args_is_help=True)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="RESULT...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--runs",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Evaluation runs of each result.",
)
@click.option(
    "--trials",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Tuning trials of each result.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=SHARE,
    show_default=True,
    help="The part of each run's budget that is run.",
)
@click.option("--full", is_flag=True, help="All runs of each result, over their whole budget.")
@click.option(
    "--choice-seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Repeat an earlier choice of runs.  [default: random, and printed]",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that registers a method or task of a result and is not in this checkout.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1),
    help="Runs at a time.  [default: number of CPU cores]",
)
@data_dir
@as_json
def verify(
    paths: tuple[Path, ...],
    runs: int,
    trials: int,
    share: float,
    full: bool,
    choice_seed: int | None,
    files: tuple[Path, ...],
    jobs: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Run runs of results again from their seeds, and compare; exit code 1 for a mismatch.

    The method and the task are those of this checkout. A run is stopped after a share of its budget
    and compared with the beginning of the recorded curve: to the bit on the same kind of machine,
    elsewhere within the tolerance that was measured for the task. A result that cannot be replayed
    here counts as a mismatch.

    \b
        suite verify results/digits/adamw.quick.json
        suite verify results --share 0.1 --trials 0
        suite verify results/digits --full
    """
    if not full and not runs and not trials:
        raise UsageError("nothing to verify: give --runs or --trials at least 1.")
    found = [file for path in paths for file in result_files(path)]
    if not found:
        raise UsageError("no result files (*.json) found: " + ", ".join(map(str, paths)))
    from suite.components import registry
    from suite.home import data_folder
    from suite.replaying.replay import Choice
    from suite.studies.run_studies import default_jobs

    for file in files:
        registry.load_file(str(file))
    seed = secrets.randbelow(2**63) if choice_seed is None else choice_seed
    choice = Choice(None, None, 1.0, seed) if full else Choice(runs, trials, share, seed)
    verdicts = _Verdicts(as_json)
    for threads, results in _by_threads(found, verdicts).items():
        with local_executor(threads, jobs or default_jobs("cpu")) as executor:
            for file, result in results:
                _replay(file, result, choice, executor, data_folder(data_dir), verdicts)
    verdicts.conclude(choice)
    return 1 if verdicts.counts["mismatch"] or verdicts.counts["not replayed"] else 0


class _Verdicts:
    """The verdicts so far: each is printed when it is known."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._found: list[dict[str, Any]] = []
        self.counts = dict.fromkeys([*_OUTCOMES, "not replayed"], 0)

    def add(self, file: Path, item: Replayed) -> None:
        """One run."""
        from suite.results.fields import printable

        compared, title = item.comparison, item.chosen.title
        self.counts[compared.outcome] += 1
        self._found.append(
            {
                "file": str(file),
                "run": title,
                "outcome": compared.outcome,
                "points": compared.points,
                "reason": compared.reason or None,
                "differences": [vars(difference) for difference in compared.differences],
            }
        )
        self._say(
            f"{_OUTCOMES[compared.outcome]:17} {printable(str(file))}: {title}", compared.outcome
        )
        if compared.reason:
            self._say(f"{'':17} {printable(compared.reason)}")
        shown = compared.differences[: 3 if compared.outcome == "mismatch" else 1]
        for difference in shown:
            self._say(f"{'':17} {difference.text}")

    def not_replayed(self, file: Path, reason: str) -> None:
        """A result of which nothing could be run."""
        from suite.results.fields import printable

        self.counts["not replayed"] += 1
        self._found.append(
            {"file": str(file), "run": None, "outcome": "not replayed", "reason": reason}
        )
        self._say(f"{'not replayed':17} {printable(str(file))}: {printable(reason)}", "mismatch")

    def conclude(self, choice: Choice) -> None:
        """The counts, and how to repeat the choice."""
        counted = ", ".join(f"{n} {_OUTCOMES.get(what, what)}" for what, n in self.counts.items())
        self._say(f"{counted}; {choice.share:g} of the budget; --choice-seed {choice.seed}")
        if self._as_json:
            print_json(
                {
                    "share": choice.share,
                    "choice_seed": choice.seed,
                    "counts": self.counts,
                    "runs": self._found,
                }
            )

    def _say(self, line: str, outcome: str = "") -> None:
        color = {"mismatch": "red", "equal": "green", "close": "yellow"}.get(outcome)
        click.secho(line, fg=color, err=self._as_json)


def _by_threads(files: list[Path], verdicts: _Verdicts) -> dict[int, list[tuple[Path, Result]]]:
    """The results by their number of threads, which a process is started with."""
    from suite.results.files import read

    found: dict[int, list[tuple[Path, Result]]] = {}
    for file in files:
        try:
            result = read(file)
        except InvalidResult as error:
            verdicts.not_replayed(file, str(error).removeprefix(f"{file}: "))
        else:
            found.setdefault(result.threads, []).append((file, result))
    return found


def _replay(
    file: Path,
    result: Result,
    choice: Choice,
    executor: Executor,
    data: Path,
    verdicts: _Verdicts,
) -> None:
    from suite.replaying.plans import NotReplayable
    from suite.replaying.replay import replay

    try:
        for item in replay(result, choice, executor, data):
            verdicts.add(file, item)
    except (NotReplayable, UsageError) as error:
        verdicts.not_replayed(file, str(error))
