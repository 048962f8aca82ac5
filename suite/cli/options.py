"""Types of options that several commands share. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from suite.components import registry
from suite.components.discovery import looks_like_file
from suite.errors import UsageError, unknown_name


class NameType(click.ParamType):
    """A registered name, or with `files=True` also a path to a file that registers one.

    Completed and checked by parsing the files, before any slow import.
    """

    def __init__(self, kind: str, *, files: bool = True, also: tuple[str, ...] = ()) -> None:
        self.name = kind
        self._files = files
        self._also = also

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """The value itself; raises UsageError with similar names."""
        self._check(str(value), parameter, context)
        return str(value)

    def _check(
        self, name: str, parameter: click.Parameter | None, context: click.Context | None
    ) -> None:
        if self._files and looks_like_file(name):
            if not Path(name).expanduser().is_file():
                self.fail(f"no such file: {name}", parameter, context)
        elif name not in self._also and not registry.is_known(self.name, name):
            raise unknown_name(self.name, name, registry.names(self.name))

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names and Python files that begin with the typed text; a path is completed as a file."""
        names = [*registry.names(self.name), *self._also]
        if self._files:
            return _completed(names, incomplete)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class AnyNameType(click.ParamType):
    """A name of any of some kinds or a path to a file, with completion; `entries_of` finds it."""

    name = "name"

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names and Python files that begin with the typed text; a path is completed as a file."""
        return _completed(names_of(self._kinds), incomplete)


def names_of(kinds: Sequence[str]) -> list[str]:
    """The names of some kinds, each once and sorted."""
    return sorted({name for kind in kinds for name in registry.names(kind)})


def entries_of(name: str, kinds: Sequence[str]) -> list[Any]:
    """What is registered by a name in some kinds, or by a file; UsageError with similar names."""
    if looks_like_file(name):
        return [entry for entry in registry.load_file(name) if entry.kind in kinds]
    found = [registry.get(kind, name) for kind in kinds if registry.is_known(kind, name)]
    if not found:
        what = " or ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]]))
        raise unknown_name(what, name, names_of(kinds))
    return found


def _completed(names: Sequence[str], incomplete: str) -> list[CompletionItem]:
    if "/" in incomplete or incomplete.startswith("."):
        return [CompletionItem(incomplete, type="file")]
    known = [*names, *sorted(path.name for path in Path().glob("*.py"))]
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


class NamesType(NameType):
    """One or more names: `a,b`, or a pattern such as `modular*`. Gives a tuple of names.

    With `together=True` a comma does not separate values: `a,b` is one value, both at once.
    """

    def __init__(self, kind: str, *, also: tuple[str, ...] = (), together: bool = False) -> None:
        super().__init__(kind, also=also)
        self._together = together

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """The names; raises UsageError with similar names, or if nothing matches a pattern."""
        text = str(value)
        if looks_like_file(text) and Path(text).expanduser().is_file():  # its name may hold commas
            return (text,)
        parts = tuple(part.strip() for part in text.split(","))
        found = tuple(name for part in parts for name in self._matching(part))
        for name in found:
            self._check(name, parameter, context)
        return (",".join(found),) if self._together and len(parts) > 1 else found

    def _matching(self, part: str) -> Sequence[str]:
        if looks_like_file(part) or not any(mark in part for mark in "*?["):
            return (part,)
        found = [name for name in registry.names(self.name) if fnmatchcase(name, part)]
        if not found:
            raise UsageError(
                f"no {self.name} matches '{part}'. `suite list {self.name}s -q` shows all names."
            )
        return found


def joined(
    context: click.Context, parameter: click.Parameter, values: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """The names of all values of a repeated option, each once: a callback for `NamesType`."""
    return tuple(dict.fromkeys(name for names in values for name in names))


class NearChoice(click.Choice[str]):
    """A choice whose error lists similar values; the case of letters is ignored."""

    def __init__(self, what: str, choices: Sequence[str]) -> None:
        super().__init__(list(choices))
        self._what = what

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> str:
        """The value itself; raises UsageError with similar values."""
        text = str(value).lower()
        if text not in self.choices:
            raise unknown_name(self._what, str(value), self.choices)
        return text


as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON document on standard output; everything else goes to standard error.",
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with the data.  [default: SUITE_DATA_DIR, else below SUITE_HOME]",
)
wide = click.option("--wide", is_flag=True, help="Show all columns, also beyond the terminal.")
#: of commands that answer questions from results, and with --run run what these lack
run_missing = click.option(
    "--run", is_flag=True, help="Run the studies that are missing, cheapest first."
)
dry_run = click.option("--dry-run", "-n", is_flag=True, help="With --run: show what it would run.")
limit_time = click.option(
    "--limit-time",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MINUTES",
    help="With --run: begin nothing that would take longer than what is left of this.",
)
missing_jobs = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(0),
    help="With --run: trials at a time, 0 in this process.  [default: number of CPU cores]",
)
results_folder = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the result files.",
)
