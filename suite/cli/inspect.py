"""`suite list`, `suite show` and `suite new`: list what exists, describe it, and add to it."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from suite.cli.answers import cached
from suite.cli.tables import show_table
from suite.components import registry
from suite.errors import UsageError, unknown_name
from suite.home import ROOT

if TYPE_CHECKING:
    from suite.components.registry import Component
    from suite.problems.task import Task

_PLURALS = {kind + "s": kind for kind in registry.KINDS}
_TEMPLATES = ROOT / "suite" / "components" / "templates"


@click.command("list", no_args_is_help=True)
@click.argument("kind", type=click.Choice(list(_PLURALS)))
@cached
def list_(kind: str) -> int:
    """List everything of a kind with a one-line description; tasks are sorted by family.

    A file that cannot be used is reported with its path and reason (exit code 1); all others are
    still listed.
    """
    entries, broken = registry.load_all(_PLURALS[kind])
    if kind == "tasks":
        columns = ["name", "family", "track", "evaluations x batch", "data", "summary"]
        by_family = sorted(entries, key=lambda task: (task.family, task.name))
        rows = [_task_row(task) for task in by_family]
    else:
        columns = ["name", "hyperparameters", "summary"]
        rows = [[c.name, ", ".join(c.search) or "none", c.summary] for c in entries]
    show_table(columns, rows)
    for file in broken:
        click.echo(f"suite: cannot use {file.path}: {file.reason}", err=True)
    return 1 if broken else 0


def _task_row(task: Task) -> list[str]:
    budget = f"{task.gradient_evaluations:,.0f} x {task.batch_size:,}"
    needs = task.problem.needs or "none"
    return [task.name, task.family, task.track, budget, needs, task.summary]


class _AnyName(click.ParamType):
    """A name of any kind, with completion; the command looks it up."""

    name = "name"

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        known = sorted({name for kind in registry.KINDS for name in registry.names(kind)})
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


@click.command(no_args_is_help=True)
@click.argument("name", type=_AnyName())
@cached
def show(name: str) -> None:
    """Show a task, optimizer, regularizer or schedule, or what a file registers.

    If a name is used in several kinds, all of them are shown.
    """
    for i, entry in enumerate(_find(name)):
        if i:
            click.echo()
        if entry.kind == "task":
            _show_task(entry)
        else:
            _show_component(entry)


def _find(name: str) -> list[Any]:
    from suite.components.method import looks_like_file

    if looks_like_file(name):
        return registry.load_file(name)
    kinds = [kind for kind in registry.KINDS if name in registry.names(kind)]
    if not kinds:
        known = {known for kind in registry.KINDS for known in registry.names(kind)}
        raise unknown_name("task, optimizer, regularizer or schedule", name, known)
    return [registry.get(kind, name) for kind in kinds]


def _show_component(component: Component) -> None:
    _show_facts(
        f"{component.kind} {component.name}",
        component.summary,
        {
            "version": str(component.version),
            "paper": component.paper,
            "link": component.url,
            "file": str(component.path),
        },
    )
    click.echo()
    if not component.search:
        click.echo("no hyperparameters")
        return
    rows = [[name, str(d.default), str(d)] for name, d in component.search.items()]
    show_table(["hyperparameter", "default", "search space"], rows)


def _show_task(task: Task) -> None:
    import torch

    torch.manual_seed(0)
    weights = sum(parameter.numel() for parameter in task.problem.model().parameters())
    score = task.score
    better = "higher is better" if score.higher_is_better else "lower is better"
    # A time to a target counts evaluations, and fewer are better, of a metric that must rise.
    falls = score.kind != "time_to_target" and not score.higher_is_better
    direction = "at most" if falls else "at least"
    held = f", held for {score.hold} evaluations" if score.hold > 1 else ""
    _show_facts(
        f"task {task.name}",
        task.summary,
        {
            "family": task.family,
            "track": task.track + (", core: it counts for the track's ranking" * task.core),
            "stream": "yes: tasks that follow one another" if task.stream else "no",
            "version": str(task.version),
            "model": f"{weights:,} weights",
            "batch size": f"{task.batch_size:,} examples",
            "budget": f"{task.budget:,} examples = {task.gradient_evaluations:,.0f} gradient "
            f"evaluations",
            "evaluations": f"{task.evaluations} over the budget",
            "score": f"{score.kind} of {score.metric}, in {score.unit}; {better}",
            "target": f"{score.metric} {direction} {task.target:g}{held}",
            "contrast": " over ".join(task.contrast) if task.contrast else "none declared",
            "time limit": f"{task.time_limit:g} s per trial",
            "data needed": task.problem.needs or "none: generated or installed with the suite",
            "source": task.source,
            "fingerprint": task.fingerprint,
            "file": str(task.path),
        },
    )


def _show_facts(title: str, summary: str, facts: dict[str, str]) -> None:
    click.secho(title, bold=True)
    click.echo(summary)
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"  {name.ljust(width)}  {value}")


@click.command(no_args_is_help=True)
@click.argument("kind", type=click.Choice(registry.KINDS))
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to write the file.  [default: here]",
)
def new(kind: str, name: str, directory: Path) -> None:
    """Write a working skeleton of an optimizer, regularizer, schedule or task.

    The file runs as it is. An existing file is never overwritten.
    """
    registry.check_name(name)
    if name in registry.names(kind):
        raise UsageError(f"there is already a {kind} '{name}': `suite show {name}` shows it.")
    template = Template((_TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8"))
    class_name = "".join(word.capitalize() for word in name.split("_"))
    path = directory / f"{name}.py"
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template.substitute(name=name, class_name=class_name))
    except FileExistsError:
        raise UsageError(f"{path} exists already; choose another name or folder.") from None
    click.echo(f"Wrote {path}. It works as it is; try it, then change it:")
    click.echo(f"  {_first_command(kind, path)}")


def _first_command(kind: str, path: Path) -> str:
    """A command that tries the new file on a task that needs no download."""
    optimizer, task = (registry.names(kind)[0] for kind in ("optimizer", "task"))
    if kind != "task":
        tasks, _ = registry.load_all("task")
        task = next(t.name for t in tasks if t.track == "mini" and not t.problem.needs)
    chosen = {"optimizer": optimizer, "task": task, kind: str(path)}
    options = " ".join(f"--{option} {value}" for option, value in chosen.items())
    return f"suite run {options} --protocol smoke"
