"""Why a trial ended, in text that every result file can hold."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from suite.errors import SuiteError
from suite.home import ROOT
from suite.results.fields import printable
from suite.training.advice import LONGEST_REASON, advised, asserted

_LONGEST_TRACE = 8_000
_FRAME = re.compile(r'^  File "(.+)", line (\d+), in (.+)\n(?:    (?!\^)(.*)\n)?', re.MULTILINE)


@dataclass(frozen=True)
class Frame:
    """A frame of a traceback."""

    file: str
    line: int
    function: str
    #: the line of source; empty if it is not known
    text: str


@advised
def reason_of(error: BaseException) -> str:
    """The class, text and place of an error in one line, even if making the text raises an error.

    The place is that of the method or task, not of torch: "in muon.py, line 102, __init__". What
    the suite says itself, as NotApplicable, needs none.
    """
    name = type(error).__name__
    if isinstance(error, ValidationError):
        return _one_line(f"its record was refused: {_refused_fields(error)}")
    try:
        text = str(error) or asserted(error)
    except BaseException as second:
        text = f"its text cannot be shown, making it raised {type(second).__name__}"
    place = "" if isinstance(error, SuiteError) else place_of(error)
    said = _one_line(f"{name}: {text}" if text else name, LONGEST_REASON - len(place))
    return said + place


def place_of(error: BaseException) -> str:
    """Where an error was raised outside torch and the suite; empty if it was raised there."""
    frame = frame_of(error)
    if frame is None:
        return ""
    return printable(f" (in {Path(frame.file).name}, line {frame.line}, {frame.function})")


def frame_of(error: BaseException) -> Frame | None:
    """The innermost frame outside torch and the suite, with its line of source."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if not _is_machinery(code.co_filename):
            found = code.co_filename, line, code.co_name
    return Frame(*found, linecache.getline(*found[:2]).strip()) if found else None


def _is_machinery(file: str) -> bool:
    """Whether a file belongs to torch, the suite or Python itself."""
    if file.startswith("<"):
        return True
    path = Path(file)
    torch = getattr(sys.modules.get("torch"), "__file__", None)
    if path.is_relative_to(ROOT / "suite") or (torch and path.is_relative_to(Path(torch).parent)):
        return True
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and path.is_relative_to(sysconfig.get_path("stdlib"))


def frames_of(trace: str) -> list[Frame]:
    """The frames of a traceback that `trace_of` wrote, innermost last."""
    return [
        Frame(file, int(line), function, (text or "").strip())
        for file, line, function, text in _FRAME.findall(trace)
    ]


def trace_of(error: BaseException) -> str:
    """The traceback of an error without private paths: results are published."""
    try:
        trace = "".join(traceback.format_exception(error))
    except BaseException as second:
        trace = f"the traceback cannot be shown, making it raised {type(second).__name__}\n"
    for folder, short in ((ROOT, ""), (Path(sys.prefix), "python/"), (Path.home(), "~/")):
        trace = trace.replace(f"{folder}{os.sep}", short)
    # A file elsewhere, such as one given on the command line, keeps only its name.
    trace = re.sub(r'File "/(?:[^"/]*/)*([^"/]+)"', r'File "\1"', trace)
    return printable(trace[-_LONGEST_TRACE:])


def _one_line(text: str, longest: int = LONGEST_REASON) -> str:
    return printable(" ".join(text.split())[:longest])


def _refused_fields(error: ValidationError) -> str:
    found = (
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
    return "; ".join(found)
