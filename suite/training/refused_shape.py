"""Finds the parameter at which the step of an installed package's optimizer failed.

Errors of shapes name sizes of intermediate tensors. What helps is the class and the parameter that
it was at.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from types import FrameType

import torch
from torch import nn

#: what errors of shapes have in their text, whoever raises them
_SHAPES = re.compile(
    r"shape|\bsizes?\b|\bdim|\b[0-9]-?D\b|\bmat[12]\b|matri|broadcast|einsum|subscript|unpack|"
    r"too many indices|tuple index out of range",
    re.IGNORECASE,
)
#: parameters that are named: some methods work on pairs
_NAMED = 2


def advice_on_shape(error: BaseException, text: str) -> str:
    """Which class cannot train which parameter, and what to write; empty if it is another error."""
    if not _SHAPES.search(text):
        return ""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    steps = [i for i, frame in enumerate(frames) if _is_step(frame)]
    if not steps:
        return ""
    step = frames[steps[-1]]
    parameters = _parameters(frames[steps[-1] :], _package(step))
    return _said(_class_name(step), _package(step), parameters) if parameters else ""


def _said(name: str, package: str, parameters: list[nn.Parameter]) -> str:
    shapes = " and ".join(_described(p) for p in parameters)
    one = len(parameters) == 1
    what = f"a parameter of shape {shapes}" if one else f"parameters of shapes {shapes}"
    said = f"{name} of {package} cannot train {what}"
    special = (
        "it needs parameters of a special kind or order, such as pairs of low-rank factors, which "
        "its documentation names"
    )
    dimensions = {p.ndim for p in parameters}
    if dimensions == {2} and all(getattr(p, "role", None) == "hidden" for p in parameters):
        return f"{said}, though these are plain matrices: {special}"
    filters = min(dimensions) > 2
    able = "p.ndim <= 2" if filters else 'p.role == "hidden" and p.ndim == 2'
    rest = "p.ndim > 2" if filters else f"not ({able})"
    said += (
        ". Give it those that it can, and another optimizer the rest: "
        f"able = [p for p in params if {able}], others = [p for p in params if {rest}], and build "
        f"returns suite.Combined({name}(able, lr=lr), torch.optim.AdamW(others, lr=...)); see "
        "'Groups by role' in docs/submit.md"
    )
    if dimensions == {2}:
        said += f". If it fails on hidden matrices as well, {special}"
    return said


def _described(parameter: nn.Parameter) -> str:
    role = getattr(parameter, "role", None)
    return f"{tuple(parameter.shape)}" + (f" ({role})" if role else "")


def _is_step(frame: FrameType) -> bool:
    """Whether a frame is the step of an optimizer of an installed package other than torch."""
    method = frame.f_locals.get("self")
    return (
        frame.f_code.co_name == "step"
        and isinstance(method, torch.optim.Optimizer)
        and _package(frame) not in ("torch", "suite", "")
        and _is_installed(Path(frame.f_code.co_filename))
    )


def _class_name(frame: FrameType) -> str:
    """The package's class, of which the optimizer may be a subclass in the method's file."""
    method = frame.f_locals["self"]
    own = (c for c in type(method).__mro__ if c.__module__.partition(".")[0] == _package(frame))
    return next((c.__name__ for c in own), type(method).__name__)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_installed(file: Path) -> bool:
    """Whether a file's package lies where an installer put it."""
    folder = file.parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return any(folder.glob("*.dist-info"))


def _parameters(frames: list[FrameType], package: str) -> list[nn.Parameter]:
    """Those that the innermost frame of the package holds, which has any."""
    for frame in reversed(frames):
        if _package(frame) == package:
            found = [v for v in frame.f_locals.values() if isinstance(v, nn.Parameter)]
            unique = {id(p): p for p in found}
            if unique:
                return list(unique.values())[:_NAMED]
    return []
