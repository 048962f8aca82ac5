"""What a source file means, as a hash: so that a result says which code made it."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from suite.home import ROOT

#: parts of the suite that only show, estimate or check: no number of a result comes from them
_LOOKING = (
    *("cli/", "components/templates/", "studies/estimate.py"),
    *("results/frames.py", "results/verification.py"),
)


def source_hash(path: Path) -> str:
    """A hash of what a file and the neighbours it imports do.

    Comments, docstrings and layout do not count, nor does the Python version: `ast.dump` prints
    the same code differently from one version to the next, so the tree is walked here.
    """
    digest = hashlib.sha256()
    for source in source_files(path):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        digest.update("\n".join(_meaning(tree)).encode())
    return digest.hexdigest()[:16]


@functools.cache
def suite_hash() -> str:
    """A hash of what the suite's own code does, as far as it may decide a number of a result.

    Read once: the files may change on disk later.
    """
    folder = ROOT / "suite"
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    deciding = [files[name] for name in sorted(files) if not name.startswith(_LOOKING)]
    return hashlib.sha256(" ".join(map(source_hash, deciding)).encode()).hexdigest()[:16]


def source_files(path: Path) -> list[Path]:
    """A file and the neighbours that it imports relatively (`from ._shared import X`), sorted."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        source = waiting.pop()
        if source in found or not source.is_file():
            continue
        found.add(source)
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = source.parents[node.level - 1]
                names = [node.module] if node.module else [alias.name for alias in node.names]
                waiting += [folder / f"{name.replace('.', '/')}.py" for name in names]
    return sorted(found, key=lambda source: (source != path, source.name))


def _meaning(node: ast.AST) -> Iterator[str]:
    """What a syntax tree says, line by line; empty fields and docstrings are left out."""
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        if name == "body" and items and _is_docstring(items[0]):
            items = items[1:]
        for item in items:
            if isinstance(item, ast.AST):
                yield name
                yield from _meaning(item)
            elif item is not None or isinstance(node, ast.Constant):
                yield f"{name} {item!r}"
    yield ")"


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
