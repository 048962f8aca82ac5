"""A trial as it is planned and sent to a worker, and what the worker returns.

One method, one set of hyperparameters, one seed. `suite.training` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass

from suite.components import registry
from suite.components.fingerprints import Sources, changed_part, sources
from suite.components.method import Hyperparameters
from suite.errors import SuiteError
from suite.problems.task import Task
from suite.results.model import DataRecord, HeldOut, Purpose, Run

#: the tuning or the evaluation trials of a replicate; within a series, trials are numbered
Series = tuple[int, Purpose]
#: study identity, replicate, purpose, number: identifies a trial among all that run
Key = tuple[str, int, str, int]


@dataclass(frozen=True)
class Trial:
    """What a worker needs to run one trial; plain values only, so that it can be sent anywhere."""

    task: str
    #: component kind and name, in the order of the method's name
    components: tuple[tuple[str, str], ...]
    hyperparameters: Hyperparameters
    number: int
    seed: int
    #: "tuning" runs never touch test data, "evaluation" runs report on it
    purpose: Purpose
    budget_fraction: float = 1.0
    device: str = "cpu"
    threads: int = 1
    data_folder: str = ""
    #: files outside the repo that register components
    files: tuple[str, ...] = ()
    #: what `sources` returned for task and components when the study was planned; empty: no check
    sources: Sources = ()
    #: the hyperparameters that the method is audited with; None: not audited
    audited: Hyperparameters | None = None
    #: which replicate of its study it belongs to
    replicate: int = 0
    #: the share of the budget after which it is stopped, to verify the beginning of a run:
    #: schedules and evaluation points remain those of the whole budget
    stop_at: float = 1.0

    @property
    def series(self) -> Series:
        """The trials that it is one of."""
        return self.replicate, self.purpose

    @property
    def splits(self) -> tuple[HeldOut, ...]:
        """The held-out splits that this trial may be measured on."""
        return ("validation",) if self.purpose == "tuning" else ("validation", "test")


@dataclass(frozen=True)
class Outcome:
    """A finished trial, and the data that it used (None if it loaded none)."""

    run: Run
    data: DataRecord | None


def refuse_changed_sources(trial: Trial, task: Task) -> None:
    """The result will name the code of the plan: no other code may run its trials."""
    if not trial.sources:
        return
    components = [registry.get(kind, name) for kind, name in trial.components]
    changed = changed_part(trial.sources, sources(task, components))
    if changed is not None:
        raise SuiteError(
            f"{changed} was changed while the study ran: run the command again. That is another "
            "study; finished trials of this one are kept with the old source."
        )
