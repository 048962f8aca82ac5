"""An interrupt that foreign code swallows ends the run nevertheless."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.commands import ROOT, TINY, environment

SWALLOWS = """
import os, signal, sys
from suite import interrupts
from suite.cli import main
from suite.studies import storage

opened = storage.StudyStorage.__enter__

def swallow(self):
    try:
        os.kill(os.getpid(), signal.{name})
    except KeyboardInterrupt:
        pass
    return opened(self)

storage.StudyStorage.__enter__ = swallow
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_swallowed_interrupt_ends_the_run(tmp_path, name):
    arguments = ("run", "-o", "adamw", "-t", TINY, "-p", "smoke", "--jobs", "1")
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWS.format(name=name), *arguments],
        env=environment(tmp_path / "home"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 130, done.stderr
    assert "Interrupted. Every finished trial is kept" in done.stderr
