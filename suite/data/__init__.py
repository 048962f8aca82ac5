"""Data sets: their catalog, their download, and loading them as tensors.

Names are loaded when they are first used, so that `suite data --help` needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_MODULE_OF = {
    "CIFAR10_CLASSES": "suite.data.image_sources",
    "GPT2_TOKENS": "suite.data.tokens",
    "Images": "suite.data.images",
    "load_cifar10": "suite.data.load",
    "load_images": "suite.data.load",
    "prepare_cifar10": "suite.data.load",
    "prepare_images": "suite.data.load",
    "Text": "suite.data.text",
    "load_text": "suite.data.load",
    "load_tokens": "suite.data.load",
}
__all__ = [*_MODULE_OF]

if TYPE_CHECKING:
    from suite.data.image_sources import CIFAR10_CLASSES as CIFAR10_CLASSES
    from suite.data.images import Images as Images
    from suite.data.load import load_cifar10 as load_cifar10
    from suite.data.load import load_images as load_images
    from suite.data.load import load_text as load_text
    from suite.data.load import load_tokens as load_tokens
    from suite.data.load import prepare_cifar10 as prepare_cifar10
    from suite.data.load import prepare_images as prepare_images
    from suite.data.text import Text as Text
    from suite.data.tokens import GPT2_TOKENS as GPT2_TOKENS


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'suite.data' has no attribute {name!r}")
