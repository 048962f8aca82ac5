"""The script that exercises full tasks: what it can run it runs, and it says what it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.exercise_full_tasks import PAGE
from suite.components import registry
from tests.commands import ROOT, environment

SCRIPT = ROOT / "scripts" / "exercise_full_tasks.py"


def cells(text: str) -> dict[str, list[str]]:
    """The table's rows by the task's name."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: [cell.strip() for cell in row] for row in rows}


def test_tasks_with_and_without_their_data(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    command = [sys.executable, str(SCRIPT), "modular_addition", "cifar10_resnet18", "--steps", "4"]
    command += ["--data-dir", str(tmp_path / "data"), "--page", str(page)]
    done = subprocess.run(
        command, env=environment(tmp_path / "home"), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = cells(page.read_text(encoding="utf-8"))
    assert rows["cifar10_resnet18"][1] == "not available"
    name, data, batch, steps, loss, metric, *_ = rows["modular_addition"]
    task = registry.get("task", name)
    assert (data, int(batch), int(steps)) == ("generated", task.batch_size, 4)
    first, last = map(float, loss.split(" to "))
    assert last < first
    assert metric.startswith("accuracy ")


def test_the_page_names_every_full_task() -> None:
    full = {task.name for task in registry.load_all("task")[0] if task.track == "full"}
    found = cells(PAGE.read_text(encoding="utf-8"))
    assert set(found) == {"task", *full}
