"""Freeze a task's references: measure both ends of its scale and write them down.

    python scripts/freeze_references.py digits lm_markov --protocol standard

0 is SGD with torch's own defaults, untuned (`untuned_sgd.py` beside this file), 1 is AdamW, tuned
under the protocol. Untuned AdamW would be no 0: on a task whose best rate is near its default the
two ends would lie closer together than two seeds, and the scale would be noise.

Run it once a task version, on canonical data where that can be had. A frozen reference is replaced
only with --replace, because it changes every published score of the task. The tuned study's result
file stays in the results folder as evidence.
"""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, variance

import click

from leaderboard.references import Reference, ReferenceRuns, load, save
from suite.cli.options import NameType
from suite.errors import SuiteError, UsageError
from suite.execution import LocalExecutor
from suite.home import data_folder, home
from suite.method import make_method
from suite.plan import find_task, make_plan
from suite.progress import make_view
from suite.protocol import Protocol, get_protocol
from suite.result import Result
from suite.running import default_jobs, run_studies, worker_log

TUNED = "adamw"
UNTUNED = Path(__file__).with_name("untuned_sgd.py")
#: the two means must differ by so many standard errors
APART = 4.0


@click.command()
@click.argument("tasks", nargs=-1, required=True, type=NameType("task"))
@click.option("--protocol", type=click.Choice(["quick", "standard"]), default="standard")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(1))
@click.option("--replace", "replacing", is_flag=True, help="Replace references that are frozen.")
def freeze(
    tasks: tuple[str, ...],
    protocol: str,
    results: Path,
    data_dir: Path | None,
    jobs: int | None,
    replacing: bool,
) -> None:
    """Measure untuned SGD and tuned AdamW on TASKS and freeze both as their references."""
    references = load()
    for name in tasks:
        task = find_task(name)
        frozen = references.get(name)
        if frozen is not None and frozen.task_version == task.version and not replacing:
            raise UsageError(
                f"{name} version {task.version} is frozen since {frozen.frozen}. Give --replace to "
                "measure it anew: that changes every published score of the task."
            )
        tuned_rules = get_protocol(protocol)
        untuned_rules = Protocol("untuned", 1, trials=1, seeds=tuned_rules.seeds, generation=1)
        folder = data_folder(data_dir)
        task.problem.prepare(folder)
        tuned_plan = make_plan(
            make_method(TUNED),
            task,
            tuned_rules,
            seed=0,
            device="auto",
            threads=1,
            results=results,
            data=folder,
        )
        untuned_plan = replace(
            tuned_plan,
            method=make_method(str(UNTUNED)),
            rules=untuned_rules,
            results=home() / "references",
        )
        count = jobs or default_jobs(tuned_plan.device)
        executor = LocalExecutor(count, 1, worker_log())
        try:
            with make_view(2, count) as view:
                plans = [tuned_plan, untuned_plan]
                tuned, untuned = run_studies(plans, executor, count, view)
        finally:
            executor.close()
        references[name] = _reference(tuned, untuned)
        save(references)
        click.echo(f"{name}: untuned {references[name].untuned.mean:g}, ", nl=False)
        click.echo(f"tuned {references[name].tuned.mean:g}")


def _reference(tuned: Result, untuned: Result) -> Reference:
    task = tuned.task
    if any(run.status != "completed" for run in tuned.evaluation):
        raise SuiteError(f"{task.name}: a tuned run failed: {tuned.failed[0].reason}")
    assert tuned.data is not None
    one, zero = _runs(tuned).scores, _runs(untuned).scores
    gain = (fmean(one) - fmean(zero)) * (1 if task.higher_is_better else -1)
    error = math.sqrt(variance(one) / len(one) + variance(zero) / len(zero))
    if gain <= APART * error:
        raise SuiteError(
            f"{task.name}: tuned AdamW is better than untuned SGD by {gain:g} with a standard "
            f"error of {error:g}: that is no scale. The task must be changed."
        )
    return Reference(
        task_version=tuned.task.version,
        data_fingerprint=tuned.data.fingerprint,
        canonical=tuned.data.canonical,
        untuned=_runs(untuned),
        tuned=_runs(tuned),
        command=_command(),
        suite_version=tuned.environment.suite_version,
        commit=tuned.environment.commit,
        frozen=datetime.now(UTC).date().isoformat(),
        packages=tuned.environment.packages,
    )


def _command() -> str:
    """The command line without the folders of this machine."""
    arguments = [a for a in sys.argv[1:] if not a.startswith("--data-dir=")]
    return shlex.join(["python", "scripts/freeze_references.py", *arguments])


def _runs(result: Result) -> ReferenceRuns:
    scores = [run.test_score for run in result.evaluation if run.test_score is not None]
    chosen = result.tuning[result.chosen].hyperparameters
    return ReferenceRuns(method=result.method.name, hyperparameters=chosen, scores=scores)


if __name__ == "__main__":
    try:
        freeze(standalone_mode=False)
    except (SuiteError, click.ClickException) as error:
        sys.exit(f"freeze_references: {error}")
