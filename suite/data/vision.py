"""torchvision, imported only here, with a workaround for one known error.

A torchvision built for another torch (a CUDA wheel with a CPU torch) cannot load its compiled
operators, and importing it fails with "operator torchvision::nms does not exist": it attaches a
Python kernel to an operator that is not declared. Data sets, transforms and models do not need
these operators. So on exactly this error the two operators are declared, and it is imported
again. Declaring them first is not possible: a matching build then aborts the process.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_BREAK = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # a declaration lasts as long as its object


def torchvision_module(name: str) -> ModuleType:
    """A module of torchvision, e.g. "torchvision.datasets"."""
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if _BREAK not in str(error) or _declared:
            raise
    for loaded in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + _SCHEMA)
    _declared.append(library)
    return importlib.import_module(name)
