"""A study that can be held in the middle, and its result of one machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from suite import run
from suite.execution.inline import InlineExecutor
from suite.results.model import Result
from tests.commands import TINY
from tests.methods import write_method


class Held(NamedTuple):
    """A method whose trials wait as long as a file exists."""

    method: str
    hold: Path
    #: of the protocol `standard`, 50 trials
    result: Result


@pytest.fixture(scope="session")
def held(tmp_path_factory) -> Held:
    folder = tmp_path_factory.mktemp("held")
    hold = folder / "hold"
    wait = (f"while Path({str(hold)!r}).exists():", "    time.sleep(0.05)")
    method = write_method(folder, "held_anywhere", *wait)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUITE_HOME", str(folder / "home"))
        result = run(method, TINY, protocol="standard", results=folder, executor=InlineExecutor())
    return Held(method, hold, result)
