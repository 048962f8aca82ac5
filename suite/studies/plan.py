"""Plans: what a study is to do, and everything that decides its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from optuna.distributions import BaseDistribution

from suite.components import registry
from suite.components.discovery import looks_like_file
from suite.components.fingerprints import Sources, packages_of, sources
from suite.components.method import Method
from suite.components.registry import Component
from suite.disk import naming_full
from suite.errors import UsageError
from suite.problems.score import Direction
from suite.problems.task import Task
from suite.results.fields import MAX_COUNT, MAX_INTEGER
from suite.results.model import (
    MethodRecord,
    ProtocolRecord,
    Purpose,
    Result,
    TaskRecord,
)
from suite.studies import identity, records
from suite.studies.protocol import StudyRules
from suite.studies.storage import set_aside
from suite.training.seeds import REPLICATES, derive, replicate_seed
from suite.training.trial import Trial


@dataclass(frozen=True)
class Plan:
    """What a study is to do: everything that decides its result, and where that goes."""

    task: Task
    method: Method
    rules: StudyRules
    seed: int
    device: str
    threads: int
    results: Path
    data: Path
    #: seconds after which a trial counts as hanging; None for the task's own limit. Another limit
    #: may end other trials, so its result has another file name
    time_limit: float | None = None
    #: who runs it
    authors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the study is shown: the method and the task."""
        return f"{self.method.name} on {self.task.name}"

    @property
    def budget(self) -> float:
        """Examples passed forward and backward, per trial."""
        return self.task.budget_under(self.rules.budget_fraction)

    @property
    def trials(self) -> int:
        """Trials of the whole study: tuning and evaluation of all replicates."""
        return self.rules.runs

    def replicate_seed(self, replicate: int) -> int:
        """The seed that everything in a replicate derives from."""
        return replicate_seed(self.seed, replicate)

    @property
    def direction(self) -> Direction:
        """The direction of better scores, in Optuna's words."""
        return "maximize" if self.task.score.higher_is_better else "minimize"

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """The method's search space, for Optuna."""
        space = self.method.distributions()
        return {name: distribution.to_optuna() for name, distribution in space.items()}

    def task_record(self) -> TaskRecord:
        """The task as it goes into the result."""
        return records.task_record(self.task, self.rules)

    def method_record(self) -> MethodRecord:
        """The method as it goes into the result."""
        return records.method_record(self.method)

    def protocol_record(self) -> ProtocolRecord:
        """The protocol as it goes into the result."""
        return records.protocol_record(self.rules)

    @cached_property
    def sources(self) -> Sources:
        """All code that a trial runs, and the versions of the packages."""
        return sources(self.task, self.method.components)

    @cached_property
    def packages(self) -> dict[str, str]:
        """Versions of the packages that the study depends on."""
        return packages_of(self.task, self.method.components)

    @cached_property
    def identity(self) -> str:
        """A hash of all that distinguishes this study from others; file names contain its start."""
        return identity.identity(self)

    @property
    def journal(self) -> Path:
        """The study's storage."""
        return identity.journal(self)

    def result_path(self) -> tuple[Path, Result | None]:
        """Where the result goes, and the result that is there already.

        Raises InvalidResult if a file there cannot be read, UsageError if something else is there.
        """
        return identity.result_path(self)

    def why_own_name(self) -> str | None:
        """Why the result does not go to the plain name, in words; None if it does."""
        return identity.why_own_name(self)

    def finished(self) -> Result | None:
        """The result that is there, unless a run with --force has begun to replace it."""
        there = self.result_path()[1]
        return None if self._is_restarted() else there

    def restart(self) -> None:
        """Move the earlier trials away; the study is unfinished until its result is written.

        That is remembered on disk, so that a later run can resume it. Raises UsageError while
        another process works on the study.
        """
        set_aside(self.journal)
        with naming_full(self._restarted.parent):
            self._restarted.write_text(str(self.results.resolve()), encoding="utf-8")

    def end(self) -> None:
        """Remember that the result is written."""
        if self._is_restarted():
            self._restarted.unlink(missing_ok=True)

    @property
    def _restarted(self) -> Path:
        """A file beside the journal that names the results folder whose file is to be replaced."""
        return self.journal.with_suffix(".restarted")

    def _is_restarted(self) -> bool:
        try:
            return self._restarted.read_text(encoding="utf-8") == str(self.results.resolve())
        except FileNotFoundError:
            return False

    def trial(
        self, replicate: int, purpose: Purpose, number: int, hyperparameters: dict[str, Any]
    ) -> Trial:
        """One trial of the study.

        All tuning trials of a replicate share one seed; its evaluations have others.
        """
        own_seed = self.replicate_seed(replicate)
        seed = derive(own_seed, purpose, 0 if purpose == "tuning" else number)
        # Only the trial's own files: another method's file may change numbers when it is imported.
        own = {self.task.path, *(component.path for component in self.method.components)}
        # Tuning trials are audited with the defaults: one audit serves all of them.
        audited = self.method.defaults if purpose == "tuning" else hyperparameters
        return Trial(
            task=self.task.name,
            components=tuple((c.kind, c.name) for c in self.method.components),
            hyperparameters=hyperparameters,
            number=number,
            seed=seed,
            purpose=purpose,
            replicate=replicate,
            budget_fraction=self.rules.budget_fraction,
            device=self.device,
            threads=self.threads,
            data_folder=str(self.data),
            files=tuple(str(path) for path in registry.extra_files() if path in own),
            sources=self.sources,
            audited=audited,
        )


def find_task(name: str) -> Task:
    """The task of a name, or the one that a file registers."""
    if not looks_like_file(name):
        task: Task = registry.get("task", name)
        return task
    found: list[Task] = [entry for entry in registry.load_file(name) if entry.kind == "task"]
    if len(found) != 1:
        raise UsageError(f"{name} must register one task; it registers {len(found)}.")
    return found[0]


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raise UsageError for a number that no result could hold."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{name} is a whole number from {low} to {high}, not {value!r}.")


def make_plan(
    method: Method,
    task: Task,
    rules: StudyRules,
    *,
    seed: int,
    device: str,
    threads: int,
    results: Path,
    data: Path,
    time_limit: float | None = None,
    elsewhere: bool = False,
    authors: Sequence[str] = (),
) -> Plan:
    """A plan with its device decided: "auto" is a GPU for full tasks, the CPU for the rest.

    Without a GPU here "auto" is the CPU, unless the study runs `elsewhere`: then this machine's
    devices say nothing, and where the study runs its device is looked for.
    """
    _check_whole("seed", seed, 0, MAX_INTEGER // REPLICATES - 1)
    _check_whole("threads", threads, 1, MAX_COUNT)
    parts: list[Task | Component] = [task, *method.components]
    for part in parts:
        if not part.path.is_file():
            raise UsageError(
                f"{part.kind} '{part.name}' was declared in a notebook or an interactive session, "
                "and trials run in separate processes. Write it to a file, and give the file's "
                "path instead of the name."
            )
    if device == "auto":
        gpu = task.track == "full" and (elsewhere or torch.cuda.is_available())
        device = "cuda" if gpu else "cpu"
    elif elsewhere:
        pass
    elif device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no GPU here. Use --device cpu.")
    elif device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: torch finds no Apple GPU here. Use --device cpu.")
    return Plan(
        task, method, rules, seed, device, threads, results, data, time_limit, tuple(authors)
    )
