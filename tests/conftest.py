"""What holds for all tests."""

from __future__ import annotations

import signal
import sys

import pytest

import suite  # noqa: F401, before torch computes: it fixes the instruction set


def pytest_configure() -> None:
    """Let Ctrl-C through to the processes that tests start.

    A shell that starts the tests in the background has interrupts ignored, and every process they
    start would inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _subnormal_numbers():
    """A trial that ran in this process has set them to 0, and hypothesis needs them."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
