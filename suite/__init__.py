"""A benchmark suite and leaderboard harness for optimizers and regularizers.

What a submission imports, and what a notebook uses, stands here. Names are loaded when they are
first used, so that `import suite` is quick.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

try:
    __version__ = version("optimizer-suite")
except PackageNotFoundError:  # running from a checkout that is not installed
    __version__ = "0.0.0+checkout"

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
    from suite.combined import Combined
    from suite.errors import NotApplicable, SuiteError
    from suite.frames import load_results
    from suite.objective import Objective
    from suite.registry import optimizer, regularizer, schedule
    from suite.regularizers import Regularizer, TaskInfo
    from suite.running import run
    from suite.tasks import Data, Problem, Split, task


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in ("score", "search"):
        return importlib.import_module(f"suite.{name}")
    raise AttributeError(f"module 'suite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
