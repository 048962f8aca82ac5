"""`suite run`: tune and evaluate methods on tasks."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import NameType
from suite.errors import MissingData, UsageError
from suite.studies.protocol import PROTOCOLS

if TYPE_CHECKING:
    from suite.execution.starting import Starter
    from suite.problems.task import Task
    from suite.results.model import Result
    from suite.studies.plan import Plan


@click.command(no_args_is_help=True)
@click.option(
    "--optimizer",
    "optimizers",
    type=NameType("optimizer"),
    multiple=True,
    required=True,
    help="Name or path to a file; repeat the option for several.",
)
@click.option(
    "--task",
    "tasks",
    type=NameType("task"),
    multiple=True,
    help="Name or path to a file; repeat the option for several.",
)
@click.option("--track", type=click.Choice(["mini", "full"]), help="All tasks of a track.")
@click.option(
    "--core", is_flag=True, help="Of the track, only the core tasks, which its ranking counts."
)
@click.option(
    "--regularizer",
    "regularizers",
    type=NameType("regularizer", also=("none",)),
    multiple=True,
    help="Repeated: one method each. Joined by commas: together in one method. Or 'none'.",
)
@click.option(
    "--schedule",
    "schedules",
    type=NameType("schedule", also=("none",)),
    multiple=True,
    help="Repeated: one method each. Joined by commas: together in one method. Or 'none'.",
)
@click.option("--protocol", type=click.Choice(list(PROTOCOLS)), default="quick", show_default=True)
@click.option(
    "--jobs",
    type=click.IntRange(0),
    help="Trials at a time; 0 runs them in this process, where breakpoints work.  "
    "[default: number of CPU cores]",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads per trial: part of the result, unlike --jobs.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    help="[default: a GPU for full tasks where there is one, else the CPU]",
)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the result files.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with the data.  [default: SUITE_DATA_DIR, else below SUITE_HOME]",
)
@click.option(
    "--trial-timeout",
    type=click.FloatRange(min=1),
    help="Seconds after which a trial is stopped, instead of the task's limit. The result then has "
    "another file name.",
)
@click.option("--force", is_flag=True, help="Run again what is done; restart unfinished studies.")
@click.option("--dry-run", is_flag=True, help="Show plan, cost and time, and run nothing.")
def run(
    optimizers: tuple[str, ...],
    tasks: tuple[str, ...],
    track: str | None,
    core: bool,
    regularizers: tuple[str, ...],
    schedules: tuple[str, ...],
    jobs: int | None,
    dry_run: bool,
    force: bool,
    **settings: Any,
) -> int:
    """Tune and evaluate methods on tasks; write one result file each.

    Several values run all combinations. Finished studies are skipped, interrupted ones are resumed.

    \b
        suite run --optimizer lion --task modular_addition
        suite run --optimizer adamw --regularizer none --regularizer sam --track mini --core
        suite run --optimizer my_optimizer.py --task digits --protocol smoke
    """
    if not tasks and not track:
        raise UsageError(
            "which task? Give --task NAME or --track mini; `suite list tasks` shows all."
        )
    if core and not track:
        raise UsageError("--core chooses among the tasks of a track: give --track, too.")
    started = nullcontext() if dry_run or jobs == 0 else _workers(settings["threads"])
    with started as starter:
        with _without_collection():
            from suite.studies.run_studies import default_jobs

            chosen = _choose_tasks(tasks, track, core)
            plans = _make_plans(optimizers, regularizers, schedules, chosen, settings)
        count = max(default_jobs(plan.device) for plan in plans) if jobs is None else jobs
        if dry_run:
            _print_plans(plans, max(1, count), force)
            return 0
        plans, missing = _with_data(plans)
        if not plans:
            raise MissingData("\n".join(missing))
        code = _run(plans, count, force, starter)
    for message in missing:
        click.echo(f"suite: {message}", err=True)
    return 2 if missing else code


@contextmanager
def _without_collection() -> Iterator[None]:
    """Inside, there is no garbage collection, which takes a tenth of the time of imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _workers(threads: int) -> Iterator[Starter]:
    """The process that forks workers: it imports torch while this process makes plans."""
    from suite.execution.starting import Starter, worker_log
    from suite.home import make_home

    make_home()
    log = worker_log()
    starter = Starter(threads, log)
    try:
        yield starter
    finally:
        starter.close()
        if log.stat().st_size == 0:
            log.unlink()
        else:
            click.echo(f"What the trials printed: {log}", err=True)


def _choose_tasks(names: Sequence[str], track: str | None, core: bool) -> list[Task]:
    from suite.components import registry
    from suite.studies.plan import find_task

    chosen = [find_task(name) for name in names]
    if track:
        entries, broken = registry.load_all("task")
        for file in broken:
            click.echo(f"suite: left out {file.path}: {file.reason}", err=True)
        chosen += [
            task
            for task in entries
            if task.track == track and task not in chosen and (task.core or not core)
        ]
    return chosen


def _make_plans(
    optimizers: Sequence[str],
    regularizers: Sequence[str],
    schedules: Sequence[str],
    tasks: Sequence[Task],
    settings: dict[str, Any],
) -> list[Plan]:
    from suite.components.method import products
    from suite.home import data_folder
    from suite.studies.plan import make_plan
    from suite.studies.protocol import get_protocol

    plans = [
        make_plan(
            method,
            task,
            get_protocol(settings["protocol"]),
            seed=settings["seed"],
            device=settings["device"],
            threads=settings["threads"],
            results=settings["results"],
            data=data_folder(settings["data_dir"]),
            time_limit=settings["trial_timeout"],
        )
        for task in tasks
        for method in products(optimizers, regularizers, schedules)
    ]
    return list({plan.name: plan for plan in plans}.values())  # a repeated request runs once


def _with_data(plans: list[Plan]) -> tuple[list[Plan], list[str]]:
    """The plans whose data is available, fetched where possible; messages for the others.

    Tasks that need the same data share one attempt and one message.
    """
    errors: dict[str, MissingData] = {}
    without: dict[str, list[str]] = {}
    for plan in {plan.task.name: plan for plan in plans}.values():
        need = plan.task.problem.needs or plan.task.name
        if need not in errors:
            try:
                plan.task.problem.prepare(plan.data)
                continue
            except MissingData as error:
                errors[need] = error
        without.setdefault(need, []).append(plan.task.name)
    messages = [f"{', '.join(names)}: {errors[need]}" for need, names in without.items()]
    left_out = {name for names in without.values() for name in names}
    return [plan for plan in plans if plan.task.name not in left_out], messages


def _print_plans(plans: list[Plan], jobs: int, force: bool) -> None:
    """Each study's trials, cost, time and place. Fetches no data: without data no time is shown."""
    from suite.studies.estimate import study_seconds
    from suite.words import duration

    todo = [plan for plan in plans if force or plan.finished() is None]
    seconds: dict[str, float] = {}
    without: dict[str, MissingData] = {}
    for name in dict.fromkeys(plan.task.name for plan in todo):
        try:
            seconds |= study_seconds([plan for plan in todo if plan.task.name == name], jobs)
        except MissingData as error:
            without[name] = error
    for plan in plans:
        rules = plan.rules
        cost = plan.budget / plan.task.batch_size * (rules.trials + rules.seeds)
        if plan not in todo:
            state = "done already"
        elif plan.identity in seconds:
            state = "about " + duration(seconds[plan.identity])
        else:
            state = f"time unknown. {without[plan.task.name]}"
        click.echo(
            f"{plan.name}: {rules.trials} tuning trials + {rules.seeds} seeds, "
            f"{cost:,.0f} gradient evaluations of batch {plan.task.batch_size}; {state}"
        )
        click.echo(f"  result: {plan.result_path()[0]}")
    total = duration(sum(seconds.values()))
    unknown = len(todo) - len(seconds)
    rest = f", and {unknown} of unknown time" if unknown else ""
    click.echo(
        f"{len(todo)} of {len(plans)} studies to run, about {total} with {jobs} jobs here{rest}."
    )


def _run(plans: list[Plan], jobs: int, force: bool, starter: Starter | None) -> int:
    from suite.cli.live_view import PlainView, make_view
    from suite.execution.inline import InlineExecutor
    from suite.execution.local import LocalExecutor
    from suite.studies.run_studies import run_studies

    # Raises KeyboardInterrupt itself: a shell script starts `suite run … &` with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    todo = [plan for plan in plans if plan.finished() is None or force]
    for plan in plans:
        if plan not in todo:
            click.echo(
                f"{plan.name}: done already, {plan.result_path()[0]} (--force runs it again)"
            )
        elif reason := plan.why_own_name():
            click.echo(f"{plan.name}: {reason}. This one goes to {plan.result_path()[0]}")
    seconds = _say_how_long(todo, jobs)
    executor = LocalExecutor(jobs, starter) if starter else InlineExecutor(tracebacks=True)
    # A live view would draw over a debugger.
    shown = make_view(todo, seconds) if starter else PlainView(todo, seconds)
    try:
        with shown as view:
            results = run_studies(plans, executor, max(1, jobs), view, force=force)
    except KeyboardInterrupt:
        without = " without --force" if force else ""
        click.echo(
            f"\nInterrupted. Every finished trial is kept; the same command{without} resumes where "
            "it stopped.",
            err=True,
        )
        return 130
    finally:
        executor.close()
    for plan, result in zip(plans, results, strict=True):
        _print_result(plan, plan.result_path()[0], result)
    _print_standings(plans)
    return 1 if any(run.status != "completed" for r in results for run in r.evaluation) else 0


def _say_how_long(plans: list[Plan], jobs: int) -> dict[str, float]:
    """Print it; returns the seconds of each study by its identity."""
    if not plans:
        return {}
    from suite.studies.estimate import study_seconds
    from suite.words import duration

    trials = sum(plan.trials for plan in plans)
    estimates = study_seconds(plans, max(1, jobs))
    # Workers import torch's compiler, too: they are ready in about as long as this process took.
    seconds = sum(estimates.values()) + time.process_time()
    studies = "1 study" if len(plans) == 1 else f"{len(plans)} studies"
    how = f"{jobs} at a time" if jobs else "in this process"
    click.echo(f"{studies}, {trials} trials, {how}: about {duration(seconds)} on this machine.")
    return estimates


def _print_result(plan: Plan, path: Path, result: Result) -> None:
    click.echo(f"\n{plan.name}: {path}")
    for run in result.failed:
        purpose = "tuning" if run in result.tuning else "evaluation"
        click.echo(f"  {purpose} trial {run.number} {run.status}: {run.reason}")


def _print_standings(plans: list[Plan]) -> None:
    """The methods compared with those in the results folder: one table per task."""
    from leaderboard.standings import task_standings
    from suite.cli.results import print_standing
    from suite.results.frames import read_folder

    folder, rules = plans[0].results, plans[0].rules
    tasks = {plan.task.name for plan in plans}
    stored, refused = read_folder(folder, tasks)
    for standing in task_standings(stored):
        if standing.protocol.name == rules.name:
            click.echo()
            print_standing(standing, marked={plan.method.name for plan in plans})
    if not rules.ranked:
        click.echo(f"A '{rules.name}' run is never ranked.")
    if refused:
        click.echo(f"suite: {len(refused)} files were refused: `suite validate {folder}`", err=True)
