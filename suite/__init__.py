"""A benchmark suite and leaderboard harness for optimizers and regularizers.

The names here are those that a submission imports and a notebook uses. Names are loaded when they
are first used, so that `import suite` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from suite import instruction_set as _instruction_set

#: before torch computes
_instruction_set.fix()

_HOME = {
    "optimizer": "suite.components.registry",
    "regularizer": "suite.components.registry",
    "schedule": "suite.components.registry",
    "method": "suite.components.registry",
    "Claim": "suite.components.claims",
    "rule": "suite.components.rule_declaration",
    "Size": "suite.components.rules",
    "diagnostic": "suite.diagnostics.declaration",
    "Probe": "suite.diagnostics.probe",
    "task": "suite.problems.task",
    "Problem": "suite.problems.problem",
    "Data": "suite.problems.problem",
    "Point": "suite.problems.problem",
    "Split": "suite.data.split",
    "Shuffled": "suite.problems.batches",
    "FullBatch": "suite.problems.batches",
    "TaskStream": "suite.problems.streams",
    "constant_generator": "suite.problems.splits",
    "fingerprint_of": "suite.problems.problem",
    "draw_apart": "suite.problems.splits",
    "split_once": "suite.problems.splits",
    "split_rows": "suite.problems.splits",
    "classification_metrics": "suite.problems.metrics",
    "Regularizer": "suite.components.regularizer",
    "TaskInfo": "suite.components.regularizer",
    "Combined": "suite.components.combined",
    "mark_head": "suite.components.parameters",
    "Layer": "suite.components.parameters",
    "Objective": "suite.training.objective",
    "NotApplicable": "suite.errors",
    "MissingData": "suite.errors",
    "SuiteError": "suite.errors",
    "run": "suite.studies.run_studies",
    "load_results": "suite.results.frames",
    "standings": "leaderboard.notebook",
    "compare": "leaderboard.notebook",
}
#: modules that are names of `suite` as a whole
_MODULES = {
    "score": "suite.problems.score",
    "search": "suite.components.search",
    "plot": "leaderboard.plot",
}
__all__ = ["__version__", *_MODULES, *_HOME]

if TYPE_CHECKING:
    from leaderboard import plot as plot
    from leaderboard.notebook import compare as compare
    from leaderboard.notebook import standings as standings
    from suite.components import search as search
    from suite.components.claims import Claim as Claim
    from suite.components.combined import Combined as Combined
    from suite.components.parameters import Layer as Layer
    from suite.components.parameters import mark_head as mark_head
    from suite.components.registry import method as method
    from suite.components.registry import optimizer as optimizer
    from suite.components.registry import regularizer as regularizer
    from suite.components.registry import schedule as schedule
    from suite.components.regularizer import Regularizer as Regularizer
    from suite.components.regularizer import TaskInfo as TaskInfo
    from suite.components.rule_declaration import rule as rule
    from suite.components.rules import Size as Size
    from suite.data.split import Split as Split
    from suite.diagnostics.declaration import diagnostic as diagnostic
    from suite.diagnostics.probe import Probe as Probe
    from suite.errors import MissingData as MissingData
    from suite.errors import NotApplicable as NotApplicable
    from suite.errors import SuiteError as SuiteError
    from suite.problems import score as score
    from suite.problems.batches import FullBatch as FullBatch
    from suite.problems.batches import Shuffled as Shuffled
    from suite.problems.metrics import classification_metrics as classification_metrics
    from suite.problems.problem import Data as Data
    from suite.problems.problem import Point as Point
    from suite.problems.problem import Problem as Problem
    from suite.problems.problem import fingerprint_of as fingerprint_of
    from suite.problems.splits import constant_generator as constant_generator
    from suite.problems.splits import draw_apart as draw_apart
    from suite.problems.splits import split_once as split_once
    from suite.problems.splits import split_rows as split_rows
    from suite.problems.streams import TaskStream as TaskStream
    from suite.problems.task import task as task
    from suite.results.frames import load_results as load_results
    from suite.studies.run_studies import run as run
    from suite.training.objective import Objective as Objective

    __version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'suite' has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # a third of the time of --help

    try:
        return version("optimizer-suite")
    except PackageNotFoundError:
        return "0.0.0+checkout"


def __dir__() -> list[str]:
    return sorted(__all__)
