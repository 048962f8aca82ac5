"""Run again the published results that the present code no longer stands behind.

    python scripts/measure_again.py --to build/again

A result is bound to the code of its task and of its method. After an edit there, `suite validate`
refuses it; this script runs its study again with the same protocol and seed, cheapest first, into
another folder. It can be interrupted and started again: finished studies are skipped, an
interrupted one is resumed. With --replace it then moves the new files to the places of the old
ones, and says by how much each score changed. --list runs nothing.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import click

from suite.cli.live_view import make_view
from suite.components.method import parse_method
from suite.errors import InvalidResult, SuiteError
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter, worker_log
from suite.home import data_folder
from suite.results import files
from suite.results.model import Result
from suite.results.verification import check_consistency
from suite.studies.estimate import study_estimates
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import default_jobs, run_studies


@dataclass(frozen=True)
class Stale:
    """A published result that the present code does not stand behind."""

    path: Path
    result: Result
    reason: str

    @property
    def seconds(self) -> float:
        """What its runs took, evaluations included."""
        runs = [*self.result.tuning_runs, *self.result.evaluation_runs]
        return sum(run.cost.seconds + run.cost.evaluation_seconds for run in runs)

    def plan(self, folder: Path) -> Plan:
        """The same study with the present code, into another folder."""
        result = self.result
        return make_plan(
            parse_method(result.method.name),
            find_task(result.task.name),
            get_protocol(result.protocol.name),
            seed=result.seed,
            device=result.device,
            threads=result.threads,
            results=folder,
            data=data_folder(None),
        )


def stale(folder: Path) -> Iterator[Stale]:
    """Results below a folder that are refused for their code; raises for other faults of a file."""
    for path in files.find(folder):
        result = files.read(path)
        try:
            check_consistency(result, ours=True)
        except InvalidResult as error:
            yield Stale(path, result, str(error))


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=Path("results"))
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--jobs", type=click.IntRange(1))
@click.option("--list", "listing", is_flag=True, help="Say what is left, and run nothing.")
@click.option("--replace", "replacing", is_flag=True, help="Put new files in the places of old.")
def measure_again(
    results: Path, folder: Path, jobs: int | None, listing: bool, replacing: bool
) -> None:
    """Run the studies of stale results again."""
    found = sorted(stale(results), key=lambda one: one.seconds)
    plans = [one.plan(folder) for one in found]
    todo = [plan for plan in plans if plan.finished() is None]
    left = sum(one.seconds for one, plan in zip(found, plans, strict=True) if plan in todo)
    click.echo(f"{len(found)} stale, {len(todo)} to run: {left:.0f} s of runs as last measured")
    if listing:
        for one, plan in zip(found, plans, strict=True):
            state = "to run" if plan in todo else "done"
            click.echo(f"{state:7} {one.seconds:7.0f} s  {one.path}: {one.reason}")
        return
    if todo:
        count = jobs or default_jobs("cpu")
        executor = LocalExecutor(count, Starter(1, worker_log()))
        try:
            with make_view(todo, study_estimates(todo, count)) as view:
                run_studies(todo, executor, count, view)
        finally:
            executor.close()
    if replacing:
        for one, plan in zip(found, plans, strict=True):
            new = plan.finished()
            assert new is not None
            shutil.copyfile(plan.result_path()[0], one.path)
            click.echo(f"{one.path}: {_mean(one.result):g} before, {_mean(new):g} now")


def _mean(result: Result) -> float:
    scores = [run.test_score for run in result.evaluation_runs if run.test_score is not None]
    return fmean(scores) if scores else float("nan")


if __name__ == "__main__":
    try:
        measure_again(standalone_mode=False)
    except (SuiteError, click.ClickException) as error:
        sys.exit(f"measure_again: {error}")
