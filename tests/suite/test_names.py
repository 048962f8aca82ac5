"""The names of `suite`: what is loaded lazily and what type checkers and editors see."""

from __future__ import annotations

import ast
from pathlib import Path

import suite


def names_for_type_checkers() -> dict[str, str]:
    """Name to the module that it is imported from, under `if TYPE_CHECKING:`."""
    tree = ast.parse(Path(suite.__file__).read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and "TYPE" in ast.unparse(n.test))
    return {
        alias.name: imported.module
        for imported in block.body
        if isinstance(imported, ast.ImportFrom)
        for alias in imported.names
        # A name is exported to type checkers only if it is imported as itself.
        if alias.asname == alias.name
    }


def test_type_checkers_see_the_names_that_are_loaded():
    modules = {name: home.rpartition(".")[0] for name, home in suite._MODULES.items()}
    assert names_for_type_checkers() == suite._HOME | modules


def test_every_name_is_what_its_module_calls_so():
    for name in suite.__all__:
        assert getattr(suite, name) is not None
    assert dir(suite) == sorted(suite.__all__)
