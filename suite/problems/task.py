"""Tasks: a problem with budget, score and target, a name and an integer version."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from suite.components import registry
from suite.components.fingerprints import source_hash
from suite.problems.problem import Problem
from suite.problems.score import Score

Track = Literal["mini", "full"]


TRACKS = get_args(Track)


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

    @property
    def gradient_evaluations(self) -> float:
        """The budget in batches passed forward and backward."""
        return self.budget / self.batch_size

    @property
    def settings(self) -> dict[str, Any]:
        """Everything declared, as plain values."""
        skipped = ("problem", "path", "summary", "source")
        fields = [f.name for f in dataclasses.fields(self) if f.name not in skipped]
        values = {name: getattr(self, name) for name in fields}
        values["score"] = dataclasses.asdict(self.score)
        values["problem"] = {k: repr(v) for k, v in sorted(vars(self.problem).items())}
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
        """Hashes of the files that define the problem, read once: they may change on disk later."""
        files = {self.path}
        for parent in type(self.problem).__mro__:
            module = sys.modules.get(parent.__module__)
            if module is not None and module.__name__.startswith("suite_tasks"):
                files.add(Path(str(module.__file__)))
        return sorted(source_hash(path) for path in files)


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
) -> None:
    """Register a task.

    `budget` is in examples passed forward and backward; `evaluations` are spread evenly over it;
    `target` is the value of the score's metric that counts as reached; `time_limit` is in seconds
    of one trial, after which it counts as hanging. `source` says where the definition comes from.
    """
    if track not in TRACKS:
        raise ValueError(f"{name}: track is one of {TRACKS}, not {track!r}")
    if version < 1:
        raise ValueError(f"{name}: versions are whole numbers from 1, not {version!r}")
    if budget < batch_size or evaluations < 1:
        raise ValueError(f"{name}: needs a budget of at least one batch and one evaluation")
    # The caller's file, not the one being loaded: a task file may import from another one.
    path = Path(sys._getframe(1).f_code.co_filename)
    registry.add(
        Task(
            name=registry.check_name(name),
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
        )
    )
