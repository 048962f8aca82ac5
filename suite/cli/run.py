"""`suite run`: tune and evaluate methods on tasks."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import NamesType, NearChoice, as_json, data_dir, joined, wide
from suite.cli.summary import Say, print_ended, print_plans
from suite.cli.workers import starter_of
from suite.errors import MissingData, StudyStopped, SuiteError, UsageError
from suite.studies.protocol import PROTOCOLS

if TYPE_CHECKING:
    from suite.components.method import Method
    from suite.execution.executor import Executor
    from suite.execution.starting import Starter
    from suite.problems.task import Task
    from suite.results.model import Result
    from suite.studies.estimate import Estimate
    from suite.studies.plan import Plan

#: lets diagnostics look at an ended study
Look = Callable[..., "Result | StudyStopped"]
#: what `suite new` writes where a paper and its address belong
_PLACEHOLDERS = ("Authors year, Title", "https://example.org/paper")
_SEVERAL = "Name, pattern, or path to a file; repeat the option, or join by commas, for several."
_MAX_SEED = 2**63 - 1


@click.command(no_args_is_help=True)
@click.option(
    "--optimizer",
    "-o",
    "optimizers",
    type=NamesType("optimizer"),
    multiple=True,
    required=True,
    callback=joined,
    help=_SEVERAL,
)
@click.option(
    "--task",
    "-t",
    "tasks",
    type=NamesType("task"),
    multiple=True,
    callback=joined,
    help=f"{_SEVERAL} With --track: in addition to it.",
)
@click.option("--track", type=NearChoice("track", ["mini", "full"]), help="All tasks of a track.")
@click.option(
    "--core", is_flag=True, help="Of the track, only the core tasks, which its ranking counts."
)
@click.option(
    "--regularizer",
    "-r",
    "regularizers",
    type=NamesType("regularizer", also=("none",), together=True),
    multiple=True,
    callback=joined,
    help="Repeated: one method each. Joined by commas: together in one method. Or 'none'.",
)
@click.option(
    "--schedule",
    "-s",
    "schedules",
    type=NamesType("schedule", also=("none",), together=True),
    multiple=True,
    callback=joined,
    help="Repeated: one method each. Joined by commas: together in one method. Or 'none'.",
)
@click.option(
    "--protocol",
    "-p",
    type=NearChoice("protocol", list(PROTOCOLS)),
    default="quick",
    show_default=True,
)
@click.option(
    "--jobs",
    "-j",
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
@click.option("--seed", type=click.IntRange(0, _MAX_SEED), default=0, show_default=True)
@click.option(
    "--device",
    type=NearChoice("device", ["auto", "cpu", "cuda", "mps"]),
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
@data_dir
@click.option(
    "--trial-timeout",
    type=click.FloatRange(min=1),
    help="Seconds after which a trial is stopped, instead of the task's limit. The result then has "
    "another file name.",
)
@click.option(
    "--keep-going",
    is_flag=True,
    help="Run all trials of a study even if its first one ends in an error of the method's code.",
)
@click.option(
    "--probe",
    "probes",
    type=NamesType("diagnostic", also=("all", "cheap")),
    multiple=True,
    callback=joined,
    help="Diagnostics to record along the evaluation runs, which are repeated for them: names, "
    "paths, 'cheap' or 'all'. No number changes. `suite list diagnostics` lists them.",
)
@click.option(
    "--probe-points",
    type=click.IntRange(2, 100),
    default=9,
    show_default=True,
    help="At how many evaluations of a run diagnostics look, the first and the last included.",
)
@click.option("--force", is_flag=True, help="Run again what is done; restart unfinished studies.")
@click.option("--dry-run", "-n", is_flag=True, help="Show plan, cost and time, and run nothing.")
@wide
@as_json
def run(
    optimizers: tuple[str, ...],
    tasks: tuple[str, ...],
    track: str | None,
    core: bool,
    regularizers: tuple[str, ...],
    schedules: tuple[str, ...],
    jobs: int | None,
    probes: tuple[str, ...],
    probe_points: int,
    dry_run: bool,
    force: bool,
    keep_going: bool,
    wide: bool,
    as_json: bool,
    **settings: Any,
) -> int:
    """Tune and evaluate methods on tasks; write one result file each.

    Several values run all combinations. Finished studies are skipped, interrupted ones are resumed.

    \b
        suite run --optimizer lion --task modular_addition
        suite run --optimizer lion --task digits --probe cheap
        suite run --optimizer adamw --regularizer none --regularizer sam --track mini --core
        suite run --optimizer adamw,lion --task 'modular*' --dry-run
        suite run --optimizer my_optimizer.py --task digits --protocol smoke
    """
    if not tasks and not track:
        raise UsageError(
            "which task? Give --task NAME or --track mini; `suite list tasks` shows all."
        )
    if core and not track:
        raise UsageError("--core chooses among the tasks of a track: give --track, too.")
    left_out, say = _LeftOut(), Say(as_json=as_json)
    started = nullcontext() if dry_run or jobs == 0 else starter_of(settings["threads"])
    with started as starter:
        with _without_collection():
            from suite.studies.run_studies import default_jobs

            chosen = _choose_tasks(tasks, track, core, left_out)
            methods = _make_methods(optimizers, regularizers, schedules, left_out)
            if not (chosen and methods):
                left_out.raise_it()
            plans = _make_plans(methods, chosen, settings)
            look = _looking(probes, probe_points)
        count = max(default_jobs(plan.device) for plan in plans) if jobs is None else jobs
        if dry_run:
            print_plans(plans, max(1, count), force, say)
            left_out.say()
            return left_out.exit_code
        _say_what_is_left_to_fill_in(methods)
        plans = _with_data(plans, left_out)
        if not plans:
            left_out.raise_it()
        ended = _run(plans, count, starter, look, force=force, keep_going=keep_going, say=say)
    if ended is None:
        return 130
    print_ended(plans, *ended, left_out.errors, say, wide=wide)
    left_out.say()
    return left_out.exit_code or _exit_code(ended[0])


@contextmanager
def _without_collection() -> Iterator[None]:
    """Inside, there is no garbage collection, which takes a tenth of the time of imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _LeftOut:
    """What was asked for and cannot run, while the rest does: its errors are told at the end."""

    def __init__(self) -> None:
        self.errors: list[SuiteError] = []

    @property
    def exit_code(self) -> int:
        """0 if nothing is left out."""
        return max((error.exit_code for error in self.errors), default=0)

    def say(self) -> None:
        """Tell what is left out."""
        for error in self.errors:
            click.echo(f"suite: {error}", err=True)

    def raise_it(self) -> None:
        """Nothing is left to run."""
        for error in self.errors[:-1]:
            click.echo(f"suite: {error}", err=True)
        raise self.errors[-1]

    def usable(self, names: Iterable[str], find: Callable[[str], object]) -> list[str]:
        """The names whose files can be used; the errors of the others are kept."""
        found = []
        for name in names:
            try:
                find(name)
            except SuiteError as error:
                if str(error) not in map(str, self.errors):
                    self.errors.append(error)
            else:
                found.append(name)
        return found


def _choose_tasks(
    names: Sequence[str], track: str | None, core: bool, left_out: _LeftOut
) -> list[Task]:
    from suite.components import registry
    from suite.studies.plan import find_task

    chosen = [find_task(name) for name in left_out.usable(names, find_task)]
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


def _make_methods(
    optimizers: Sequence[str],
    regularizers: Sequence[str],
    schedules: Sequence[str],
    left_out: _LeftOut,
) -> list[Method]:
    """Every combination of what can be used."""
    from suite.components.method import find_component, products

    def usable(kind: str, values: Sequence[str]) -> list[str]:
        return left_out.usable(
            values,
            lambda value: [find_component(kind, n) for n in value.split(",") if n != "none"],
        )

    chosen = [
        usable(kind, values)
        for kind, values in (
            ("optimizer", optimizers),
            ("regularizer", regularizers),
            ("schedule", schedules),
        )
    ]
    if any(
        values and not found
        for values, found in zip((optimizers, regularizers, schedules), chosen, strict=True)
    ):
        return []
    return list(products(*chosen))


def _make_plans(
    methods: Sequence[Method], tasks: Sequence[Task], settings: dict[str, Any]
) -> list[Plan]:
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
        for method in methods
    ]
    return list({plan.name: plan for plan in plans}.values())  # a repeated request runs once


def _say_what_is_left_to_fill_in(methods: Iterable[Method]) -> None:
    """A skeleton's paper and address would stand in published results."""
    components = {c.path: c for method in methods for c in method.components}
    for path, component in components.items():
        if component.paper == _PLACEHOLDERS[0] or component.url == _PLACEHOLDERS[1]:
            click.echo(
                f"suite: {path}: paper and url are still those of the skeleton. Results hold them: "
                "fill them in before you publish any.",
                err=True,
            )


def _with_data(plans: list[Plan], left_out: _LeftOut) -> list[Plan]:
    """The plans whose data is available, fetched where possible.

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
    left_out.errors += [
        MissingData(f"{', '.join(names)}: {errors[need]}") for need, names in without.items()
    ]
    names = {name for names in without.values() for name in names}
    return [plan for plan in plans if plan.task.name not in names]


def _run(
    plans: list[Plan],
    jobs: int,
    starter: Starter | None,
    look: Look | None,
    *,
    force: bool,
    keep_going: bool,
    say: Say,
) -> tuple[list[Result | StudyStopped], list[Plan]] | None:
    """How each study ended, and the plans that were run; None if the user interrupted them."""
    from suite.cli.live_view import PlainView, make_view
    from suite.execution.inline import InlineExecutor
    from suite.execution.local import LocalExecutor
    from suite.studies.run_studies import attempt_studies

    # Raises KeyboardInterrupt itself: a shell script starts `suite run … &` with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    todo = [plan for plan in plans if plan.finished() is None or force]
    for plan in plans:
        if plan not in todo:
            say(f"{plan.name}: done already, {plan.result_path()[0]} (--force runs it again)")
        elif reason := plan.why_own_name():
            say(f"{plan.name}: {reason}. This one goes to {plan.result_path()[0]}")
    if not todo and look is None:
        return [there for plan in plans if (there := plan.finished()) is not None], todo
    estimates = _say_how_long(todo, jobs, say) if todo else {}
    executor = LocalExecutor(jobs, starter) if starter else InlineExecutor(tracebacks=True)
    # A live view would draw over a debugger.
    shown = make_view(todo, estimates) if starter else PlainView(todo, estimates)
    try:
        with shown as view:
            ended = attempt_studies(
                plans, executor, max(1, jobs), view, force=force, keep_going=keep_going
            )
        if look is not None:
            pairs = zip(plans, ended, strict=True)
            ended = [look(plan, end, executor, max(1, jobs), say) for plan, end in pairs]
        return ended, todo
    except KeyboardInterrupt:
        without = " without --force" if force else ""
        click.echo(
            f"\nInterrupted. Every finished trial is kept; the same command{without} resumes where "
            "it stopped.",
            err=True,
        )
        return None
    finally:
        executor.close()


def _looking(names: Sequence[str], points: int) -> Look | None:
    """What lets the diagnostics look at an ended study; None without any."""
    if not names:
        return None
    from suite.studies.probing import Wanted, find_diagnostics, probe

    diagnostics = tuple(find_diagnostics(names))

    def look(
        plan: Plan, ended: Result | StudyStopped, executor: Executor, jobs: int, say: Say
    ) -> Result | StudyStopped:
        if isinstance(ended, StudyStopped):
            return ended
        return probe(Wanted(plan, ended, diagnostics, points), executor, jobs, say)

    return look


def _exit_code(ended: Sequence[Result | StudyStopped]) -> int:
    """0 if every study has a result and every evaluation run of it completed."""
    results = [result for result in ended if not isinstance(result, StudyStopped)]
    whole = all(run.status == "completed" for result in results for run in result.evaluation_runs)
    return 0 if whole and len(results) == len(ended) else 1


def _say_how_long(plans: list[Plan], jobs: int, say: Say) -> dict[str, Estimate]:
    """Print it; returns what each study should take by its identity."""
    from suite.studies.estimate import study_estimates
    from suite.words import duration

    trials = sum(plan.trials for plan in plans)
    estimates = study_estimates(plans, max(1, jobs))
    # Workers import torch's compiler, too: they are ready in about as long as this process took.
    seconds = sum(each.seconds for each in estimates.values()) + time.process_time()
    studies = "1 study" if len(plans) == 1 else f"{len(plans)} studies"
    how = f"{jobs} at a time" if jobs else "in this process"
    say(f"{studies}, {trials} trials, {how}: about {duration(seconds)} on this machine.")
    return estimates
