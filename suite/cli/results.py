"""`suite validate`: check result files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from suite.cli.options import as_json
from suite.cli.tables import print_json
from suite.errors import InvalidResult, UsageError

#: is in the same folder as the results and is not a result
SCHEMA_FILE = "schema.json"


@click.command(no_args_is_help=True)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)
@as_json
def validate(paths: tuple[Path, ...], as_json: bool) -> int:
    """Check result files, or all below a folder: one line each, exit code 1 if one is refused.

    The schema, the digest and the file's place are checked, and everything that can be computed
    again: scores, seeds, the sampler's proposals, the records of task and method. What could not be
    checked is noted. For results in this checkout, task and method must be registered here; a file
    elsewhere may be about others.
    """
    from suite.home import ROOT
    from suite.results.fields import printable
    from suite.results.files import check_place, read
    from suite.results.verification import check_consistency

    files = [file for path in paths for file in result_files(path)]
    if not files:
        raise UsageError("no result files (*.json) found: " + ", ".join(map(str, paths)))
    refused = 0
    found: list[dict[str, Any]] = []
    for file in files:
        name = printable(str(file))
        try:
            result = read(file)
            check_place(result, file.absolute())
            ours = file.resolve().is_relative_to(ROOT / "results")
            notes = check_consistency(result, ours=ours)
        except InvalidResult as error:
            refused += 1
            reason = str(error).removeprefix(f"{file.absolute()}: ").removeprefix(f"{file}: ")
            found.append({"file": name, "ok": False, "reason": printable(reason), "notes": []})
            click.echo(f"refused  {name}: {printable(reason)}", err=as_json)
        else:
            found.append({"file": name, "ok": True, "reason": None, "notes": notes})
            if as_json:
                continue
            click.echo(f"ok       {name}")
            for note in notes:
                click.echo(f"note     {name}: {printable(note)}")
    click.echo(f"{len(files) - refused} ok, {refused} refused", err=as_json)
    if as_json:
        print_json({"ok": len(files) - refused, "refused": refused, "files": found})
    return 1 if refused else 0


def result_files(path: Path) -> list[Path]:
    """A file itself, or the result files below a folder."""
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*.json") if not file.name.startswith("."))
    return [file for file in found if file.name != SCHEMA_FILE]
