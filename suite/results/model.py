"""The result: a finished study and its evaluation runs, field by field.

One model checks whatever is written and read; `suite.results.files` makes a JSON file of it.
`results/schema.json` is generated from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sized
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

Status = Literal[
    "completed",
    "pruned",
    "diverged",
    "failed",
    "undercharged",
    "timeout",
    "out_of_memory",
    "interrupted",
]
#: what components, tasks, metrics and hyperparameters may be called
NAME_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=60)]
MethodName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*(\+[a-z][a-z0-9_]*)*(@[a-z][a-z0-9_]*)?$", max_length=200),
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
#: as large as a column of a table can hold
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Text = Annotated[str, Field(max_length=20_000)]
Value = bool | int | Number | Annotated[str, Field(max_length=200)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DistributionRecord(_Record):
    """One hyperparameter's search space."""

    kind: Literal["uniform", "log_uniform", "integer", "choice"]
    default: Value
    low: Number | int | None = None
    high: Number | int | None = None
    choices: list[Value] | None = None


class ComponentRecord(_Record):
    """An optimizer, regularizer or schedule as it was when it ran."""

    kind: Literal["optimizer", "regularizer", "schedule"]
    name: Name
    version: Annotated[int, Field(ge=1)]
    source_hash: Digest
    paper: Text
    url: Text
    search_space: dict[Name, DistributionRecord]


class MethodRecord(_Record):
    """One optimizer, any regularizers, at most one schedule."""

    name: MethodName
    components: Annotated[list[ComponentRecord], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _name_says_components(self) -> MethodRecord:
        optimizer, *rest = self.components
        name = optimizer.name
        for component in rest:
            name += ("@" if component.kind == "schedule" else "+") + component.name
        kinds = [component.kind for component in self.components]
        if kinds[0] != "optimizer" or kinds.count("optimizer") != 1:
            raise ValueError("the first component, and no other, is the optimizer")
        if "schedule" in kinds[:-1]:
            raise ValueError("a method has at most one schedule, and it comes last")
        if name != self.name:
            raise ValueError(f"the components make the method '{name}', not '{self.name}'")
        return self


class TaskRecord(_Record):
    """The task as it was when it ran."""

    name: Name
    version: Annotated[int, Field(ge=1)]
    fingerprint: Digest
    track: Literal["mini", "full"]
    batch_size: Annotated[int, Field(ge=1)]
    #: examples passed forward and backward, for the whole trial under this protocol
    budget: Annotated[Number, Field(gt=0)]
    score: Literal["final", "mean", "time_to_target"]
    metric: Name
    higher_is_better: bool
    target: Number
    #: evaluations in a row that must meet the target
    hold: Annotated[int, Field(ge=1)]
    #: what a run without a usable curve scores
    worst: Number


class SamplerRecord(_Record):
    """Who proposed the configurations."""

    name: Text
    arguments: dict[Text, Value]
    optuna_version: Text


class ProtocolRecord(_Record):
    """The rules the study was run under."""

    name: Name
    version: Annotated[int, Field(ge=1)]
    trials: Annotated[int, Field(ge=1)]
    seeds: Annotated[int, Field(ge=1)]
    generation: Annotated[int, Field(ge=1)]
    budget_fraction: Annotated[Number, Field(gt=0, le=1)]
    ranked: bool
    sampler: SamplerRecord


class Curve(_Record):
    """Evaluations of one run, in columns; all have the same length."""

    #: what was spent at each evaluation, in gradient evaluations (examples / batch size)
    gradient_evaluations: list[Number]
    #: training time at each evaluation, without evaluations and start-up
    seconds: list[Number]
    #: loss of the last training batch before the evaluation, regularizers included
    train_loss: list[Number | None]
    validation: dict[Name, list[Number]]
    test: dict[Name, list[Number]]

    @model_validator(mode="after")
    def _columns_match(self) -> Curve:
        n = len(self.gradient_evaluations)
        columns: list[Sized] = [
            self.seconds,
            self.train_loss,
            *self.validation.values(),
            *self.test.values(),
        ]
        if any(len(column) != n for column in columns):
            raise ValueError(f"every column of a curve has {n} values")
        if any(b <= a for a, b in itertools.pairwise(self.gradient_evaluations)):
            raise ValueError("gradient_evaluations must increase")
        return self


class AuditRecord(_Record):
    """Counted operations against what was charged, over a few steps at two batch sizes."""

    #: operations that an example charged stands for, in those of a plain gradient evaluation of one
    #: example: 1 is work as charged
    slope: Annotated[Number, Field(ge=0)] | None
    #: operations that do not grow with the batch, of building the method and of all steps of the
    #: audit, in gradient evaluations of the task's batch
    rest: Annotated[Number, Field(ge=0)] | None
    #: operations of a plain gradient evaluation of one example; 0 if none can be counted
    example: Annotated[Number, Field(ge=0)]
    #: why there is no slope: the error that ended the method's steps
    error: Text | None = None


class Cost(_Record):
    """What one run took."""

    #: everything charged, in examples passed forward and backward
    examples: Annotated[Number, Field(ge=0)]
    #: the same in batches
    gradient_evaluations: Annotated[Number, Field(ge=0)]
    steps: Count
    #: training only
    seconds: Annotated[Number, Field(ge=0)]
    evaluation_seconds: Annotated[Number, Field(ge=0)]
    peak_memory_bytes: Count
    #: one AdamW step of the same task, timed in the same process; None if it was not reached
    calibration_step_seconds: Annotated[Number, Field(gt=0)] | None
    #: what every charge was multiplied by: a model that the method made larger, declared extra work
    cost_factor: Annotated[Number, Field(ge=1)] = 1.0
    #: of the method with these hyperparameters (tuning: with its defaults); None if not audited
    audit: AuditRecord | None = None
    #: floating-point operations, estimated as examples charged times operations an example
    operations: Annotated[Number, Field(ge=0)] | None = None
    #: tensors in the optimizer's state when the run ended
    optimizer_state_bytes: Count | None = None


class Run(_Record):
    """One trial: one set of hyperparameters, one seed, from start to its status."""

    number: Count
    #: the derived seed that all of the run's random streams come from
    seed: Count
    #: component name to its hyperparameters
    hyperparameters: dict[Name, dict[Name, Value]]
    status: Status
    reason: Text | None = None
    traceback: Text | None = None
    #: on validation data (streams: on the run's own stream); what tuning selects on
    validation_score: Number
    #: on test data; None for tuning runs, which never touch it
    test_score: Number | None
    #: gradient evaluations until the target was held on validation (tuning) or test data
    time_to_target: Annotated[Number, Field(ge=0)] | None
    #: the same in seconds of training
    seconds_to_target: Annotated[Number, Field(ge=0)] | None
    curve: Curve
    cost: Cost


class DataRecord(_Record):
    """What data was really used."""

    fingerprint: Digest
    canonical: bool
    source: Text


class EnvironmentRecord(_Record):
    """Where it ran."""

    suite_version: Text
    packages: dict[Text, Text]
    commit: Text | None
    dirty: bool | None
    python: Text
    platform: Text
    cpu: Text
    cores: Annotated[int, Field(ge=1)]
    gpu: Text | None
    #: UTC, ISO 8601
    started: Text
    finished: Text


class Result(_Record):
    """One study and its evaluation runs."""

    schema_version: Literal[1]
    task: TaskRecord
    method: MethodRecord
    protocol: ProtocolRecord
    #: the result seed that every other seed is derived from
    seed: Count
    device: Annotated[str, Field(pattern=r"^(cpu|cuda|mps)$")]
    threads: Annotated[int, Field(ge=1)]
    data: DataRecord | None
    tuning: Annotated[list[Run], Field(min_length=1)]
    #: number of the tuning run whose hyperparameters were evaluated
    chosen: Count
    evaluation: Annotated[list[Run], Field(min_length=1)]
    environment: EnvironmentRecord
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _study_is_whole(self) -> Result:
        for name, runs, expected in (
            ("tuning", self.tuning, self.protocol.trials),
            ("evaluation", self.evaluation, self.protocol.seeds),
        ):
            if [run.number for run in runs] != list(range(expected)):
                raise ValueError(f"{name}: expected runs 0 to {expected - 1}, in order")
        if self.chosen >= len(self.tuning):
            raise ValueError(f"chosen: there is no tuning run {self.chosen}")
        chosen = self.tuning[self.chosen].hyperparameters
        if any(run.hyperparameters != chosen for run in self.evaluation):
            raise ValueError("evaluation: not run with the chosen hyperparameters")
        if any(run.test_score is None for run in self.evaluation):
            raise ValueError("evaluation: test_score is missing")
        if any(run.test_score is not None or run.curve.test for run in self.tuning):
            raise ValueError("tuning: test data was used")
        return self

    @property
    def failed(self) -> list[Run]:
        """Runs that did not complete."""
        runs = [*self.tuning, *self.evaluation]
        return [run for run in runs if run.status not in ("completed", "pruned")]

    def comparable(self) -> dict[str, Any]:
        """Everything that a rerun of the same study must repeat: all but times and environment."""
        content = self.model_dump(mode="json", exclude={"digest", "environment"})
        for run in [*content["tuning"], *content["evaluation"]]:
            del run["seconds_to_target"], run["curve"]["seconds"], run["traceback"]
            for timing in ("seconds", "evaluation_seconds", "peak_memory_bytes"):
                del run["cost"][timing]
            del run["cost"]["calibration_step_seconds"]
        return content
