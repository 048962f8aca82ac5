"""Calibrate tasks: measure both ends of each scale, their spreads, and a contrast.

    python scripts/calibrate.py digits lm_markov_short

For each task it runs

- AdamW, tuned anew in each of 10 replicates of `quick`'s 6 trials, each evaluated with 2 seeds: the
  1 of the scale is the mean over the replicates;
- SGD with torch's own defaults, untuned (`untuned_sgd.py` in this folder), with 20 seeds: the 0.
  Untuned AdamW would not be a usable 0: on a task whose best rate is near its default, both ends
  would be closer together than two seeds, and the scale would be noise;
- the two methods that the task declares as its contrast, `task(..., contrast=(better, worse))`,
  tuned like AdamW.

The results go into `leaderboard/references.json`. A task whose ends are closer than 4 standard
errors, or whose contrast is, is refused; so is a core task whose ends lie closer than 6 spreads, a
spread being the standard deviation between replicates. Every trial is kept at once: after an
interruption the same command resumes. Ends of a scale that are frozen already are kept, and only
the rest of the record is measured again, with the same hyperparameters on the same data; otherwise
the script refuses. --replace replaces the ends, too, which changes every published score of the
task. Calibrate on canonical data if it is available.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

import click

from leaderboard.references import (
    CORE_SPREADS,
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
from suite.execution.executor import Executor
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter, worker_log
from suite.home import data_folder, home
from suite.problems.task import Task
from suite.results.environment import cpu_name
from suite.results.model import Result
from suite.studies.estimate import study_estimates
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import StudyRules, get_protocol
from suite.studies.run_studies import default_jobs, run_studies
from suite.training.loop import run_trial

TUNED = "adamw"
UNTUNED = Path(__file__).with_name("untuned_sgd.py")
REPLICATES, SEEDS, UNTUNED_SEEDS = 10, 2, 20
#: both pairs of means must differ by this number of standard errors
APART = 4.0


@click.command()
@click.argument("tasks", nargs=-1, required=True, type=NameType("task"))
@click.option(
    "--replicates",
    type=click.IntRange(5, 100),
    default=REPLICATES,
    show_default=True,
    help="Replicates of the tuned methods; core tasks take 10.",
)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--references", type=click.Path(path_type=Path), default=PATH, help="Where to write.")
@click.option("--jobs", type=click.IntRange(1))
@click.option("--replace", "replacing", is_flag=True, help="Replace ends that are frozen.")
def calibrate(
    tasks: tuple[str, ...],
    replicates: int,
    data_dir: Path | None,
    references: Path,
    jobs: int | None,
    replacing: bool,
) -> None:
    """Measure what the scores of TASKS mean, and record it."""
    rules = replace(get_protocol("quick"), name="reference", replicates=replicates, seeds=SEEDS)
    failed = []
    for name in tasks:
        task = find_task(name)
        plan = make_plan(
            make_method(TUNED),
            task,
            rules,
            seed=0,
            device="auto",
            threads=1,
            results=home() / "references",
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
        "untuned", 2, replicates=1, trials=1, seeds=UNTUNED_SEEDS, generation=1
    )
    untuned_plan = replace(plan, method=make_method(str(UNTUNED)), rules=untuned_rules)
    studies = [*plans, untuned_plan]
    todo = [study for study in studies if study.finished() is None]
    with make_view(todo, study_estimates(todo, jobs)) as view:
        *tuned, untuned = run_studies(studies, executor, jobs, view)
    results = dict(zip(names, tuned, strict=True))
    adamw = results[TUNED]
    if any(run.status != "completed" for run in adamw.evaluation_runs):
        raise SuiteError(f"{task.name}: a run of tuned {TUNED} did not complete")
    if known is None:
        known = new_reference(task, adamw, untuned)
    check_same(known, adamw)
    contrast = Contrast(
        better=better,
        worse=worse,
        better_scores=results[better].scores,
        worse_scores=results[worse].scores,
    )
    apart = contrast.errors_apart * _sign(task)
    if apart < APART:
        raise SuiteError(
            f"{task.name}: {better} is better than {worse} by {apart:.1f} standard errors; the "
            f"contrast of a task takes {APART:g}. Change the task, or name another pair."
        )
    return known.model_copy(
        update={
            "calibration": Calibration(
                scores=_reference_runs(adamw).every_run,
                target=task.target,
                reached=sum(run.time_to_target is not None for run in adamw.evaluation_runs),
                trial_seconds=_seconds(plan, adamw),
                device=plan.device,
                machine=cpu_name(),
                contrast=contrast,
                command=_command(),
            )
        }
    )


def check_same(known: Reference, tuned: Result) -> None:
    """Raise SuiteError unless the frozen 1 is this AdamW, on this data."""
    name, again = tuned.task.name, "Give --replace to freeze new ends."
    if known.protocol_version != tuned.protocol.version:
        raise SuiteError(
            f"{name}: its ends are frozen under version {known.protocol_version} of the protocol, "
            f"and this is version {tuned.protocol.version}. {again}"
        )
    if tuned.data is None or tuned.data.fingerprint != known.data_fingerprint:
        raise SuiteError(f"{name}: its ends are frozen on other data. {again}")
    chosen = _reference_runs(tuned).hyperparameters
    if chosen != known.tuned.hyperparameters:
        raise SuiteError(
            f"{name}: its 1 is frozen with other hyperparameters than its {len(chosen)} replicates "
            "chose now: deviation and target would be another AdamW's. Give the options of "
            f"'{known.command}'. {again}"
        )


def without_folders(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments but for folders of this machine, which change no figure."""
    kept, skip = [], False
    for argument in arguments:
        name, _, value = argument.partition("=")
        if not skip and name not in ("--data-dir", "--references"):
            kept.append(argument)
        skip = not skip and name in ("--data-dir", "--references") and not value
    return kept


def contrast_of(task: Task) -> tuple[str, str]:
    """The better and the worse method that the task distinguishes."""
    if task.contrast is None:
        raise SuiteError(
            f"{task.path}: task {task.name!r} declares no contrast. Name two methods that it "
            "distinguishes, the better one first: task(..., contrast=(better, worse))."
        )
    return task.contrast


def new_reference(task: Task, tuned: Result, untuned: Result) -> Reference:
    """The task's scale; raises SuiteError if its ends are too close."""
    assert tuned.data is not None
    one, zero = _reference_runs(tuned), _reference_runs(untuned)
    apart = errors_apart(one.units, zero.units) * _sign(task)
    if apart <= APART:
        raise SuiteError(
            f"{task.name}: tuned AdamW is better than untuned SGD by {apart:.1f} standard errors "
            f"({one.mean:g} against {zero.mean:g}): too close for a scale. Change the task."
        )
    reference = Reference(
        task_version=task.version,
        data_fingerprint=tuned.data.fingerprint,
        canonical=tuned.data.canonical,
        untuned=zero,
        tuned=one,
        protocol=tuned.protocol.name,
        protocol_version=tuned.protocol.version,
        command=_command(),
        suite_version=tuned.environment.suite_version,
        commit=tuned.environment.commit,
        frozen=datetime.now(UTC).date().isoformat(),
        packages=tuned.environment.packages,
    )
    if task.core and reference.spreads_apart < CORE_SPREADS:
        raise SuiteError(
            f"{task.name}: the ends, {one.mean:g} and {zero.mean:g}, lie "
            f"{reference.spreads_apart:.1f} spreads apart (tuned {one.spread:.2g}, untuned "
            f"{zero.spread:.2g}); a core task takes {CORE_SPREADS:g}. Change it, or take core=True "
            "away."
        )
    return reference


def _reference_runs(result: Result) -> ReferenceRuns:
    return ReferenceRuns(
        method=result.method.name,
        hyperparameters=[each.chosen_run.hyperparameters for each in result.replicates],
        runs=[
            [run.test_score for run in each.evaluation if run.test_score is not None]
            for each in result.replicates
        ],
    )


def _sign(task: Task) -> int:
    return 1 if task.score.higher_is_better else -1


def _seconds(plan: Plan, result: Result) -> float:
    """Median seconds of an evaluation run.

    On a CPU each of a few is run again in this process, and what the processor worked for it is
    counted: other work on the machine makes seconds of the clock longer.
    """
    if plan.device != "cpu":
        runs = result.evaluation_runs
        seconds = [run.cost.seconds + run.cost.evaluation_seconds for run in runs]
    else:
        seconds = []
        for number, replicate in enumerate(result.replicates[:5]):
            chosen = replicate.chosen_run.hyperparameters
            before = _worked()
            run_trial(plan.trial(number, "evaluation", 0, chosen))
            seconds.append(_worked() - before)
    return round(median(seconds), 2)


def _worked() -> float:
    times = os.times()
    return times.user + times.system


def _command() -> str:
    """The command line without this machine's folders."""
    return shlex.join(["python", "scripts/calibrate.py", *without_folders(sys.argv[1:])])


def _summary(name: str, reference: Reference) -> str:
    measured = reference.calibration
    assert measured is not None
    contrast, runs = measured.contrast, len(measured.scores)
    ends = ", ".join(
        f"{what} {end.mean:.4g} (spread {end.spread:.2g}, within {end.spread_within:.2g})"
        for what, end in (("untuned", reference.untuned), ("tuned", reference.tuned))
    )
    return (
        f"{name}: {ends}, {reference.spreads_apart:.1f} spreads apart, target reached by "
        f"{measured.reached} of {runs}, {measured.trial_seconds:g} s; {contrast.better} over "
        f"{contrast.worse} by {math.fabs(contrast.errors_apart):.1f} standard errors "
        f"({fmean(contrast.better_scores):.4g} against {fmean(contrast.worse_scores):.4g})"
    )


if __name__ == "__main__":
    try:
        calibrate(standalone_mode=False)
    except (SuiteError, click.ClickException) as error:
        sys.exit(f"calibrate: {error}")
