"""What a declaration of a component may say, checked when it is made: before any study runs."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Literal

from suite.components.claims import Claim
from suite.components.search import MAX_VALUE, Distribution, SearchSpace, check_text
from suite.errors import UsageError

ComponentKind = Literal["optimizer", "regularizer", "schedule"]
_NAME_RULE = (
    "lower-case letters, digits and single underscores, starting with a letter, at most 60 "
    "characters"
)
#: what the `build` of an optimizer may ask for besides hyperparameters, by the argument's name
OFFERED = ("info", "model", "named_parameters")
_OF_BUILD = ": def build(params, lr, info) gets the suite.TaskInfo, model the model"
#: what a result records of a component
MAX_TEXT = 2_000
MAX_AUTHORS = 200
MAX_HYPERPARAMETERS = 200
MAX_VERSION = 10_000


@dataclass(frozen=True)
class About:
    """What a declaration says about a component, apart from its search space."""

    paper: str
    url: str
    summary: str
    version: int
    authors: Sequence[str]
    extra_work: str
    claims: Sequence[Claim]


def check_name(name: str) -> str:
    """The name itself, if it may name a component, task or file; raises UsageError otherwise."""
    if not _is_name(name):
        raise UsageError(f"{name!r} is not a name: use {_NAME_RULE}.")
    return name


def _is_name(name: object) -> bool:
    if not isinstance(name, str) or len(name) > 60:
        return False
    words = name.split("_")
    plain = all(word.isascii() and word.isalnum() and word == word.lower() for word in words)
    return plain and name[0].isalpha()


def taken_by(function: Callable[..., Any], names: Iterable[str]) -> list[str]:
    """The names among these that a function has arguments for."""
    parameters = inspect.signature(function).parameters
    every = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return [name for name in names if every or name in parameters]


def check_number_and_texts(who: str, about: About) -> None:
    """Raise UsageError for values that no result file could hold, before any study runs."""
    version = about.version
    if isinstance(version, bool) or not isinstance(version, int):
        raise UsageError(f"{who}: version is a whole number from 1, not {version!r}.")
    if not 1 <= version <= MAX_VERSION:
        raise UsageError(
            f"{who}: version is a whole number from 1 to {MAX_VERSION}, not {version}."
        )
    texts = {"paper": about.paper, "url": about.url, "summary": about.summary}
    texts["extra_work"] = about.extra_work
    if not all(isinstance(text, str) for text in texts.values()):
        raise UsageError(f"{who}: paper, url, summary and extra_work are texts.")
    authors = about.authors
    if isinstance(authors, str) or not all(isinstance(author, str) for author in authors):
        raise UsageError(f"{who}: authors is a list of names, not {authors!r}.")
    if len(authors) > MAX_AUTHORS:
        raise UsageError(f"{who}: at most {MAX_AUTHORS} authors, not {len(authors)}.")
    try:
        for text in texts.values():
            check_text(one_line(text), MAX_TEXT)
        for author in authors:
            check_text(one_line(author), MAX_VALUE)
    except ValueError as error:
        raise UsageError(f"{who}: {error}.") from None


def check_space(who: str, search: object) -> None:
    """Raise UsageError unless a search space has names and distributions."""
    if not isinstance(search, Mapping):
        raise UsageError(f"{who}: search is a dict of hyperparameter names to distributions.")
    if len(search) > MAX_HYPERPARAMETERS:
        raise UsageError(f"{who}: at most {MAX_HYPERPARAMETERS} hyperparameters.")
    for hyperparameter, distribution in search.items():
        if not _is_name(hyperparameter):
            raise UsageError(
                f"{who}: the hyperparameter {hyperparameter!r} is not a name: use {_NAME_RULE}. If "
                "a class calls its argument so, register a function that passes it on: "
                f"def build(..., other_name): return Class(..., {hyperparameter}=other_name)"
            )
        if not isinstance(distribution, Distribution):
            raise UsageError(
                f"{who}: the hyperparameter {hyperparameter!r} needs a distribution such as "
                f"search.log_uniform(...), not {distribution!r}."
            )


def check_parts(
    who: str, parts: Mapping[ComponentKind, Sequence[Callable[..., Any]]], search: SearchSpace
) -> None:
    """Raise UsageError unless each part of a method can be called with what it takes."""
    every = [part for some in parts.values() for part in some]
    for name in search:
        if not any(taken_by(part, [name]) for part in every):
            raise UsageError(f"{who}: no part has an argument for the hyperparameter {name!r}.")
    for kind, some in parts.items():
        for part in some:
            taken = {name: search[name] for name in taken_by(part, search)}
            check_arguments(who, kind, part, taken)


def check_arguments(
    who: str, kind: ComponentKind, build: Callable[..., Any], search: SearchSpace
) -> None:
    """Raise UsageError unless `build` can be called with the hyperparameters of its space."""
    if not callable(build):
        raise UsageError(f"{who}: the second argument is a class or function, not {build!r}.")
    try:
        parameters = list(inspect.signature(build).parameters.values())
    except (TypeError, ValueError):  # compiled code may have none
        return
    # The first is given by position: parameters, or progress.
    given = 0 if kind == "regularizer" else 1
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    named = [p for p in parameters if p.kind in positional][given:]
    named += [p for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    takes = {p.name for p in named if p.kind is not Parameter.POSITIONAL_ONLY}
    called = getattr(build, "__qualname__", repr(build))
    unknown = [name for name in search if name not in takes]
    if unknown and not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        near = difflib.get_close_matches(unknown[0], takes, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"{who}: search has the hyperparameter {unknown[0]!r}, and {called} takes no argument "
            f"of that name.{hint} It takes: {', '.join(sorted(takes)) or 'none'}."
        )
    provided = {*search, *OFFERED} if kind == "optimizer" else set(search)
    missing = [p.name for p in named if p.default is Parameter.empty and p.name not in provided]
    if missing:
        raise UsageError(
            f"{who}: {called} needs the argument {missing[0]!r}, and search has no hyperparameter "
            "of that name. Add it to search, give the argument a default, or register a function "
            f"that passes it on{_OF_BUILD if kind == 'optimizer' else ''}."
        )


def one_line(text: str) -> str:
    """A text without line breaks and without several blanks in a row."""
    return " ".join(text.split())
