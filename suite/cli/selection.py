"""Which studies: the options that choose them, shared by `suite run` and `suite plan`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from suite.cli.options import NamesType, NearChoice, data_dir, joined, results_folder
from suite.errors import MissingData, SuiteError, UsageError
from suite.studies.protocol import PROTOCOLS

if TYPE_CHECKING:
    from suite.components.method import Method
    from suite.problems.task import Task
    from suite.studies.plan import Plan

Command = TypeVar("Command", bound=Callable[..., Any])

#: what `suite new` writes where a paper and its address belong
_PLACEHOLDERS = ("Authors year, Title", "https://example.org/paper")
_SEVERAL = "Name, pattern, or path to a file; repeat the option, or join by commas, for several."
_MAX_SEED = 2**63 - 1
#: a result holds as many
MAX_AUTHORS = 50


def _authors(_: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names of one line each."""
    names = tuple(" ".join(name.split()) for name in (value or "").split(","))
    found = tuple(dict.fromkeys(filter(None, names)))
    if len(found) > MAX_AUTHORS or any(not name.isprintable() for name in found):
        raise click.BadParameter(
            f"at most {MAX_AUTHORS} names, without control characters.", param=option
        )
    return found


_OPTIONS = (
    click.option(
        "--optimizer",
        "-o",
        "optimizers",
        type=NamesType("optimizer"),
        multiple=True,
        callback=joined,
        help=_SEVERAL,
    ),
    click.option(
        "--task",
        "-t",
        "tasks",
        type=NamesType("task"),
        multiple=True,
        callback=joined,
        help=f"{_SEVERAL} With --track: in addition to it.",
    ),
    click.option(
        "--track", type=NearChoice("track", ["mini", "full"]), help="All tasks of a track."
    ),
    click.option(
        "--core", is_flag=True, help="Of the track, only the core tasks, which its ranking counts."
    ),
    click.option(
        "--regularizer",
        "-r",
        "regularizers",
        type=NamesType("regularizer", also=("none",), together=True),
        multiple=True,
        callback=joined,
        help="Repeated: one method each. Joined by commas: together in one method. Or 'none'.",
    ),
    click.option(
        "--schedule",
        "-s",
        "schedules",
        type=NamesType("schedule", also=("none",), together=True),
        multiple=True,
        callback=joined,
        help="Repeated: one method each. Joined by commas: together in one method. Or 'none'.",
    ),
    click.option(
        "--protocol",
        "-p",
        type=NearChoice("protocol", list(PROTOCOLS)),
        default="quick",
        show_default=True,
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Threads per trial: part of the result, unlike --jobs.",
    ),
    click.option("--seed", type=click.IntRange(0, _MAX_SEED), default=0, show_default=True),
    click.option(
        "--device",
        type=NearChoice("device", ["auto", "cpu", "cuda", "mps"]),
        default="auto",
        help="[default: a GPU for full tasks where there is one, else the CPU]",
    ),
    results_folder,
    data_dir,
    click.option(
        "--authors",
        envvar="SUITE_AUTHORS",
        callback=_authors,
        help="Who runs it, separated by commas: results say it.  [default: SUITE_AUTHORS]",
    ),
    click.option(
        "--trial-timeout",
        type=click.FloatRange(min=1),
        help="Seconds after which a trial is stopped, instead of the task's limit. The result then "
        "has another file name.",
    ),
    click.option(
        "--keep-going",
        is_flag=True,
        help="Run all trials of a study even if its first one ends in an error of the method's "
        "code.",
    ),
)


def selecting(command: Command) -> Command:
    """Add the options that choose studies."""
    return functools.reduce(lambda made, option: option(made), reversed(_OPTIONS), command)


def choose(options: dict[str, Any], left_out: LeftOut, *, elsewhere: bool = False) -> list[Plan]:
    """The plans of every combination that the options choose, each once.

    `options` are the values of `selecting`'s options. What cannot be used is kept in `left_out`;
    raises its last error if nothing is left. `elsewhere`: the studies run on other machines, so
    that it does not matter which devices this one has.
    """
    check(options)
    tasks = _choose_tasks(options["tasks"], options["track"], options["core"], left_out)
    methods = _make_methods(
        options["optimizers"], options["regularizers"], options["schedules"], left_out
    )
    if not (tasks and methods):
        left_out.raise_it()
    return _make_plans(methods, tasks, options, elsewhere=elsewhere)


def check(options: dict[str, Any]) -> None:
    """Raise UsageError if the options choose nothing, before any slow import."""
    if not options["optimizers"]:
        raise UsageError("which method? Give --optimizer NAME; `suite list optimizers` shows all.")
    if not options["tasks"] and not options["track"]:
        raise UsageError(
            "which task? Give --task NAME or --track mini; `suite list tasks` shows all."
        )
    if options["core"] and not options["track"]:
        raise UsageError("--core chooses among the tasks of a track: give --track, too.")


def ready(plans: list[Plan], left_out: LeftOut) -> list[Plan]:
    """The plans whose data is available; raises the last error if there is none."""
    _say_what_is_left_to_fill_in(plan.method for plan in plans)
    plans = _with_data(plans, left_out)
    if not plans:
        left_out.raise_it()
    return plans


class LeftOut:
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
    names: Sequence[str], track: str | None, core: bool, left_out: LeftOut
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
    left_out: LeftOut,
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
    methods: Sequence[Method],
    tasks: Sequence[Task],
    settings: dict[str, Any],
    *,
    elsewhere: bool,
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
            elsewhere=elsewhere,
            authors=settings["authors"],
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


def _with_data(plans: list[Plan], left_out: LeftOut) -> list[Plan]:
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
