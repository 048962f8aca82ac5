"""`suite check`: what every component must do, tried on one or more of them."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import AnyNameType, as_json, entries_of, names_of
from suite.cli.tables import print_json
from suite.cli.workers import local_executor
from suite.components import registry
from suite.components.discovery import looks_like_file
from suite.errors import SuiteError, UsageError

if TYPE_CHECKING:
    from suite.checking.runs import Runs, Scale
    from suite.checking.verdict import Verdict
    from suite.components.registry import Component
    from suite.execution.executor import Executor

_KINDS = registry.COMPONENT_KINDS
_COLORS = {"ok": "green", "problem": "red", "warning": "yellow"}


@click.command(no_args_is_help=True)
@click.argument(
    "names", nargs=-1, required=True, type=AnyNameType(_KINDS), metavar="FILE_OR_NAME..."
)
@click.option("--quick", "-q", is_flag=True, help="Without the runs on two tasks.")
@as_json
def check(names: tuple[str, ...], quick: bool, as_json: bool) -> int:
    """Check what every component must do, and run it on two cheap tasks.

    Names, patterns, or paths to files. Each hyperparameter must act, the state must be whole, and
    so on; each line says what was seen and, where something is wrong, what to write instead.
    Exit code 1 if there is a problem; warnings are none.

    \b
        suite check my_optimizer.py
        suite check lion sam cosine
        suite check 'ada*' --quick
    """
    wanted, broken = _chosen(names)
    reports = []
    with nullcontext() if quick else local_executor(1, 2) as executor:
        if wanted:
            import suite.checking.checks  # noqa: F401, torch is imported before anything is said
        scales = [] if executor is None else _scales()
        for number, component in enumerate(wanted):
            if number and not as_json:
                click.echo()
            reports.append(_report(component, executor, scales, as_json=as_json))
    for each in broken:
        click.echo(f"suite: {each}", err=True)
    if as_json:
        print_json({"components": reports, "broken": [str(each) for each in broken]})
    problems = sum(report["problems"] for report in reports)
    return max([1 if problems else 0, *(each.exit_code for each in broken)])


def _chosen(names: Sequence[str]) -> tuple[list[Component], list[SuiteError]]:
    """The components of all names, each once, and the errors of files that cannot be used."""
    found: dict[tuple[str, str], Component] = {}
    broken: list[SuiteError] = []
    for name in names:
        try:
            for component in _components(name):
                found[component.kind, component.name] = component
        except SuiteError as error:
            broken.append(error)
    if not found:
        for each in broken[:-1]:
            click.echo(f"suite: {each}", err=True)
        raise broken[-1]
    return list(found.values()), broken


def _components(name: str) -> Iterator[Component]:
    if looks_like_file(name):
        entries = entries_of(name, _KINDS)
        if not entries:
            raise UsageError(f"{name} registers no optimizer, regularizer or schedule.")
        yield from entries
    elif any(mark in name for mark in "*?["):
        matching = [known for known in names_of(_KINDS) if fnmatchcase(known, name)]
        if not matching:
            raise UsageError(f"no optimizer, regularizer or schedule matches '{name}'.")
        for one in matching:
            yield from entries_of(one, _KINDS)
    else:
        yield from entries_of(name, _KINDS)


def _scales() -> list[Scale]:
    """The cheap tasks whose scale is known."""
    from leaderboard.references import load
    from suite.checking.runs import Scale, cheap

    found = []
    for name, reference in load().items():
        calibration = reference.calibration
        if calibration is None or name not in registry.names("task"):
            continue
        task = registry.get("task", name)
        if task.version == reference.task_version:
            means = reference.untuned.mean, reference.tuned.mean
            found.append(Scale(task, *means, calibration.trial_seconds))
    return cheap(found)


def _around() -> Component | None:
    """The optimizer around which a regularizer or schedule runs: that of the tuned references."""
    from leaderboard.references import load

    names = {reference.tuned.method for reference in load().values()}
    known = sorted(names & set(registry.names("optimizer")))
    return registry.get("optimizer", known[0]) if known else None


def _report(
    component: Component, executor: Executor | None, scales: list[Scale], *, as_json: bool
) -> dict[str, Any]:
    """Check one component and say each verdict when it is known."""
    from suite.checking.checks import check_component

    began = time.monotonic()
    if not as_json:
        click.secho(f"{component.kind} {component.name}", bold=True, nl=False)
        click.echo(f"  {component.path}")
    runs: Runs | None = None
    found: list[Verdict] = []
    if executor is not None:
        runs = _begin_runs(component, executor, scales)
    for verdict in check_component(component):
        found.append(verdict)
        if not as_json:
            _show(verdict)
    if runs is not None:
        for verdict in runs.verdicts():
            found.append(verdict)
            if not as_json:
                _show(verdict)
    problems = sum(verdict.failed for verdict in found)
    seconds = time.monotonic() - began
    if not as_json:
        warnings = sum(verdict.outcome == "warning" for verdict in found)
        counted = [_count(problems, "problem"), _count(warnings, "warning")]
        click.secho(f"{', '.join(counted)} in {seconds:.0f} s", bold=True)
    return {
        "kind": component.kind,
        "name": component.name,
        "file": str(component.path),
        "problems": problems,
        "seconds": round(seconds, 1),
        "checks": [
            {"check": v.check, "outcome": v.outcome, "seen": v.seen, "cure": v.cure or None}
            for v in found
        ],
    }


def _begin_runs(component: Component, executor: Executor, scales: list[Scale]) -> Runs:
    from suite.checking.runs import Runs
    from suite.home import data_folder

    return Runs(component, _around(), scales, executor, data_folder())


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


#: widths of the names of checks and of outcomes
_NAME, _OUTCOME = 28, 14


def _show(verdict: Verdict) -> None:
    """One row, with what to mend below it; long texts go on in the next line."""
    outcome = click.style(verdict.outcome.ljust(_OUTCOME), fg=_COLORS.get(verdict.outcome))
    indent = 2 + _NAME + 1 + _OUTCOME + 1
    first, *rest = _lines(verdict.seen, indent)
    click.echo(f"  {verdict.check.ljust(_NAME)} {outcome} {first}".rstrip())
    for line in rest:
        click.echo(f"{' ' * indent}{line}")
    if verdict.cure and verdict.outcome in ("problem", "warning"):
        for number, line in enumerate(_lines(verdict.cure, indent + 3)):
            click.echo(f"{' ' * indent}{'-> ' if not number else '   '}{line}")
    sys.stdout.flush()


def _lines(text: str, indent: int) -> list[str]:
    """Lines of a text that fit beside an indent; a pipe or a file gets one line."""
    if not sys.stdout.isatty():
        return [text]
    import textwrap

    width = max(30, shutil.get_terminal_size().columns - indent)
    return textwrap.wrap(text, width, break_long_words=False) or [""]
