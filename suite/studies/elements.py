"""Elements: studies as lines of a file, so that any scheduler can run each with one command.

A line holds plain values and names its study by its identity: other code, or another version of the
suite, refuses to run it. An element is complete when its result file is there; whoever runs it
again finds that. Its number is that of its line, from 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from suite.components import registry
from suite.components.method import Method
from suite.errors import UsageError
from suite.home import data_folder, home
from suite.problems.task import Task
from suite.studies.plan import Plan, make_plan
from suite.studies.protocol import get_protocol


class Element(BaseModel):
    """One study of a plan: what `suite run --element` needs to run it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    #: the method and the task, for people
    study: str
    task: str
    #: kind and name of each component, in the order of the method's name
    components: list[tuple[Literal["optimizer", "regularizer", "schedule"], str]]
    #: files outside the repository that register the task or components
    files: list[str]
    protocol: str
    seed: int
    device: str
    threads: int
    trial_timeout: float | None
    authors: list[str]
    keep_going: bool
    #: folder of the result files, absolute
    results: str
    #: folder of the data, absolute; None for the default where the study runs
    data: str | None
    #: the hash of all that distinguishes the study from others
    identity: str


def element_of(plan: Plan, *, keep_going: bool) -> Element:
    """A plan as an element."""
    parts: list[Task | registry.Component] = [plan.task, *plan.method.components]
    outside = set(registry.extra_files())
    return Element(
        study=plan.name,
        task=plan.task.name,
        components=[(part.kind, part.name) for part in plan.method.components],
        files=list(dict.fromkeys(str(part.path) for part in parts if part.path in outside)),
        protocol=plan.rules.name,
        seed=plan.seed,
        device=plan.device,
        threads=plan.threads,
        trial_timeout=plan.time_limit,
        authors=list(plan.authors),
        keep_going=keep_going,
        results=str(plan.results.resolve()),
        data=None if plan.data == home() / "data" else str(plan.data),
        identity=plan.identity,
    )


def text_of(elements: Iterable[Element]) -> str:
    """The file's text: one element a line."""
    return "".join(f"{element.model_dump_json()}\n" for element in elements)


def read_element(path: Path, number: int) -> Element:
    """The element of a number, from 0; raises UsageError if it is not there or damaged."""
    try:
        with path.open("rb") as file:
            line = next(itertools.islice(file, number, None), None)
    except OSError as error:
        raise UsageError(f"{path}: not readable: {error.strerror}") from None
    if line is None:
        raise UsageError(f"{path} has no element {number}: elements are its lines, from 0.")
    try:
        return Element.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise UsageError(
            f"{path}, element {number}: {where}: {first['msg']}. `suite plan` of this "
            "version writes the file."
        ) from None


def plan_of(element: Element, *, results: Path | None = None, data: Path | None = None) -> Plan:
    """The plan of an element; other folders than the element's where they are given.

    Raises UsageError if the code here would make another study of it.
    """
    for file in element.files:
        registry.load_file(file)
    task: Task = registry.get("task", element.task)
    plan = make_plan(
        Method(tuple(registry.get(kind, name) for kind, name in element.components)),
        task,
        get_protocol(element.protocol),
        seed=element.seed,
        device=element.device,
        threads=element.threads,
        results=results or Path(element.results),
        data=data_folder(data or element.data),
        time_limit=element.trial_timeout,
        authors=element.authors,
    )
    if plan.identity != element.identity:
        raise UsageError(
            f"{element.study} was planned with other code of the task or the method, or with "
            "another version of the suite: run `suite plan` again, with the code that is to run."
        )
    return plan
