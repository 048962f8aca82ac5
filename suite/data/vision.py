"""torchvision, imported only here, with a cure for a build that was made for another torch."""

from __future__ import annotations

import importlib
from types import ModuleType

from suite.components import torchvision_cure


def torchvision_module(name: str) -> ModuleType:
    """A module of torchvision, e.g. "torchvision.datasets"."""
    torchvision_cure.install()
    return importlib.import_module(name)
