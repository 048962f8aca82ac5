"""`suite submit`: a branch with a method and its results, and the text of the pull request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.checkout import Checkout
from suite.cli.options import as_json
from suite.cli.tables import print_json
from suite.errors import InvalidResult, UsageError

if TYPE_CHECKING:
    from suite.components.registry import Component
    from suite.results.changes import Change
    from suite.results.model import Result

#: where the reference of a method is, and the page that lists it
_REFERENCES = "tests/golden/references"
_PAGE = ("docs/methods.md", "docs/methods.json")


@dataclass
class Submission:
    """What a branch would hold, and what it lacks."""

    component: Component
    #: paths below the checkout
    files: list[str] = field(default_factory=list)
    #: by path below the results folder
    results: dict[str, Result] = field(default_factory=dict)
    #: published results that are other ones now
    changes: list[Change] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@click.command(no_args_is_help=True)
@click.argument("method", metavar="NAME")
@click.option("--base", default="origin/main", show_default=True, help="What it is proposed for.")
@click.option("--reason", help="Why published results are other ones now.")
@click.option("--branch", help="Name of the branch.  [default: submit/NAME]")
@click.option("--dry-run", "-n", is_flag=True, help="Say what would be in it, and make nothing.")
@click.option("--draft", is_flag=True, help="Make the branch although something is missing.")
@as_json
def submit(
    method: str,
    base: str,
    reason: str | None,
    branch: str | None,
    dry_run: bool,
    draft: bool,
    as_json: bool,
) -> int:
    """Prepare a pull request: a branch with a method's file and results, and its description.

    Says what is missing, and then makes nothing (exit code 1) unless it is a draft. Other changes
    in the checkout stay where they are. Nothing is pushed.

    \b
        suite submit my_method --dry-run
        suite submit my_method
    """
    from suite.home import ROOT

    checkout = Checkout(ROOT, base)
    found = _collect(checkout, method, reason)
    name = branch or f"submit/{method}"
    text = _description(found, reason)
    for line in found.missing:
        click.echo(f"missing  {line}", err=as_json)
    if not found.files and not dry_run:
        raise UsageError(f"nothing of {method} differs from {base}: there is nothing to submit.")
    described, made = Path(), not dry_run and (draft or not found.missing)
    if made:
        described = _keep(name, text)
        checkout.make_branch(name, f"Add {method}", found.files, found.changes)
    if as_json:
        said: dict[str, Any] = {"branch": name if made else None, "missing": found.missing}
        print_json({**said, "files": found.files, "description": text})
    elif made:
        click.echo(f"branch   {name}: {len(found.files)} files")
        click.echo(f"text     {described}")
        click.echo(f"Push it with `git push -u origin {name}`, and open a pull request.")
    else:
        click.echo(text)
        click.echo("Nothing was made." if found.missing and not dry_run else "This is a dry run.")
    return 1 if found.missing and not draft else 0


def _collect(checkout: Checkout, name: str, reason: str | None) -> Submission:
    component = _component(name)
    found = Submission(component)
    path = component.path
    if not path.is_relative_to(checkout.root / "baselines"):
        place = f"baselines/{component.kind}s/"
        found.missing.append(f"{path} is not in the checkout: move it to {place}")
        return found
    found.files += checkout.differing(_sources(component))
    found.missing += _of_the_method(checkout, component, found.files)
    for where, result in _results(checkout, component):
        found.results[where] = result
        found.missing += _wrong_with(where, result)
    found.missing += _runs_to_do(component, found.results.values())
    changed = checkout.differing(checkout.root / "results" / where for where in found.results)
    found.files += changed
    for file in changed:
        found.changes += _change(checkout, file, found, reason)
    return found


def _component(name: str) -> Component:
    """The component of a name; raises UsageError with what is near."""
    from suite.components import registry

    for kind in ("optimizer", "regularizer", "schedule"):
        if registry.is_known(kind, name):
            found: Component = registry.get(kind, name)
            return found
    found = registry.get("optimizer", name)  # raises, with similar names
    return found


def _sources(component: Component) -> list[Path]:
    """Its file, and those that it imports."""
    from suite.components.imports import imported

    return list(dict.fromkeys([component.path, *imported(component.path).files]))


def _of_the_method(checkout: Checkout, component: Component, files: list[str]) -> Iterator[str]:
    """What is missing beside its file; adds to `files` what is there and new."""
    name = component.name
    named = [
        path
        for path in sorted((checkout.root / _REFERENCES).glob("*.py"))
        if f'"{name}"' in path.read_text(encoding="utf-8")
    ]
    files += checkout.differing(named)
    if not named:
        yield f"{_REFERENCES}: no second form of its rule, see docs/submit.md, section 3"
    pages = [checkout.root / page for page in _PAGE]
    files += checkout.differing(path for path in pages if path.is_file())
    if not pages[0].is_file() or f"[`{name}`]" not in pages[0].read_text(encoding="utf-8"):
        yield f"{_PAGE[0]} has no row: python -m scripts.write_methods --step-cost {name}"


def _results(checkout: Checkout, component: Component) -> Iterator[tuple[str, Result]]:
    """The result files of the methods that have a component, by their place."""
    from suite.results import files

    folder = checkout.root / "results"
    for path in files.find(folder):
        names = path.name.partition(".")[0].replace("@", "+").split("+")
        if component.name not in names:
            continue
        try:
            result = files.read(path)
        except InvalidResult as error:
            raise UsageError(f"{error}. Move it away, or run it again.") from None
        kinds = {(record.kind, record.name) for record in result.method.components}
        if (component.kind, component.name) in kinds:
            yield str(path.relative_to(folder)), result


def _wrong_with(where: str, result: Result) -> Iterator[str]:
    from suite.results.verification import check_consistency

    try:
        check_consistency(result, ours=True)
    except InvalidResult as error:
        yield f"results/{where}: {error}. Run it again"


def _runs_to_do(component: Component, results: Any) -> Iterator[str]:
    """The core tasks without a result of a ranked protocol."""
    from suite.components import registry

    done = {result.task.name for result in results if result.protocol.ranked}
    tasks, _ = registry.load_all("task")
    core = [t for t in tasks if t.core and t.track == "mini" and not t.problem.needs]
    rest = [task.name for task in core if task.name not in done]
    if not rest and (core or done):
        return
    carrier = "" if component.kind == "optimizer" else "--optimizer adamw "
    which = f"--task {','.join(rest)}" if rest else "--track mini"
    yield (
        f"no result on {len(rest)} core tasks: suite run {carrier}--{component.kind} "
        f"{component.name} {which}; one that refuses a task says so when it runs, and needs none"
    )


def _change(
    checkout: Checkout, file: str, found: Submission, reason: str | None
) -> Iterator[Change]:
    """The line for a published result that is another one now, if it is one."""
    from suite.results.changes import Change
    from suite.results.files import parse

    before = checkout.text_in_base(file)
    if before is None:
        return
    where = file.removeprefix("results/")
    try:
        was = parse(before).digest
    except InvalidResult:
        return
    now = found.results[where].digest
    if was == now:
        return
    if reason is None:
        found.missing.append(f"{file} is published and another one now: --reason says why")
        return
    yield Change(path=where, was=was, now=now, why=reason)


def _description(found: Submission, reason: str | None) -> str:
    """The text of the pull request, in Markdown."""
    component = found.component
    lines = [f"# {component.kind} `{component.name}`", "", component.summary, ""]
    lines += [f"Paper: {component.paper} ({component.url})"]
    authors = list(dict.fromkeys(a for r in found.results.values() for a in r.authors))
    lines += [f"Results run by: {', '.join(authors) or 'not said (`suite run --authors`)'}", ""]
    if found.results:
        lines += ["| result | mean test score | commit | clean |", "|---|---|---|---|"]
    for where, result in sorted(found.results.items()):
        mean = sum(result.scores) / len(result.scores)
        clean = {False: "yes", True: "no", None: "not known"}[result.environment.dirty]
        commit = (result.environment.commit or "none")[:10]
        lines.append(f"| `{where}` | {mean:.4g} | {commit} | {clean} |")
    if found.changes:
        lines += ["", f"Changed published results, because: {reason}", ""]
        lines += [f"- `{change.path}`" for change in found.changes]
    if found.missing:
        lines += ["", "Missing:", "", *(f"- {line}" for line in found.missing)]
    return "\n".join(lines) + "\n"


def _keep(branch: str, text: str) -> Path:
    """Write the description; returns its file."""
    from suite import atomic
    from suite.home import home, make_folder

    folder = home() / "submissions"
    make_folder(folder)
    path = folder / f"{branch.replace('/', '-')}.md"
    atomic.write(path, lambda file: file.write(text.encode("utf-8")))
    return path
