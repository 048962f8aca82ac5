"""`suite verify`: run runs of results again from their seeds, and compare."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from suite.cli.options import as_json, data_dir
from suite.cli.results import result_files
from suite.cli.verdicts import Verdicts
from suite.cli.workers import local_executor
from suite.errors import InvalidResult, UsageError

if TYPE_CHECKING:
    from suite.execution.executor import Executor
    from suite.replaying.replay import Choice
    from suite.results.model import Result

#: of the budget: where an invented curve has gone wrong, and an honest one has hardly drifted
SHARE = 0.2


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
    help="Evaluation runs of each result; with --secret of each replicate.  [default: 1; with "
    "--secret as many as it takes]",
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
    "--secret",
    is_flag=True,
    help="Instead of replays: evaluation runs from fresh random seeds, over their whole budget.",
)
@click.option(
    "--record",
    is_flag=True,
    help="Write what was found to verifications.jsonl in the results folder, for the board.",
)
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
    runs: int | None,
    trials: int,
    share: float,
    full: bool,
    secret: bool,
    record: bool,
    choice_seed: int | None,
    files: tuple[Path, ...],
    jobs: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Run runs of results again, and compare; exit code 1 for a mismatch.

    The method and the task are those of this checkout. A run is stopped after a share of its budget
    and compared with the beginning of the recorded curve: to the bit on the same kind of machine,
    elsewhere within the tolerance that was measured for the task. A result that cannot be replayed
    here counts as a mismatch. With --secret, runs from seeds that no file could know are compared
    with the published scores instead: these must be within what luck explains.

    \b
        suite verify results/digits/adamw.quick.json
        suite verify results --share 0.1 --trials 0
        suite verify results/digits --full
        suite verify results/digits/adamw.quick.json --secret --record
    """
    if secret:
        _check_secret_options(click.get_current_context())
    elif not full and runs == 0 and not trials:
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
    some = 1 if runs is None else runs
    choice = Choice(None, None, 1.0, seed) if full else Choice(some, trials, share, seed)
    verdicts = Verdicts(as_json=as_json, record=record, choice=None if secret else choice)
    data = data_folder(data_dir)
    for threads, results in _by_threads(found, verdicts).items():
        with local_executor(threads, jobs or default_jobs("cpu")) as executor:
            for file, result in results:
                if secret:
                    _with_secret_seeds(file, result, runs, executor, data, verdicts)
                else:
                    _replay(file, result, choice, executor, data, verdicts)
    return verdicts.conclude()


def _check_secret_options(context: click.Context) -> None:
    """Raise UsageError beside options that choose recorded runs."""
    for name, option in (
        *(("trials", "--trials"), ("share", "--share"), ("full", "--full")),
        ("choice_seed", "--choice-seed"),
    ):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"{option} and --secret: fresh seeds have no recorded runs to choose from."
            )


def _by_threads(files: list[Path], verdicts: Verdicts) -> dict[int, list[tuple[Path, Result]]]:
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
    verdicts: Verdicts,
) -> None:
    from suite.replaying.plans import NotReplayable
    from suite.replaying.replay import replay

    try:
        items = []
        for item in replay(result, choice, executor, data):
            verdicts.add(file, item)
            items.append(item)
    except (NotReplayable, UsageError) as error:
        verdicts.not_replayed(file, str(error))
    else:
        verdicts.keep_replay(file, result, items, choice.share)


def _with_secret_seeds(
    file: Path,
    result: Result,
    runs: int | None,
    executor: Executor,
    data: Path,
    verdicts: Verdicts,
) -> None:
    from suite.replaying.plans import NotReplayable, replay_plan
    from suite.replaying.replay import is_same_kind
    from suite.replaying.secret import fresh_runs, predict

    try:
        plan = replay_plan(result, data)
        fresh = list(fresh_runs(plan, result, runs, executor))
    except NotReplayable as error:
        verdicts.not_replayed(file, str(error))
    else:
        found = predict(result, fresh, exact=is_same_kind(result, plan))
        verdicts.secret(file, result, fresh, found)
