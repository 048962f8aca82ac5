"""Plans: what a study is to do, and everything that decides its result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from suite.components import registry
from suite.components.fingerprints import suite_hash
from suite.components.method import Method, looks_like_file
from suite.errors import InvalidResult, UsageError
from suite.home import home
from suite.problems.score import Direction
from suite.problems.task import Task
from suite.results import environment
from suite.results import files as results
from suite.results.model import (
    ComponentRecord,
    DistributionRecord,
    MethodRecord,
    ProtocolRecord,
    Result,
    TaskRecord,
)
from suite.studies.protocol import Protocol
from suite.studies.storage import set_aside
from suite.studies.tuning import sampler_record
from suite.training.seeds import derive
from suite.training.trial import Trial, sources


@dataclass(frozen=True)
class Plan:
    """What a study is to do: everything that decides its result, and where that goes."""

    task: Task
    method: Method
    rules: Protocol
    seed: int
    device: str
    threads: int
    results: Path
    data: Path
    #: seconds after which a trial counts as hanging; None for the task's own limit. Another one
    #: may end other trials, so that its result has a file of its own
    time_limit: float | None = None

    @property
    def name(self) -> str:
        """How the study is shown: the method and the task."""
        return f"{self.method.name} on {self.task.name}"

    @property
    def budget(self) -> float:
        """Examples passed forward and backward, a trial."""
        return self.task.budget * self.rules.budget_fraction

    @property
    def trials(self) -> int:
        """Trials of the whole study, tuning and evaluation."""
        return self.rules.trials + self.rules.seeds

    @property
    def direction(self) -> Direction:
        """Where better scores lie, in Optuna's words."""
        return "maximize" if self.task.score.higher_is_better else "minimize"

    def task_record(self) -> TaskRecord:
        """The task as it goes into the result."""
        task, score = self.task, self.task.score
        return TaskRecord(
            name=task.name,
            version=task.version,
            fingerprint=task.fingerprint,
            track=task.track,
            batch_size=task.batch_size,
            budget=float(self.budget),
            score=score.kind,
            metric=score.metric,
            higher_is_better=score.higher_is_better,
            target=task.target,
            hold=score.hold,
            worst=score.worst_score(self.budget / task.batch_size),
        )

    def method_record(self) -> MethodRecord:
        """The method as it goes into the result."""
        components = [
            ComponentRecord(
                kind=component.kind,
                name=component.name,
                version=component.version,
                source_hash=component.source_hash,
                paper=component.paper,
                url=component.url,
                search_space={
                    name: DistributionRecord.model_validate(distribution.to_json())
                    for name, distribution in component.search.items()
                },
            )
            for component in self.method.components
        ]
        return MethodRecord(name=self.method.name, components=components)

    def protocol_record(self) -> ProtocolRecord:
        """The protocol as it goes into the result."""
        rules = self.rules
        return ProtocolRecord(
            name=rules.name,
            version=rules.version,
            trials=rules.trials,
            seeds=rules.seeds,
            generation=rules.generation,
            budget_fraction=rules.budget_fraction,
            ranked=rules.ranked,
            sampler=sampler_record(),
        )

    @property
    def identity(self) -> str:
        """A hash of all that makes another study of this one; file names carry its start."""
        return self._identity_with([*self._run_settings, *self._own_time_limit])

    def _identity_with(self, settings: list[Any]) -> str:
        return _identity(self.task_record(), self.method_record(), self.protocol_record(), settings)

    @property
    def _run_settings(self) -> list[Any]:
        return [self.seed, self.device, self.threads]

    @property
    def _own_time_limit(self) -> list[float]:
        """The time limit, unless it is the task's. A result does not hold it: its name tells."""
        return [] if self.time_limit in (None, self.task.time_limit) else [float(self.time_limit)]

    @property
    def journal(self) -> Path:
        """The study's storage: only the same code of suite, task and packages goes on with it."""
        code = [self.identity, self.task.fingerprint, suite_hash(), environment.versions()]
        key = hashlib.sha256(json.dumps(code).encode()).hexdigest()[:12]
        name = f"{self.method.name}.{self.rules.name}.{key}.journal"
        return home() / "studies" / self.task.name / name

    def result_path(self) -> tuple[Path, Result | None]:
        """Where the result goes, and the result that is there already.

        A result of another task version, method source, seed or thread count keeps its file; this
        one then gets a name of its own. A time limit that is not the task's always has a name of
        its own. Raises InvalidResult if a file there cannot be read.
        """
        folder = self.results / self.task.name
        content = self._identity_with(self._run_settings)
        variants = [self.identity[:8]] if self._own_time_limit else ["", self.identity[:8]]
        for variant in variants:
            path = folder / results.file_name(self.method.name, self.rules.name, variant)
            if not path.exists():
                return path, None
            try:
                there = results.read(path)
            except InvalidResult as error:
                raise InvalidResult(f"{error}\nMend, move or delete that file first.") from None
            settings = [there.seed, there.device, there.threads]
            if content == _identity(there.task, there.method, there.protocol, settings):
                return path, there
        raise UsageError(f"{path} holds the result of another study. Move it away first.")

    def finished(self) -> Result | None:
        """The result that is there, unless a run with --force has begun to replace it."""
        there = self.result_path()[1]
        return None if self._begun_anew() else there

    def begin_anew(self) -> None:
        """Set aside what was run so far; the study is unfinished until its result is written.

        That is remembered on disk, so that a later run can go on with it. Raises UsageError while
        another process works on the study.
        """
        set_aside(self.journal)
        self._anew.write_text(str(self.results.resolve()), encoding="utf-8")

    def end(self) -> None:
        """Remember that the result is written."""
        if self._begun_anew():
            self._anew.unlink(missing_ok=True)

    @property
    def _anew(self) -> Path:
        """Lies beside the journal and names the results folder whose file is to be replaced."""
        return self.journal.with_suffix(".anew")

    def _begun_anew(self) -> bool:
        try:
            return self._anew.read_text(encoding="utf-8") == str(self.results.resolve())
        except FileNotFoundError:
            return False

    def trial(self, purpose: str, number: int, hyperparameters: dict[str, Any]) -> Trial:
        """One trial of the study. All tuning trials share one seed; evaluations have fresh ones."""
        seed = derive(self.seed, purpose, 0 if purpose == "tuning" else number)
        # Only the trial's own files: what another method's file does when it is imported would
        # otherwise change these numbers.
        own = {self.task.path, *(component.path for component in self.method.components)}
        return Trial(
            task=self.task.name,
            components=tuple((c.kind, c.name) for c in self.method.components),
            hyperparameters=hyperparameters,
            number=number,
            seed=seed,
            purpose=purpose,
            budget_fraction=self.rules.budget_fraction,
            device=self.device,
            threads=self.threads,
            data_folder=str(self.data),
            files=tuple(str(path) for path in registry.extra_files() if path in own),
            sources=sources(self.task, self.method.components),
        )


def _identity(
    task: TaskRecord, method: MethodRecord, protocol: ProtocolRecord, settings: list[Any]
) -> str:
    components = method.model_dump(
        mode="json", exclude={"components": {"__all__": {"paper", "url"}}}
    )
    said = [
        [task.name, task.version, task.batch_size, task.budget, task.target],
        components,
        [protocol.name, protocol.version],
        settings,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def find_task(name: str) -> Task:
    """The task of a name, or the one that a file registers."""
    if not looks_like_file(name):
        task: Task = registry.get("task", name)
        return task
    found: list[Task] = [entry for entry in registry.load_file(name) if entry.kind == "task"]
    if len(found) != 1:
        raise UsageError(f"{name} must register one task; it registers {len(found)}.")
    return found[0]


def make_plan(
    method: Method,
    task: Task,
    rules: Protocol,
    *,
    seed: int,
    device: str,
    threads: int,
    results: Path,
    data: Path,
    time_limit: float | None = None,
) -> Plan:
    """A plan with its device decided: "auto" is a GPU for full tasks, the CPU for the rest."""
    if device == "auto":
        gpu = task.track == "full" and torch.cuda.is_available()
        device = "cuda" if gpu else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no GPU here. Use --device cpu.")
    elif device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: torch finds no Apple GPU here. Use --device cpu.")
    return Plan(task, method, rules, seed, device, threads, results, data, time_limit)
