"""Reasons name the place outside torch and the suite."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.errors import NotApplicable
from suite.training.objective import Objective
from suite.training.reasons import frames_of, reason_of, trace_of

HERE = Path(__file__).name


def caught(action) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def in_torch() -> None:
    torch.zeros(3).view(7)
    torch.optim.SGD([])


def in_a_class_of_torch() -> None:
    torch.optim.SGD([])


def in_the_standard_library() -> None:
    Path("/no/such/file").read_text(encoding="utf-8")


def in_the_suite() -> None:
    Objective.next_batch(None)


@pytest.mark.parametrize(
    "action", [in_torch, in_a_class_of_torch, in_the_standard_library, in_the_suite]
)
def test_the_place_is_that_of_the_callers_own_code(action) -> None:
    line = action.__code__.co_firstlineno + 1
    assert reason_of(caught(action)).endswith(f" (in {HERE}, line {line}, {action.__name__})")


def test_an_installed_library_is_a_place(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    path = folder / "muon.py"
    code = compile("def init():\n    raise NotImplementedError\n", str(path), "exec")
    names: dict = {}
    exec(code, names)
    assert reason_of(caught(names["init"])) == "NotImplementedError (in muon.py, line 2, init)"


def test_what_the_suite_says_itself_needs_no_place() -> None:
    def refuse() -> None:
        raise NotApplicable("two heads are needed")

    assert reason_of(caught(refuse)) == "NotApplicable: two heads are needed"


def test_frames_are_read_back_from_a_trace() -> None:
    frame = frames_of(trace_of(caught(in_torch)))[-1]
    assert (Path(frame.file).name, frame.function) == (HERE, "in_torch")
    assert frame.text == "torch.zeros(3).view(7)"


def test_a_long_reason_keeps_its_place() -> None:
    def shout() -> None:
        raise ValueError("x" * 10_000)

    reason = reason_of(caught(shout))
    assert len(reason) <= 2_000
    assert reason.endswith(", shout)")
