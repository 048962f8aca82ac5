"""Types of options that several commands share. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from suite.components import registry
from suite.components.discovery import looks_like_file
from suite.errors import unknown_name


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
    ) -> str:
        """The value itself; raises UsageError with similar names."""
        for name in str(value).split(","):
            if self._files and looks_like_file(name):
                if not Path(name).expanduser().is_file():
                    self.fail(f"no such file: {name}", parameter, context)
            elif name not in self._also and name not in registry.names(self.name):
                raise unknown_name(self.name, name, registry.names(self.name))
        return str(value)

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin with the typed text; a path is completed as a file."""
        if self._files and ("/" in incomplete or incomplete.startswith(".")):
            return [CompletionItem(incomplete, type="file")]
        names = [*registry.names(self.name), *self._also]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
