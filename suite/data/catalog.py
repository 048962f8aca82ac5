"""The catalog: every data set by the name that tasks use.

Importing this needs no torch.
"""

from __future__ import annotations

import functools

from suite.data import images, text, tokens
from suite.data.dataset import Dataset
from suite.errors import unknown_name


@functools.cache
def datasets() -> dict[str, Dataset]:
    """Every data set by name."""
    found: list[Dataset] = [*images.DATASETS, *text.DATASETS, *tokens.DATASETS]
    return {entry.name: entry for entry in found}


def get(name: str) -> Dataset:
    """The data set of that name; raises UsageError with similar names if there is none."""
    if name not in datasets():
        raise unknown_name("data set", name, datasets())
    return datasets()[name]
