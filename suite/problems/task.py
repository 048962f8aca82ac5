"""Tasks: a problem with budget, score and target, a name and an integer version."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from suite.components import registry
from suite.components.declaration import check_name
from suite.components.discovery import declaring_file
from suite.components.fingerprints import source_hash
from suite.errors import UsageError
from suite.home import ROOT
from suite.problems.problem import Problem
from suite.problems.score import Score
from suite.problems.settings import NotPlain, plain

Track = Literal["mini", "full"]


TRACKS = get_args(Track)

#: batches that a trial with little budget gets for each task of a stream
_BATCHES_A_TASK = 6

#: facts about a task that do not decide what a result of it means
_NOT_SETTINGS = (
    *("problem", "path", "summary", "source", "family", "core", "contrast"),
    "size_of",
)


@dataclass(frozen=True)
class Task:
    """A registered problem with everything that makes two runs comparable."""

    kind = "task"
    name: str
    problem: Problem
    version: int
    track: Track
    summary: str
    source: str
    batch_size: int
    budget: int
    evaluations: int
    score: Score
    target: float
    time_limit: float
    path: Path
    #: the folder below tasks/ that the file is in; "other" for a file elsewhere
    family: str = "other"
    #: whether the task counts for its track's ranking
    core: bool = False
    #: whether its batches come from tasks that follow one another (a `TaskStream`)
    stream: bool = False
    #: two methods that the task distinguishes: the better one first
    contrast: tuple[str, str] | None = None
    #: the task that it is another size of, by width, batch or budget; empty if it is none
    size_of: str = ""

    @property
    def gradient_evaluations(self) -> float:
        """The budget in batches passed forward and backward."""
        return self.budget / self.batch_size

    def budget_under(self, fraction: float) -> float:
        """The budget in examples for a trial that gets a fraction of it.

        A stream keeps some batches for each of its tasks, so that a trial can train on all of them.
        """
        tasks = getattr(self.problem, "tasks", 0) if self.stream else 0
        least = min(self.budget, tasks * _BATCHES_A_TASK * self.batch_size)
        return max(self.budget * fraction, float(least))

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """Everything declared that decides what a result means, as plain values.

        Read once: what a problem stores in itself during a trial is not a setting.
        """
        fields = [f.name for f in dataclasses.fields(self) if f.name not in _NOT_SETTINGS]
        values = {name: getattr(self, name) for name in fields}
        values["score"] = dataclasses.asdict(self.score)
        values["problem"] = {
            name: plain(value, name) for name, value in sorted(vars(self.problem).items())
        }
        return values

    @property
    def fingerprint(self) -> str:
        """A hash of the settings and of the files that define the problem.

        It changes exactly when the task may mean something else; a test then asks for a new
        version. Comments and docstrings do not count.
        """
        text = json.dumps([self.settings, self.code], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @functools.cached_property
    def code(self) -> list[str]:
        """Hashes of the task's own file and those of its problem's classes, each with its imports.

        Read once: the files may change on disk later.
        """
        roots = {self.path, *_files_of(type(self.problem).__mro__)}
        return sorted(source_hash(path) for path in roots)


def _files_of(classes: Iterable[type]) -> Iterable[Path]:
    """The source files of classes that belong neither to the suite nor to Python."""
    for cls in classes:
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        package = cls.__module__.partition(".")[0]
        if package == "suite" or package in sys.stdlib_module_names:
            continue
        if file:
            yield Path(file)


def task(
    name: str,
    problem: Problem,
    *,
    version: int,
    track: Track,
    summary: str,
    source: str,
    batch_size: int,
    budget: int,
    evaluations: int,
    score: Score,
    target: float,
    time_limit: float = 600.0,
    core: bool = False,
    stream: bool = False,
    contrast: tuple[str, str] | None = None,
    family: str = "",
    size_of: str = "",
) -> None:
    """Register a task.

    `budget` is in examples passed forward and backward; `evaluations` are spread evenly over it;
    `target` is the value of the score's metric that counts as reached; `time_limit` is in seconds
    of one trial, after which it counts as hanging. `source` says where the definition comes from.

    `core`: the task counts for its track's ranking. `stream`: its batches come from tasks that
    follow one another (`TaskStream`). `contrast`: a better and a worse method that the task
    distinguishes. `family`: by default the folder below tasks/ that the file is in, or "other".
    `size_of`: the task that this one is another size of: a wider model, other batches, more budget.
    """
    path = declaring_file("task", name, type(problem))
    declared = Task(
        name=name,
        problem=problem,
        version=version,
        track=track,
        summary=summary,
        source=source,
        batch_size=batch_size,
        budget=budget,
        evaluations=evaluations,
        score=score,
        target=target,
        time_limit=time_limit,
        path=path,
        family=family or family_of(path),
        core=core,
        stream=stream,
        contrast=contrast,
        size_of=size_of,
    )
    _check(declared)
    registry.add(declared)


def family_of(path: Path) -> str:
    """The folder below tasks/ that a file is in; "other" for a file elsewhere."""
    folder = ROOT / "tasks"
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
    return parts[0] if len(parts) > 1 else "other"


def _check(task: Task) -> None:
    """Raise UsageError for values that no trial could use or no result file could hold.

    At once, and not after the first study.
    """
    for complaint in _complaints(task):
        raise UsageError(f"{task.path}: task {task.name!r}: {complaint}")


def _complaints(task: Task) -> Iterable[str]:
    yield from _complaints_of_name("the name", task.name)
    if not isinstance(task.problem, Problem):
        yield f"the problem is an instance of a class of Problem, not {task.problem!r}."
    if task.track not in TRACKS:
        yield f"track is one of {TRACKS}, not {task.track!r}."
    for field in ("version", "batch_size", "budget", "evaluations"):
        value = getattr(task, field)
        if not _is_whole(value):
            yield f"{field} is a whole number from 1, not {value!r}."
    if task.budget < task.batch_size:
        yield f"the budget, {task.budget} examples, is less than one batch of {task.batch_size}."
    for field in ("summary", "source"):
        if not isinstance(getattr(task, field), str):
            yield f"{field} is a text, not {getattr(task, field)!r}."
    if not _is_finite(task.time_limit) or task.time_limit <= 0:
        yield f"time_limit is a positive number of seconds, not {task.time_limit!r}."
    yield from _complaints_of_score(task)
    yield from _complaints_of_facts(task)
    try:
        json.dumps(task.settings)
    except NotPlain as error:
        name = type(task.problem).__name__
        yield f"a setting of its problem is not a plain value: {name}.{error}"


def _complaints_of_score(task: Task) -> Iterable[str]:
    if not isinstance(task.score, Score):
        yield (
            "score is made by score.final(...), score.mean(...) or score.time_to_target(...), "
            f"not {task.score!r}."
        )
    metric, worst = task.score.metric, task.score.worst
    yield from _complaints_of_name("the score's metric", metric)
    if task.score.kind != "time_to_target" and not _is_finite(worst):
        yield f"its score needs a finite worst=, the score of a run that fails, not {worst!r}."
    if not _is_whole(task.score.hold):
        yield f"the score's hold is a whole number from 1, not {task.score.hold!r}."
    if not _is_finite(task.target):
        yield f"target is a finite number, not {task.target!r}."


def _complaints_of_facts(task: Task) -> Iterable[str]:
    yield from _complaints_of_name("family", task.family)
    for field in ("core", "stream"):
        if not isinstance(getattr(task, field), bool):
            yield f"{field} is True or False, not {getattr(task, field)!r}."
    pair = task.contrast
    if pair is not None and not (
        isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(method, str) and method for method in pair)
        and pair[0] != pair[1]
    ):
        yield f'contrast is a pair of methods such as ("adamw", "sgd"), not {pair!r}.'
    if task.size_of != "":
        yield from _complaints_of_name("size_of", task.size_of)
        if task.size_of == task.name:
            yield f"size_of names the task that it is another size of, not {task.name!r} itself."


def _complaints_of_name(what: str, name: str) -> Iterable[str]:
    try:
        check_name(name)
    except UsageError as error:
        yield f"{what} {error}"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
