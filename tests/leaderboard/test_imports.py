"""The leaderboard reads result files only: no training code comes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_training_code_is_imported():
    modules = [f"leaderboard.{path.stem}" for path in (ROOT / "leaderboard").glob("[!_]*.py")]
    assert "leaderboard.site" in modules
    code = f"""
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
forbidden = ("torch", "torchvision", "optuna", "datasets", "tasks", "baselines", "suite_tasks")
own = (
    *("suite.training.loop", "suite.training.objective", "suite.problems", "suite.execution"),
    *("suite.components.registry", "suite.studies.tuning"),
)
print(sorted(m for m in sys.modules if m.split(".")[0] in forbidden or m in own))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
