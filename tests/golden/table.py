"""The table of references: one line enrols a component in the golden test and in docs/methods.md.

The lines are in `references/`, a file for each family: a dictionary `OPTIMIZERS`, `REGULARIZERS`
or `SCHEDULES` of name to a line, or to several.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.golden.golden import Golden

_KINDS = {"OPTIMIZERS": "optimizer", "REGULARIZERS": "regularizer", "SCHEDULES": "schedule"}


def _read() -> dict[tuple[str, str], list[Golden]]:
    found: dict[tuple[str, str], list[Golden]] = {}
    for path in sorted((Path(__file__).parent / "references").glob("*.py")):
        module = importlib.import_module(f"tests.golden.references.{path.stem}")
        for variable, kind in _KINDS.items():
            for name, lines in getattr(module, variable, {}).items():
                if (kind, name) in found:
                    raise ValueError(f"{path.name}: {kind} {name} is in two files of references")
                found[kind, name] = lines if isinstance(lines, list) else [lines]
    return found


TABLE = _read()
