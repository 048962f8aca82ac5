"""Why a trial ended, in text that every result file can hold."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

from pydantic import ValidationError

from suite.home import ROOT
from suite.results.model import printable
from suite.training.advice import advised

_LONGEST_REASON = 2_000
_LONGEST_TRACE = 8_000


@advised
def reason_of(error: BaseException) -> str:
    """The class and text of an error in one line, even if making the text raises an error."""
    name = type(error).__name__
    if isinstance(error, ValidationError):
        return _one_line(f"its record was refused: {_refused_fields(error)}")
    try:
        text = str(error)
    except BaseException as second:
        text = f"its text cannot be shown, making it raised {type(second).__name__}"
    return _one_line(f"{name}: {text}" if text else name)


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


def _one_line(text: str) -> str:
    return printable(" ".join(text.split())[:_LONGEST_REASON])


def _refused_fields(error: ValidationError) -> str:
    found = (
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
    return "; ".join(found)
