"""What holds for all tests."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

import suite  # noqa: F401, before torch computes: it fixes the instruction set

#: each takes a minute or more, whatever its number of tests: they begin first, so that no process
#: works on one at the end while the others have nothing left
LONGEST = (
    "test_pull_request.py",
    "test_run_board.py",
    "test_docs.py",
    "suite/training/test_determinism.py",
    "cli/test_run.py",
    "suite/training/test_failures.py",
    "suite/studies/test_edited_code.py",
    "test_wheel.py",
    "suite/studies/test_force.py",
    "leaderboard/test_many_results.py",
    "suite/clusters/test_slurm.py",
    "suite/execution/test_leftovers.py",
    "suite/execution/test_execution.py",
)


def pytest_configure() -> None:
    """Let Ctrl-C through to the processes that tests start.

    A shell that starts the tests in the background has interrupts ignored, and every process they
    start would inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    places = {Path(__file__).parent / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def _subnormal_numbers():
    """A trial that ran in this process has set them to 0, and hypothesis needs them."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
