"""The result: a finished study and its evaluation runs, field by field.

One model checks everything that is written and read; `suite.results.files` makes a JSON file of it.
`results/schema.json` is generated from it. Every number and every text has a bound here, so that
code that reads a result can safely calculate with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sized
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from suite.results.component_records import ComponentRecord as ComponentRecord
from suite.results.component_records import DiagnosticRecord as DiagnosticRecord
from suite.results.component_records import DistributionRecord as DistributionRecord
from suite.results.fields import (
    MAX_COUNT,
    MAX_METRICS,
    MAX_NUMBER,
    MAX_POINTS,
    Column,
    Count,
    Digest,
    Few,
    Lines,
    MethodName,
    Metrics,
    Name,
    NotNegative,
    Number,
    Positive,
    Record,
    SpacedColumn,
    SparseColumn,
    Text,
    Value,
)
from suite.training.seeds import REPLICATES, replicate_seed

SCHEMA_VERSION = 3
#: the protocol version from which on a result has replicates; before, its seed was the only one
_SEEDS_OF_REPLICATES = 2

#: tuning runs are measured on validation data alone, evaluation runs on test data, too
Purpose = Literal["tuning", "evaluation"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
#: data that no run trains on
HeldOut = Literal["validation", "test"]
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


class MethodRecord(Record):
    """One optimizer, any regularizers, any schedules, in this order."""

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
        if kinds != sorted(kinds, key=["optimizer", "regularizer", "schedule"].index):
            raise ValueError("regularizers come before schedules in a method")
        if name != self.name:
            raise ValueError(f"the components make the method '{name}', not '{self.name}'")
        return self


class TaskRecord(Record):
    """The task as it was when it ran."""

    name: Name
    version: Few
    fingerprint: Digest
    track: Literal["mini", "full"]
    batch_size: Annotated[int, Field(ge=1, le=2**31)]
    #: examples passed forward and backward, for the whole trial under this protocol
    budget: Positive
    score: Literal["final", "mean", "time_to_target"]
    metric: Name
    higher_is_better: bool
    target: Number
    #: evaluations in a row that must meet the target
    hold: Few
    #: the score of a run without a usable curve
    worst: Number
    #: the folder of tasks it belongs to; like the next two None only in results of schema 1
    family: Name | None = None
    #: whether its batches change over time, so that its score is over the stream
    stream: bool | None = None
    #: whether it counts for its track's ranking; that may change without a new version
    core: bool | None = None


class SamplerRecord(Record):
    """The method that proposed the configurations."""

    name: Text
    arguments: Annotated[dict[Text, Value], Field(max_length=100)]
    #: the package that it is from
    package: Text
    version: Text


class ProtocolRecord(Record):
    """The rules the study was run under."""

    name: Name
    version: Few
    #: how often the study is repeated; trials and seeds are those of one replicate
    replicates: Annotated[int, Field(ge=1, le=REPLICATES)]
    trials: Few
    seeds: Few
    generation: Few
    budget_fraction: Annotated[float, Field(allow_inf_nan=False, gt=1e-9, le=1)]
    ranked: bool
    sampler: SamplerRecord


#: points that a curve without any metric may have
_SHORT = 200


class Curve(Record):
    """Evaluations of one run, in columns; all have the same length, or are empty if not kept."""

    #: cost so far at each evaluation, in gradient evaluations (examples / batch size)
    gradient_evaluations: SpacedColumn
    #: training time at each evaluation, without evaluations and start-up; empty in tuning runs
    seconds: Column
    #: loss of the last training batch before the evaluation, regularizers included; None before
    #: the first batch; empty in tuning runs
    train_loss: SparseColumn
    validation: Annotated[Metrics, Field(max_length=MAX_METRICS)]
    test: Annotated[Metrics, Field(max_length=MAX_METRICS)]
    #: other numbers along the run, by name; they decide nothing
    diagnostics: Annotated[dict[Name, SparseColumn], Field(max_length=200)] = Field(
        default_factory=dict
    )

    @model_validator(mode="before")
    @classmethod
    def _points_have_values(cls, content: Any) -> Any:
        """A long column in short is as long as a metric is: a small file takes little memory.

        Its own type bounds what is longer than any column.
        """
        short = content.get("gradient_evaluations") if isinstance(content, dict) else None
        if isinstance(short, dict):
            groups = [content.get("validation"), content.get("test")]
            columns = [c for g in groups if isinstance(g, dict) for c in g.values()]
            longest = max((len(c) for c in columns if isinstance(c, list)), default=0)
            points = short.get("points")
            if isinstance(points, int) and max(longest, _SHORT) < points <= MAX_POINTS:
                raise ValueError(f"gradient_evaluations: {points} points, no metric has as many")
        return content

    @model_validator(mode="after")
    def _columns_match(self) -> Curve:
        n = len(self.gradient_evaluations)
        columns: list[Sized] = [
            *(column for column in (self.seconds, self.train_loss) if column),
            *self.validation.values(),
            *self.test.values(),
            *self.diagnostics.values(),
        ]
        if any(len(column) != n for column in columns):
            raise ValueError(f"every column of a curve has {n} values")
        if any(b <= a for a, b in itertools.pairwise(self.gradient_evaluations)):
            raise ValueError("gradient_evaluations must increase")
        return self


class AuditRecord(Record):
    """Counted operations against what was charged, over a few steps at two batch sizes."""

    #: operations per example charged, in units of a plain gradient evaluation of one example: 1 is
    #: work as charged
    slope: NotNegative | None
    #: operations that do not grow with the batch, of building the method and of all steps of the
    #: audit, in gradient evaluations of the task's batch
    rest: NotNegative | None
    #: operations of a plain gradient evaluation of one example; 0 if none can be counted
    example: NotNegative


class Cost(Record):
    """What one run cost and used."""

    #: everything charged, in examples passed forward and backward
    examples: NotNegative
    #: the same in batches
    gradient_evaluations: NotNegative
    steps: Count
    #: training only
    seconds: NotNegative
    evaluation_seconds: NotNegative
    peak_memory_bytes: Count
    #: what every charge was multiplied by: a model that the method made larger, declared extra work
    cost_factor: Annotated[float, Field(allow_inf_nan=False, ge=1, lt=MAX_NUMBER)] = 1.0
    #: of the method with these hyperparameters (tuning: with its defaults); None if not audited
    audit: AuditRecord | None = None
    #: floating-point operations, estimated: examples charged times operations per example
    operations: NotNegative | None = None
    #: tensors in the optimizer's state when the run ended
    optimizer_state_bytes: Count | None = None
    #: training examples that the method may keep (`objective.memory`)
    stored_examples: Count = 0
    #: a training step relative to a bare AdamW step of the task, both timed in the run's process by
    #: `suite.training.clock.busy_seconds`; None if no step was made
    step_cost: NotNegative | None = None


class Run(Record):
    """One trial: one set of hyperparameters, one seed, from start to its status."""

    number: Count
    #: the derived seed that all of the run's random streams come from
    seed: Count
    #: component name to its hyperparameters
    hyperparameters: Annotated[dict[Name, dict[Name, Value]], Field(max_length=20)]
    status: Status
    reason: Lines | None = None
    traceback: Lines | None = None
    #: on validation data (streams: on the run's own stream); what tuning selects on
    validation_score: Number
    #: on test data; None for tuning runs, which never touch it
    test_score: Number | None
    #: gradient evaluations until the target was held on validation (tuning) or test data
    time_to_target: NotNegative | None
    #: the same in seconds of training
    seconds_to_target: NotNegative | None
    curve: Curve
    cost: Cost

    @property
    def succeeded(self) -> bool:
        """Whether the run ended regularly, by itself or by the protocol."""
        return self.status in ("completed", "pruned")

    def learned(self, task: TaskRecord) -> bool | None:
        """Whether the score's metric ended better than it was before training.

        On the split that is reported: test data, for tuning runs validation data. None if the run
        did not complete, or if it was not measured before training, as in results of schema 1.
        """
        curve = self.curve
        values = (curve.validation if self.test_score is None else curve.test).get(task.metric)
        if self.status != "completed" or not values or curve.gradient_evaluations[0] != 0:
            return None
        # For a time to target, lower is better; for its metric, higher is better.
        higher = task.higher_is_better or task.score == "time_to_target"
        return values[-1] > values[0] if higher else values[-1] < values[0]

    def comparable(self) -> dict[str, Any]:
        """Everything that a rerun of the same trial must repeat: all but times and diagnostics."""
        content = self.model_dump(mode="json")
        del content["seconds_to_target"], content["curve"]["seconds"], content["traceback"]
        del content["curve"]["diagnostics"]
        for varying in ("seconds", "evaluation_seconds", "step_cost", "peak_memory_bytes"):
            del content["cost"][varying]
        return content


class DataRecord(Record):
    """The data that was used."""

    fingerprint: Digest
    canonical: bool
    source: Text


class EnvironmentRecord(Record):
    """Where it ran."""

    suite_version: Text
    packages: Annotated[dict[Text, Text], Field(max_length=200)]
    commit: Text | None
    dirty: bool | None
    python: Text
    platform: Text
    cpu: Text
    #: the instruction set that torch uses, which may change the last digits of a number
    cpu_capability: Text | None = None
    cores: Annotated[int, Field(ge=1, le=2**31)]
    gpu: Text | None
    #: hash of the suite's own code as far as it decides numbers; None if it is not known
    code: Text | None = None
    #: UTC, ISO 8601
    started: Text
    finished: Text


class Replicate(Record):
    """One tuning from one seed, and the evaluation of the chosen configuration."""

    #: that every other seed of the replicate derives from: `replicate_seed`
    seed: Count
    tuning: Annotated[list[Run], Field(min_length=1, max_length=MAX_COUNT)]
    #: number of the tuning run whose hyperparameters were evaluated
    chosen: Count
    evaluation: Annotated[list[Run], Field(min_length=1, max_length=MAX_COUNT)]

    def by_purpose(self) -> Iterator[tuple[Purpose, list[Run]]]:
        """Its runs, with the purpose that they had."""
        yield "tuning", self.tuning
        yield "evaluation", self.evaluation

    @model_validator(mode="after")
    def _study_is_whole(self) -> Replicate:
        for name, runs in self.by_purpose():
            if any(run.number != number for number, run in enumerate(runs)):
                raise ValueError(f"{name}: expected runs 0 to {len(runs) - 1}, in order")
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
    def runs(self) -> list[Run]:
        """All runs, those of tuning first."""
        return [*self.tuning, *self.evaluation]

    @property
    def chosen_run(self) -> Run:
        """The tuning run whose hyperparameters were evaluated."""
        return self.tuning[self.chosen]

    @property
    def score(self) -> float:
        """The mean test score of its evaluation runs; a failed run has the task's worst score."""
        return math.fsum(run.test_score or 0.0 for run in self.evaluation) / len(self.evaluation)

    @property
    def time_to_target(self) -> float:
        """Gradient evaluations, the mean over its evaluation runs; inf if one missed the target."""
        times = [run.time_to_target for run in self.evaluation]
        return math.fsum(math.inf if time is None else time for time in times) / len(times)


class Result(Record):
    """One study and its evaluation runs."""

    schema_version: Literal[3]
    task: TaskRecord
    method: MethodRecord
    protocol: ProtocolRecord
    device: Annotated[str, Field(pattern=r"^(cpu|cuda|mps)$")]
    threads: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    data: DataRecord | None
    #: the whole study, repeated with other seeds as often as the protocol says
    replicates: Annotated[list[Replicate], Field(min_length=1, max_length=REPLICATES)]
    environment: EnvironmentRecord
    #: who ran it; empty if they did not say
    authors: Annotated[list[Text], Field(max_length=50)] = Field(default_factory=list)
    #: what looked at the evaluation runs, see `Curve.diagnostics`
    diagnostics: Annotated[list[DiagnosticRecord], Field(max_length=200)] = Field(
        default_factory=list
    )
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    _read_from: int = PrivateAttr(default=SCHEMA_VERSION)

    @model_validator(mode="after")
    def _protocol_says_how_many_runs(self) -> Result:
        there, wanted = len(self.replicates), self.protocol.replicates
        if there != wanted:
            raise ValueError(f"replicates: expected {wanted}, there are {there}")
        for replicate in self.replicates:
            for name, runs, expected in (
                ("tuning", replicate.tuning, self.protocol.trials),
                ("evaluation", replicate.evaluation, self.protocol.seeds),
            ):
                if len(runs) != expected:
                    raise ValueError(f"{name}: expected {expected} runs, there are {len(runs)}")
        return self

    @model_validator(mode="after")
    def _replicates_have_their_seeds(self) -> Result:
        """Nobody chooses among replicates: their seeds follow from the result's."""
        if self.protocol.version < _SEEDS_OF_REPLICATES:
            return self
        expected = [replicate_seed(self.seed, r) for r in range(len(self.replicates))]
        said = [replicate.seed for replicate in self.replicates]
        if said != expected:
            raise ValueError(f"replicates: the seeds are {said}, and must be {expected}")
        return self

    @model_validator(mode="after")
    def _diagnostics_have_records(self) -> Result:
        """Every column is of one diagnostic."""
        columns = [column for record in self.diagnostics for column in record.columns]
        if len(set(columns)) != len(columns):
            raise ValueError("diagnostics: two of them have the same column")
        for run in self.evaluation_runs:
            for column in run.curve.diagnostics:
                if column not in columns:
                    raise ValueError(f"diagnostics: none of them has the column {column}")
        if any(run.curve.diagnostics for run in self.tuning_runs):
            raise ValueError("tuning: diagnostics look at evaluation runs alone")
        return self

    @model_serializer(mode="wrap")
    def _without_empty_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A result without authors and diagnostics is as it was before there were any."""
        content: dict[str, Any] = dump(self)
        for name in ("authors", "diagnostics"):
            if not content.get(name):
                content.pop(name, None)
        return content

    @model_validator(mode="after")
    def _scored_metric_is_bounded(self) -> Result:
        metric = self.task.metric
        for replicate in self.replicates:
            for run in replicate.runs:
                for split in (run.curve.validation, run.curve.test):
                    if max(map(abs, split.get(metric, ())), default=0.0) >= MAX_NUMBER:
                        raise ValueError(f"{metric}, which is scored, is not below {MAX_NUMBER:g}")
        return self

    @property
    def migrated_from(self) -> int | None:
        """The older schema that the file was written in; None if it is of this one."""
        return None if self._read_from == SCHEMA_VERSION else self._read_from

    def as_read_from(self, schema_version: int) -> Result:
        """The same result, which says that its file is of that schema."""
        copy = self.model_copy()
        copy._read_from = schema_version
        return copy

    @property
    def seed(self) -> int:
        """The result seed, which the seeds of the replicates follow from."""
        first = self.replicates[0].seed
        return first if self.protocol.version < _SEEDS_OF_REPLICATES else first // REPLICATES

    @property
    def scores(self) -> list[float]:
        """The score of each replicate: what all statistics are made of."""
        return [replicate.score for replicate in self.replicates]

    @property
    def tuning_runs(self) -> list[Run]:
        """The tuning runs of all replicates."""
        return [run for replicate in self.replicates for run in replicate.tuning]

    @property
    def evaluation_runs(self) -> list[Run]:
        """The evaluation runs of all replicates."""
        return [run for replicate in self.replicates for run in replicate.evaluation]

    @property
    def failed(self) -> list[Run]:
        """Runs that did not complete."""
        runs = [run for replicate in self.replicates for run in replicate.runs]
        return [run for run in runs if not run.succeeded]

    def comparable(self) -> dict[str, Any]:
        """Everything that a rerun of the same study must repeat.

        All but times, environment, authors and diagnostics, which a rerun need not make.
        """
        excluded = {"digest", "environment", "authors", "diagnostics"}
        content = self.model_dump(mode="json", exclude=excluded)
        for replicate, own in zip(content["replicates"], self.replicates, strict=True):
            for purpose, runs in own.by_purpose():
                replicate[purpose] = [run.comparable() for run in runs]
        return content
