"""A benchmark suite and leaderboard harness for optimizers and regularizers.

What a submission imports, and what a notebook uses, stands here. Names are loaded when they are
first used, so that `import suite` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "optimizer": "suite.registry",
    "regularizer": "suite.registry",
    "schedule": "suite.registry",
    "task": "suite.tasks",
    "Problem": "suite.tasks",
    "Data": "suite.tasks",
    "Split": "suite.tasks",
    "Regularizer": "suite.regularizers",
    "TaskInfo": "suite.regularizers",
    "Objective": "suite.objective",
    "Combined": "suite.combined",
    "NotApplicable": "suite.errors",
    "SuiteError": "suite.errors",
    "run": "suite.running",
    "load_results": "suite.frames",
}
__all__ = ["__version__", "score", "search", *_HOME]

if TYPE_CHECKING:
    from suite import score, search
    from suite.combined import Combined as Combined
    from suite.errors import NotApplicable as NotApplicable
    from suite.errors import SuiteError as SuiteError
    from suite.frames import load_results as load_results
    from suite.objective import Objective as Objective
    from suite.registry import optimizer as optimizer
    from suite.registry import regularizer as regularizer
    from suite.registry import schedule as schedule
    from suite.regularizers import Regularizer as Regularizer
    from suite.regularizers import TaskInfo as TaskInfo
    from suite.running import run as run
    from suite.tasks import Data as Data
    from suite.tasks import Problem as Problem
    from suite.tasks import Split as Split
    from suite.tasks import task as task

    __version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in ("score", "search"):
        return importlib.import_module(f"suite.{name}")
    raise AttributeError(f"module 'suite' has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # a third of the time of --help

    try:
        return version("optimizer-suite")
    except PackageNotFoundError:
        return "0.0.0+checkout"


def __dir__() -> list[str]:
    return sorted(__all__)
