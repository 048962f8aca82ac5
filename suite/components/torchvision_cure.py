"""A cure for one known error of torchvision, wherever it is imported: by a task, a method, timm.

A torchvision built for another torch (a CUDA wheel with a CPU torch) cannot load its compiled
operators, and importing it fails with "operator torchvision::nms does not exist": it attaches a
Python kernel to an operator that is not declared. Data sets, transforms and models do not need
these operators. So on exactly this error the two operators are declared, and torchvision is
executed again. Declaring them first is not possible: a matching build then aborts the process.

The cure waits in Python's import system until torchvision is imported, and costs nothing before.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_BREAK = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
#: a declaration lasts as long as its object
declared: list[Any] = []


def install() -> None:
    """From now on, an import of torchvision is cured if that is needed."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds torchvision as Python does, and has it loaded with the cure."""

    def __init__(self) -> None:
        self._searching = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of torchvision; None for every other module."""
        if name != "torchvision" or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Loads torchvision, and once more with its operators declared if exactly that is missing."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module; a second time after the known error."""
        try:
            self._loader.exec_module(module)
            return
        except RuntimeError as error:
            if _BREAK not in str(error) or declared:
                raise
        for loaded in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[loaded]
        for name in [name for name in vars(module) if not name.startswith("__")]:
            delattr(module, name)
        _declare_operators()
        self._loader.exec_module(module)


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + _SCHEMA)
    declared.append(library)
