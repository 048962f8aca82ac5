"""Calibrate tasks: measure both ends of each scale, the deviation over seeds, and a contrast.

    python scripts/calibrate.py digits lm_markov --protocol quick

For each task it runs

- AdamW, tuned under the protocol: the 1 of the scale; its result file stays in the results folder;
- SGD with torch's own defaults, untuned (`untuned_sgd.py` in this folder): the 0. Untuned AdamW
  would not be a usable 0: on a task whose best rate is near its default, both ends would be closer
  together than two seeds, and the scale would be noise;
- the two methods that the task declares as its contrast, `task(..., contrast=(better, worse))`,
  tuned under the protocol, too.

AdamW and SGD get 8 seeds, the contrast's methods 5. The results go into
`leaderboard/references.json`. Ends of a scale that are frozen already are kept, and only the rest
of the record is measured again, with the same hyperparameters on the same data; otherwise the
script refuses. --replace replaces the ends, too, which changes every published score of the task.
Calibrate on canonical data if it is available.
"""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

import click

from leaderboard.references import (
    PATH,
    Calibration,
    Contrast,
    Reference,
    ReferenceRuns,
    errors_apart,
    load,
    save,
)
from suite.cli.live_view import make_view
from suite.cli.options import NameType
from suite.components.method import make_method, parse_method
from suite.errors import SuiteError
from suite.execution.executor import Ended, Executor, Job, Refused
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter, worker_log
from suite.home import data_folder, home
from suite.problems.task import Task
from suite.results.environment import cpu_name
from suite.results.model import Result, Run
from suite.studies.estimate import study_estimates
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import StudyRules, get_protocol
from suite.studies.run_studies import default_jobs, run_studies

TUNED = "adamw"
UNTUNED = Path(__file__).with_name("untuned_sgd.py")
REFERENCE_SEEDS, CONTRAST_SEEDS = 8, 5
#: both pairs of means must differ by this number of standard errors
APART = 4.0


@click.command()
@click.argument("tasks", nargs=-1, required=True, type=NameType("task"))
@click.option("--protocol", type=click.Choice(["quick", "standard"]), default="quick")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--references", type=click.Path(path_type=Path), default=PATH, help="Where to write.")
@click.option("--jobs", type=click.IntRange(1))
@click.option("--replace", "replacing", is_flag=True, help="Replace ends that are frozen.")
def calibrate(
    tasks: tuple[str, ...],
    protocol: str,
    results: Path,
    data_dir: Path | None,
    references: Path,
    jobs: int | None,
    replacing: bool,
) -> None:
    """Measure what the scores of TASKS mean, and record it."""
    failed = []
    for name in tasks:
        task, rules = find_task(name), get_protocol(protocol)
        plan = make_plan(
            make_method(TUNED),
            task,
            rules,
            seed=0,
            device="auto",
            threads=1,
            results=results,
            data=data_folder(data_dir),
        )
        task.problem.prepare(plan.data)
        count = jobs or default_jobs(plan.device)
        executor = LocalExecutor(count, Starter(1, worker_log()))
        known = (load(references) if references.exists() else {}).get(task.name)
        if known is not None and (replacing or known.task_version != task.version):
            known = None
        try:
            reference = _measure(plan, executor, count, known)
        except SuiteError as error:  # the other tasks are still measured
            failed.append(str(error))
            click.echo(f"calibrate: {error}", err=True)
            continue
        finally:
            executor.close()
        others = load(references) if references.exists() else {}
        save({**others, task.name: reference}, references)
        click.echo(_summary(task.name, reference))
    if failed:
        raise SuiteError(f"{len(failed)} of {len(tasks)} tasks were not calibrated")


def _measure(plan: Plan, executor: Executor, jobs: int, known: Reference | None) -> Reference:
    task = plan.task
    better, worse = contrast_of(task)
    names = dict.fromkeys((TUNED, better, worse))
    plans = [replace(plan, method=parse_method(name)) for name in names]
    untuned_rules = StudyRules(
        "untuned", 2, replicates=1, trials=1, seeds=REFERENCE_SEEDS, generation=1
    )
    untuned_plan = replace(
        plan,
        method=make_method(str(UNTUNED)),
        rules=untuned_rules,
        results=home() / "references",
    )
    studies = [*plans, untuned_plan]
    todo = [study for study in studies if study.finished() is None]
    with make_view(todo, study_estimates(todo, jobs)) as view:
        *tuned, untuned = run_studies(studies, executor, jobs, view)
    runs = {}
    for its_plan, result in zip(plans, tuned, strict=True):
        seeds = REFERENCE_SEEDS if its_plan.method.name == TUNED else CONTRAST_SEEDS
        more = _more_seeds(its_plan, result, seeds, executor)
        runs[its_plan.method.name] = [*result.evaluation, *more][:seeds]
    adamw = runs[TUNED]
    if any(run.status != "completed" for run in adamw):
        raise SuiteError(f"{task.name}: a run of tuned {TUNED} did not complete")
    if known is None:
        known = _new_reference(tuned[0], untuned, adamw)
    _check_same(known, tuned[0])
    contrast = Contrast(
        better=better,
        worse=worse,
        better_scores=_scores(runs[better][:CONTRAST_SEEDS]),
        worse_scores=_scores(runs[worse][:CONTRAST_SEEDS]),
    )
    apart = contrast.errors_apart * (1 if task.score.higher_is_better else -1)
    if apart < APART:
        raise SuiteError(
            f"{task.name}: {better} is better than {worse} by {apart:.1f} standard errors; the "
            f"contrast of a task takes {APART:g}. Change the task, or name another pair."
        )
    return known.model_copy(
        update={
            "calibration": Calibration(
                scores=_scores(adamw),
                target=task.target,
                reached=sum(run.time_to_target is not None for run in adamw),
                trial_seconds=_seconds(adamw),
                device=plan.device,
                machine=cpu_name(),
                contrast=contrast,
                command=_command(),
            )
        }
    )


def _check_same(known: Reference, tuned: Result) -> None:
    """Raise SuiteError unless the frozen 1 is this AdamW, on this data."""
    name, again = tuned.task.name, "Give --replace to freeze new ends."
    if tuned.data is None or tuned.data.fingerprint != known.data_fingerprint:
        raise SuiteError(f"{name}: its ends are frozen on other data. {again}")
    chosen = tuned.tuning[tuned.chosen].hyperparameters
    if chosen != known.tuned.hyperparameters:
        raise SuiteError(
            f"{name}: its 1 is frozen with {known.tuned.hyperparameters}, and "
            f"{tuned.protocol.name} chose {chosen}: deviation and target would be another AdamW's. "
            f"Give the protocol of '{known.command}'. {again}"
        )


def without_folders(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments but for folders of this machine, which change no figure."""
    kept, skip = [], False
    for argument in arguments:
        name, _, value = argument.partition("=")
        if not skip and name not in ("--results", "--data-dir", "--references"):
            kept.append(argument)
        skip = not skip and name in ("--results", "--data-dir", "--references") and not value
    return kept


def contrast_of(task: Task) -> tuple[str, str]:
    """The better and the worse method that the task distinguishes."""
    if task.contrast is None:
        raise SuiteError(
            f"{task.path}: task {task.name!r} declares no contrast. Name two methods that it "
            "distinguishes, the better one first: task(..., contrast=(better, worse))."
        )
    return task.contrast


def _more_seeds(plan: Plan, result: Result, seeds: int, executor: Executor) -> list[Run]:
    """Evaluation runs in addition to those of the protocol, with the chosen hyperparameters."""
    chosen = result.tuning[result.chosen].hyperparameters
    numbers = range(len(result.evaluation), seeds)
    for number in numbers:
        trial = plan.trial(0, "evaluation", number, chosen)
        executor.submit(Job(plan.identity, trial, plan.task, plan.task.time_limit))
    runs: list[Run] = []
    while len(runs) < len(numbers):
        event = executor.next_event(0.5)
        if isinstance(event, Refused):
            raise event.error
        if isinstance(event, Ended):
            runs.append(event.outcome.run)
    return sorted(runs, key=lambda run: run.number)


def _new_reference(tuned: Result, untuned: Result, adamw: list[Run]) -> Reference:
    task = tuned.task
    assert tuned.data is not None
    zero = _scores(untuned.evaluation)
    apart = errors_apart(_scores(adamw), zero) * (1 if task.higher_is_better else -1)
    if apart <= APART:
        raise SuiteError(
            f"{task.name}: tuned AdamW is better than untuned SGD by {apart:.1f} standard errors "
            f"({fmean(_scores(adamw)):g} against {fmean(zero):g}): too close for a scale. Change "
            "the task."
        )
    return Reference(
        task_version=task.version,
        data_fingerprint=tuned.data.fingerprint,
        canonical=tuned.data.canonical,
        untuned=_reference_runs(untuned, untuned.evaluation),
        tuned=_reference_runs(tuned, adamw),
        protocol=tuned.protocol.name,
        command=_command(),
        suite_version=tuned.environment.suite_version,
        commit=tuned.environment.commit,
        frozen=datetime.now(UTC).date().isoformat(),
        packages=tuned.environment.packages,
    )


def _reference_runs(result: Result, runs: Sequence[Run]) -> ReferenceRuns:
    chosen = result.tuning[result.chosen].hyperparameters
    return ReferenceRuns(method=result.method.name, hyperparameters=chosen, scores=_scores(runs))


def _scores(runs: Sequence[Run]) -> list[float]:
    return [run.test_score for run in runs if run.test_score is not None]


def _seconds(runs: Sequence[Run]) -> float:
    return round(median(run.cost.seconds + run.cost.evaluation_seconds for run in runs), 2)


def _command() -> str:
    """The command line without this machine's folders."""
    return shlex.join(["python", "scripts/calibrate.py", *without_folders(sys.argv[1:])])


def _summary(name: str, reference: Reference) -> str:
    measured = reference.calibration
    assert measured is not None
    contrast, seeds = measured.contrast, len(measured.scores)
    return (
        f"{name}: untuned {reference.untuned.mean:.4g}, tuned {reference.tuned.mean:.4g}, "
        f"deviation {measured.deviation:.2g}, target reached by {measured.reached} of {seeds}, "
        f"{measured.trial_seconds:g} s; {contrast.better} over {contrast.worse} by "
        f"{math.fabs(contrast.errors_apart):.1f} standard errors"
    )


if __name__ == "__main__":
    try:
        calibrate(standalone_mode=False)
    except (SuiteError, click.ClickException) as error:
        sys.exit(f"calibrate: {error}")
