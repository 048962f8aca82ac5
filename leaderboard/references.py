"""Frozen references: the meaning of 0 and 1 on each task, and how well its scores distinguish.

0 is the mean test score of SGD with torch's own defaults, 1 that of tuned AdamW: of whoever tunes
it anew, that is the mean over independent tuning replicates. They are measured once per task
version, by `scripts/calibrate.py`, and kept in `references.json`, so that a new method never
changes another's score. The same script measures the differences between seeds and between methods.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from suite.errors import SuiteError
from suite.results.fields import Digest, MethodName, Name, Number, Record, Text, Value
from suite.results.files import write_text

PATH = Path(__file__).with_name("references.json")
#: a core task's ends lie at least so many spreads apart, and each is the mean of so many runs
CORE_SPREADS, CORE_RUNS = 6.0, 20


class ReferenceRuns(Record):
    """The runs that fix one end of the scale, in tuning replicates.

    What is not tuned has one replicate, of as many evaluation runs as there are seeds.
    """

    method: MethodName
    #: what each replicate chose
    hyperparameters: Annotated[list[dict[Name, dict[Name, Value]]], Field(min_length=1)]
    #: raw test scores of each replicate's evaluation runs
    runs: Annotated[list[Annotated[list[Number], Field(min_length=1)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_replicate_chose(self) -> ReferenceRuns:
        if len(self.hyperparameters) != len(self.runs):
            raise ValueError("hyperparameters and runs are of different numbers of replicates")
        return self

    @property
    def scores(self) -> list[float]:
        """Raw test scores of the replicates, each the mean over its evaluation runs."""
        return [statistics.fmean(scores) for scores in self.runs]

    @property
    def mean(self) -> float:
        """The raw score that this end represents."""
        return statistics.fmean(self.scores)

    @property
    def every_run(self) -> list[float]:
        """The raw test scores of all runs, replicate by replicate."""
        return [score for scores in self.runs for score in scores]

    @property
    def units(self) -> list[float]:
        """Independent raw test scores: of the replicates, or of the runs of a single one."""
        return self.scores if len(self.runs) > 1 else self.runs[0]

    @property
    def spread(self) -> float:
        """Standard deviation between replicates; of a single one, between its runs."""
        return statistics.stdev(self.units)

    @property
    def spread_within(self) -> float:
        """Standard deviation between runs of the same hyperparameters, pooled over replicates."""
        return math.sqrt(statistics.fmean(statistics.variance(scores) for scores in self.runs))


class Contrast(Record):
    """Two methods that the task distinguishes, both tuned; raw test scores, one per replicate.

    Under protocol 1 a study had one replicate, and the scores are one per evaluation seed.
    """

    better: MethodName
    worse: MethodName
    better_scores: Annotated[list[Number], Field(min_length=5)]
    worse_scores: Annotated[list[Number], Field(min_length=5)]

    @model_validator(mode="after")
    def _scores_are_pairs(self) -> Contrast:
        if len(self.better_scores) != len(self.worse_scores):
            raise ValueError("better_scores and worse_scores are not of the same replicates")
        return self

    @property
    def errors_apart(self) -> float:
        """The mean difference in its standard errors; negative if lower scores are better.

        Scores are paired: replicates of the same number have the same data in both methods.
        """
        pairs = zip(self.better_scores, self.worse_scores, strict=True)
        differences = [better - worse for better, worse in pairs]
        mean, count = statistics.fmean(differences), len(differences)
        error = statistics.stdev(differences) / math.sqrt(count)
        return mean / error if error else math.copysign(math.inf, mean)


class Calibration(Record):
    """What calibration measured about the scores of a task."""

    #: raw test scores of tuned AdamW, one per evaluation run of all replicates
    scores: Annotated[list[Number], Field(min_length=8)]
    #: the task's target, and how many of those runs reached it
    target: Number
    reached: Annotated[int, Field(ge=0)]
    #: median seconds of one trial with its evaluations, on which device of which machine; on a CPU
    #: those that the processor worked for it, since protocol 2
    trial_seconds: Annotated[Number, Field(gt=0)]
    device: Text
    machine: Text
    contrast: Contrast
    #: the command that measured it
    command: Text

    @property
    def deviation(self) -> float:
        """Standard deviation of the score from run to run."""
        return statistics.stdev(self.scores)


class Reference(Record):
    """The scale of one task, and how it was measured."""

    task_version: Annotated[int, Field(ge=1)]
    data_fingerprint: Digest
    canonical: bool
    untuned: ReferenceRuns
    tuned: ReferenceRuns
    #: the protocol that AdamW was tuned under, and its version: 1 had no replicates
    protocol: Name
    protocol_version: Annotated[int, Field(ge=1)] = 1
    #: the command that measured it
    command: Text
    suite_version: Text
    commit: Text | None
    #: the day, ISO 8601
    frozen: Text
    packages: dict[str, Text]
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _ends_differ(self) -> Reference:
        if self.untuned.mean == self.tuned.mean:
            raise ValueError("untuned and tuned have the same mean score: they define no scale")
        return self

    @property
    def spreads_apart(self) -> float:
        """How far the ends are apart, in units of the larger spread of the two."""
        spread = max(self.untuned.spread, self.tuned.spread)
        distance = abs(self.tuned.mean - self.untuned.mean)
        return distance / spread if spread else math.inf


References = dict[str, Reference]
_ADAPTER = TypeAdapter(dict[Name, Reference])


def scaled(reference: Reference, raw: float) -> float:
    """A raw test score on the task's scale: 0 is untuned, 1 is tuned AdamW, higher is better."""
    untuned, tuned = reference.untuned.mean, reference.tuned.mean
    return (raw - untuned) / (tuned - untuned)


def errors_apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The mean of `one` minus that of `other`, in standard errors of the difference.

    Infinite if neither varies and they differ.
    """
    difference = statistics.fmean(one) - statistics.fmean(other)
    error = math.sqrt(statistics.variance(one) / len(one) + statistics.variance(other) / len(other))
    return difference / error if error else math.copysign(math.inf, difference)


def load(path: Path = PATH) -> References:
    """Task name to its reference; raises SuiteError naming what is wrong in the file."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise SuiteError(f"{path}: not readable: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise SuiteError(f"{path}: {where}: {first['msg']}") from None


def save(references: Mapping[str, Reference], path: Path = PATH) -> None:
    """Write all references atomically, sorted by task."""
    content = {name: references[name].model_dump(mode="json") for name in sorted(references)}
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
