"""`suite list`, `suite show` and `suite new`: list what exists, describe it, and add to it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import click

from suite.cli.answers import cached
from suite.cli.claims import in_json as claim_in_json
from suite.cli.claims import show_claims
from suite.cli.options import AnyNameType, NearChoice, as_json, entries_of, wide
from suite.cli.tables import Column, print_json, show_table
from suite.components import registry
from suite.components.claims import stated
from suite.components.declaration import check_name
from suite.errors import UsageError, unknown_name
from suite.home import ROOT

if TYPE_CHECKING:
    from suite.components.registry import Component
    from suite.components.rules import Rule
    from suite.diagnostics.declaration import Diagnostic
    from suite.problems.task import Task
    from suite.results.model import Replicate

_PLURALS = {kind + "s": kind for kind in registry.KINDS}
_TEMPLATES = ROOT / "suite" / "components" / "templates"


@click.command("list", no_args_is_help=True)
@click.argument("kind", type=NearChoice("kind", [*_PLURALS, *registry.KINDS]))
@click.option("--track", type=NearChoice("track", ["mini", "full"]), help="Tasks of a track.")
@click.option("--family", help="Tasks of a family, such as vision.")
@click.option("--core", is_flag=True, help="Only the core tasks, which a track's ranking counts.")
@click.option("--quiet", "-q", is_flag=True, help="Names only, one a line.")
@wide
@as_json
@cached
def list_(
    kind: str,
    track: str | None,
    family: str | None,
    core: bool,
    quiet: bool,
    wide: bool,
    as_json: bool,
) -> int:
    """List everything of a kind with a one-line description; tasks are sorted by family.

    A file that cannot be used is reported with its path and reason (exit code 1); all others are
    still listed.
    """
    kind = _PLURALS.get(kind, kind)
    if kind != "task" and (track or family or core):
        raise UsageError("--track, --family and --core choose among tasks: `suite list tasks`.")
    entries, broken = registry.load_all(kind)
    if kind == "task":
        entries = _chosen(entries, track, family, core)
    if as_json:
        print_json(
            {
                "kind": kind,
                "entries": [_in_json(entry) for entry in entries],
                "broken": [{"file": file.path, "reason": file.reason} for file in broken],
            }
        )
    elif quiet:
        for entry in entries:
            click.echo(entry.name)
    elif kind == "task":
        columns = [
            Column("name"),
            Column("family", 2),
            Column("track", 3),
            Column("evaluations x batch", 4),
            Column("data", 5),
            Column("summary", 1, text=True),
        ]
        show_table(columns, [_task_row(task) for task in entries], wide=wide)
    elif kind == "diagnostic":
        columns = [Column("name"), Column("cost", 2), Column("values", 3, text=True)]
        columns.append(Column("summary", 1, text=True))
        rows = [[d.name, f"{d.cost:g}", ", ".join(d.units) or "-", d.summary] for d in entries]
        show_table(columns, rows, wide=wide)
    elif kind == "rule":
        columns = [Column("name"), Column("method", 2), Column("hyperparameter", 3)]
        columns.append(Column("summary", 1, text=True))
        rows = [[r.name, r.method, r.hyperparameter, r.summary] for r in entries]
        show_table(columns, rows, wide=wide)
    else:
        columns = [Column("name"), Column("hyperparameters", 2, text=True)]
        columns.append(Column("summary", 1, text=True))
        rows = [[c.name, ", ".join(c.search) or "none", c.summary] for c in entries]
        show_table(columns, rows, wide=wide)
    for file in broken:
        click.echo(f"suite: cannot use {file.path}: {file.reason}", err=True)
    return 1 if broken else 0


def _chosen(tasks: Iterable[Task], track: str | None, family: str | None, core: bool) -> list[Task]:
    tasks = sorted(tasks, key=lambda task: (task.family, task.name))
    families = {task.family for task in tasks}
    if family is not None and family not in families:
        raise unknown_name("family", family, families)
    return [
        task
        for task in tasks
        if track in (None, task.track) and family in (None, task.family) and (task.core or not core)
    ]


def _in_json(entry: Any) -> dict[str, Any]:
    """A task or component as JSON: what `show` says, under fixed keys."""
    said = {
        "kind": entry.kind,
        "name": entry.name,
        "version": entry.version,
        "summary": entry.summary,
        "file": str(entry.path),
    }
    if entry.kind == "diagnostic":
        return {
            **said,
            "paper": entry.paper,
            "url": entry.url,
            "authors": list(entry.authors),
            "columns": entry.columns,
            "cost": entry.cost,
            "claims": [claim_in_json(claim) for claim in stated([entry])],
        }
    if entry.kind == "rule":
        return {
            **said,
            "paper": entry.paper,
            "url": entry.url,
            "place": entry.place,
            "authors": list(entry.authors),
            "method": entry.method,
            "hyperparameter": entry.hyperparameter,
            "bounds": None if entry.bounds is None else list(entry.bounds),
            "sizes": [{"task": task, "sets": dict(sets)} for task, sets in entry.sizes],
            "fitted": entry.fitted,
        }
    if entry.kind != "task":
        space = {name: distribution.to_json() for name, distribution in entry.search.items()}
        return {
            **said,
            "paper": entry.paper,
            "url": entry.url,
            "authors": list(entry.authors),
            "search": space,
            "claims": [claim_in_json(claim) for claim in stated([entry])],
        }
    return {
        **said,
        "family": entry.family,
        "track": entry.track,
        "core": entry.core,
        "stream": entry.stream,
        "size_of": entry.size_of or None,
        "batch_size": entry.batch_size,
        "gradient_evaluations": entry.gradient_evaluations,
        "evaluations": entry.evaluations,
        "score": entry.score.kind,
        "metric": entry.score.metric,
        "higher_is_better": entry.score.higher_is_better,
        "target": entry.target,
        "time_limit": entry.time_limit,
        "data_needed": entry.problem.needs or None,
        "source": entry.source,
        "fingerprint": entry.fingerprint,
    }


def _task_row(task: Task) -> list[str]:
    budget = f"{task.gradient_evaluations:,.0f} x {task.batch_size:,}"
    needs = task.problem.needs or "none"
    return [task.name, task.family, task.track, budget, needs, task.summary]


@click.command(no_args_is_help=True)
@click.argument("name", type=AnyNameType(registry.KINDS))
@wide
@as_json
@cached
def show(name: str, wide: bool, as_json: bool) -> None:
    """Show a task, optimizer, regularizer, schedule, diagnostic or rule, or what a file registers.

    If a name is used in several kinds, all of them are shown. The file of a result (.json) shows
    its scores, what was chosen, and why trials failed.
    """
    if Path(name).suffix == ".json":
        _show_result(Path(name), as_json=as_json)
        return
    found = entries_of(name, registry.KINDS)
    if as_json:
        print_json({"entries": [_in_json(entry) for entry in found]})
        return
    for i, entry in enumerate(found):
        if i:
            click.echo()
        if entry.kind == "task":
            _show_task(entry)
        elif entry.kind == "diagnostic":
            _show_diagnostic(entry)
            _show_claims(entry, wide=wide)
        elif entry.kind == "rule":
            _show_rule(entry)
        else:
            _show_component(entry, wide=wide)
            _show_claims(entry, wide=wide)


def _show_result(path: Path, *, as_json: bool) -> None:
    from suite.results.fields import printable
    from suite.results.files import read

    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    result = read(path)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    task, environment, scores = result.task, result.environment, result.scores
    of_many = len(result.replicates) > 1
    better = "higher is better" if task.higher_is_better else "lower is better"
    facts = {
        "task": f"{task.name}, version {task.version}",
        "method": result.method.name,
        "protocol": f"{result.protocol.name}, version {result.protocol.version}",
        "test score": f"{statistics.fmean(scores):.4g}"
        f"{f', mean over {len(scores)} replicates' if of_many else ''}; {better}",
        **{
            f"replicate {number}" if of_many else "chosen": _replicate_in_words(replicate)
            for number, replicate in enumerate(result.replicates)
        },
        "seed, device": f"{result.seed}, {result.device} with {result.threads} threads",
        "finished": environment.finished,
        "suite": f"{environment.suite_version}, commit {environment.commit or 'unknown'}",
        "file": str(path),
    }
    _show_facts(
        printable(f"result of {result.method.name} on {task.name}"),
        f"{len(result.tuning_runs)} tuning trials, {len(result.evaluation_runs)} evaluation runs, "
        f"{len(result.failed)} of them not completed",
        {name: printable(value) for name, value in facts.items()},
    )
    shown = set()
    for number, replicate in enumerate(result.replicates):
        of = f"replicate {number} " if of_many else ""
        for purpose, runs in replicate.by_purpose():
            for run in (run for run in runs if not run.succeeded):
                said = f"{of}{purpose} trial {run.number} {run.status}: {run.reason}"
                click.echo(printable(said))
                if run.traceback is not None and run.traceback not in shown:
                    shown.add(run.traceback)
                    click.echo(printable(run.traceback))


def _replicate_in_words(replicate: Replicate) -> str:
    """The score of a replicate, and what it chose, in words."""
    from suite.words import in_words

    chosen, default = replicate.chosen_run, replicate.tuning[0].validation_score
    return (
        f"{replicate.score:.4g} with trial {chosen.number} of {len(replicate.tuning)} "
        f"({in_words(chosen.hyperparameters) or 'no hyperparameters'}); "
        f"validation {chosen.validation_score:.4g}, with the defaults {default:.4g}"
    )


def _show_component(component: Component, *, wide: bool = False) -> None:
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
    columns = [Column("hyperparameter"), Column("default"), Column("search space", text=True)]
    show_table(columns, rows, wide=wide)


def _show_diagnostic(diagnostic: Diagnostic) -> None:
    price = f"{diagnostic.cost:g} gradient evaluations of the probing batch, each time"
    _show_facts(
        f"diagnostic {diagnostic.name}",
        diagnostic.summary,
        {
            "version": str(diagnostic.version),
            "paper": diagnostic.paper,
            "link": diagnostic.url,
            "cost": price + (", one of --probe cheap" if diagnostic.cheap else ""),
            "file": str(diagnostic.path),
        },
    )
    click.echo()
    columns = [Column("column"), Column("unit", text=True)]
    show_table(columns, [[name, unit] for name, unit in diagnostic.columns.items()])


def _show_rule(rule: Rule) -> None:
    swept = "all of its choices"
    if rule.bounds is not None:
        swept = "{:g} to {:g}".format(*rule.bounds)
    what = " in what it forgets in a step, -ln of it" if rule.quantity == "forgetting" else ""
    _show_facts(
        f"rule {rule.name}",
        rule.summary,
        {
            "version": str(rule.version),
            "paper": rule.paper,
            "place": rule.place,
            "link": rule.url,
            "method": rule.method,
            "predicts": f"{rule.hyperparameter}{what}; swept over {swept}",
            "fitted": "its constant, to the first size" if rule.fitted else "nothing",
            "file": str(rule.path),
        },
    )
    click.echo()
    rows = [
        [name, ", ".join(f"{key}={value}" for key, value in sets.items()) or "defaults"]
        for name, sets in rule.sizes
    ]
    show_table([Column("size, the base first"), Column("others", text=True)], rows)


def _show_claims(component: Component | Diagnostic, *, wide: bool) -> None:
    if component.claims:
        click.echo()
        show_claims(stated([component]), wide=wide)


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
            **({"another size of": task.size_of} if task.size_of else {}),
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
@click.argument("kind", type=NearChoice("kind", registry.KINDS))
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to write the file.  [default: here]",
)
def new(kind: str, name: str, directory: Path) -> None:
    """Write a working skeleton of an optimizer, regularizer, schedule, diagnostic, rule or task.

    The file runs as it is. An existing file is never overwritten.
    """
    check_name(name)
    if name in registry.names(kind):
        raise UsageError(f"there is already a {kind} '{name}': `suite show {name}` shows it.")
    template = Template((_TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8"))
    class_name = "".join(word.capitalize() for word in name.split("_"))
    path = directory / f"{name}.py"
    directory.mkdir(parents=True, exist_ok=True)
    text = template.substitute(name=name, class_name=class_name, **_known(kind))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already; choose another name or folder.") from None
    click.echo(f"Wrote {path}. It works as it is; try it, then change it:")
    click.echo(f"  {_first_command(kind, path)}")


def _known(kind: str) -> dict[str, str]:
    """Names that a skeleton of this kind needs: an optimizer, a task, and another size of it.

    A rule is about a rate and about batches: the optimizer has one, and the sizes differ in them.
    """
    if kind != "rule":
        return {}
    from suite.studies.transfer_studies import sizes_of_tasks

    rates = (o.name for o in registry.load_all("optimizer")[0] if _sweeps_rate(o))
    pairs = sizes_of_tasks(registry.load_all("task")[0])
    base, other = min(
        (pair for pair in pairs if pair[0].batch_size != pair[1].batch_size),
        key=lambda pair: (sum(task.gradient_evaluations for task in pair), pair[1].name),
    )
    return {"optimizer": next(rates), "task": base.name, "other": other.name}


def _sweeps_rate(optimizer: Component) -> bool:
    space = optimizer.search.get("lr")
    return space is not None and space.kind == "log_uniform"


def _first_command(kind: str, path: Path) -> str:
    """A command that tries the new file on a task that needs no download."""
    if kind == "rule":
        return f"suite transfer {path} --run"
    optimizer, task = (registry.names(kind)[0] for kind in ("optimizer", "task"))
    if kind == "diagnostic":
        kind = "probe"  # what `suite run` calls it
    if kind != "task":
        # Few steps of large batches are soon done: the first by name may take 18,000 steps.
        tasks = [t for t in registry.load_all("task")[0] if t.track == "mini"]
        known = [t for t in tasks if t.core and not t.problem.needs]
        task = min(known, key=lambda t: (t.gradient_evaluations, t.name)).name
    chosen = {"optimizer": optimizer, "task": task, kind: str(path)}
    options = " ".join(f"--{option} {value}" for option, value in chosen.items())
    return f"suite run {options} --protocol smoke"
