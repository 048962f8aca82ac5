"""What components and tasks say of themselves, read from their source without running it.

Result files name a paper and hash the code; a reader also wants the sentence that says what a
method does, how it deviates from its paper, what a task's model and data are, and where the code
is. Files are parsed, since importing them would need torch and take as long as all pages.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.components.discovery import ROOT, declarations

_DEVIATES = "Deviates from the paper:"
_TASK = "task"


@dataclass(frozen=True)
class Statement:
    """One claim of a paper, as the component's file states it."""

    says: str
    task: str
    #: empty: the component alone, and no other method
    method: str
    rival: str
    number: str
    place: str
    source: str


@dataclass(frozen=True)
class Described:
    """One component or task; texts are empty where its file does not say."""

    summary: str
    #: below the root of the repository, with the line of the declaration
    path: str
    line: int
    #: how a component differs from its paper
    deviates: str = ""
    claims: tuple[Statement, ...] = ()
    #: a task's data, and the problem: what its class says of itself, and its arguments
    source: str = ""
    problem: str = ""
    arguments: str = ""


#: (kind, name) to what is known of it
Catalogue = dict[tuple[str, str], Described]


def read_catalogue() -> Catalogue:
    """Everything that the files of this suite declare; what is installed elsewhere is left out."""
    places: dict[Path, set[tuple[str, str]]] = {}
    for key, found in declarations()[0].items():
        for path in found:
            if isinstance(path, Path):
                places.setdefault(path, set()).add(key)
    catalogue: Catalogue = {}
    for path, keys in places.items():
        tree = ast.parse(path.read_bytes(), filename=str(path))
        where = path.relative_to(ROOT).as_posix()
        nodes = list(ast.walk(tree))
        docs = list(_docstrings(nodes))
        for call in (node for node in nodes if isinstance(node, ast.Call)):
            first = _literal(call.args[0]) if call.args else None
            for kind, name in keys:
                if name == first and _declares(call, kind):
                    catalogue[kind, name] = _described(kind, call, docs, where)
    return catalogue


def _declares(call: ast.Call, kind: str) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == kind or (name == "method" and kind == "optimizer")


def _described(kind: str, call: ast.Call, docs: list[tuple[str, str]], where: str) -> Described:
    said = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
    summary = str(said.get("summary") or "")
    if kind == _TASK:
        problem = call.args[1] if len(call.args) > 1 else None
        return Described(
            summary,
            where,
            call.lineno,
            source=str(said.get("source") or ""),
            problem=_class_says(problem, docs),
            arguments=_arguments(problem),
        )
    claims = next((k.value for k in call.keywords if k.arg == "claims"), None)
    built = call.args[1] if len(call.args) > 1 else None
    return Described(
        summary or _first_line(getattr(built, "id", ""), docs),
        where,
        call.lineno,
        deviates=_deviation(docs),
        claims=tuple(_statements(claims)),
    )


def _docstrings(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """The names of the file's module (none), classes and functions, with their docstrings."""
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", ""), text


def _first_line(name: str, docs: list[tuple[str, str]]) -> str:
    return next((text.splitlines()[0] for found, text in docs if name and found == name), "")


def _deviation(docs: list[tuple[str, str]]) -> str:
    """The paragraph that says how the method differs from its paper, without its first words."""
    for _, text in docs:
        if _DEVIATES in text:
            paragraph = text.partition(_DEVIATES)[2].partition("\n\n")[0]
            return " ".join(paragraph.split())
    return ""


def _class_says(problem: ast.expr | None, docs: list[tuple[str, str]]) -> str:
    """What the class of a problem, or the function that builds it, says in its first paragraph."""
    name = getattr(problem.func, "id", "") if isinstance(problem, ast.Call) else ""
    text = next((text for found, text in docs if name and found == name), "")
    return " ".join(text.partition("\n\n")[0].split())


def _arguments(problem: ast.expr | None) -> str:
    return ast.unparse(problem) if isinstance(problem, ast.Call) else ""


def _statements(claims: ast.expr | None) -> Iterator[Statement]:
    for node in getattr(claims, "elts", []):
        if isinstance(node, ast.Call):
            said: dict[str, Any] = {k.arg: _literal(k.value) for k in node.keywords if k.arg}
            texts = [str(said.get(name) or "") for name in Statement.__annotations__]
            yield Statement(*texts)


def _literal(node: ast.expr) -> Any:
    """The value of a literal; None for anything else."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def code_words(text: str) -> list[tuple[str, bool]]:
    """A docstring's text in pieces, each with whether it is code (in backticks)."""
    pieces = re.split(r"`([^`]+)`", text)
    return [(piece, i % 2 == 1) for i, piece in enumerate(pieces) if piece]
