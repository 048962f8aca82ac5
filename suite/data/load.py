"""Data by its name in the catalog, as tasks load it.

Loading never downloads: `prepare` does, before the first trial. Importing this needs no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from suite.data import catalog
from suite.data.dataset import Dataset
from suite.data.images import ImageSet
from suite.data.text import TextSet
from suite.data.tokens import TokenSet
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.data.images import Images
    from suite.data.text import Text
    from suite.data.tokens import TokenFile

_Kind = TypeVar("_Kind", bound=Dataset)


def load_images(name: str, folder: Path, *, train: int = 1, test: int = 1) -> Images:
    """A data set of images from a data folder, from the cache if it was decoded before.

    Raises MissingData if it is missing, if files are damaged, or if there are fewer than `train`
    training or `test` test images.
    """
    return _images(name).load(folder, train=train, test=test)


def prepare_images(name: str, folder: Path) -> None:
    """Make `load_images` work: download missing data, decode new data.

    Safe when several processes start at once: one downloads, the others wait. Raises MissingData
    if the download fails, or if it is so large that only `suite data fetch` downloads it.
    """
    _images(name).prepare(folder)


def load_cifar10(folder: Path, *, train: int = 1, test: int = 1) -> Images:
    """`load_images` for CIFAR-10."""
    return load_images("cifar10", folder, train=train, test=test)


def prepare_cifar10(folder: Path) -> None:
    """`prepare_images` for CIFAR-10."""
    prepare_images("cifar10", folder)


def load_text(name: str, folder: Path) -> Text:
    """A text from a data folder. Raises MissingData."""
    return _entry(name, TextSet, "is not one text").load(folder)


def load_tokens(name: str, folder: Path) -> TokenFile:
    """The tokens of a corpus from a data folder. Raises MissingData."""
    return _entry(name, TokenSet, "is not made of tokens").load(folder)


def _images(name: str) -> ImageSet:
    return _entry(name, ImageSet, "does not consist of images")


def _entry(name: str, kind: type[_Kind], otherwise: str) -> _Kind:
    entry = catalog.get(name)
    if not isinstance(entry, kind):
        raise UsageError(f"the data set '{name}' {otherwise}.")
    return entry
