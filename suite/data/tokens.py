"""Large text corpora as tokens: streamed and tokenized once, into one file of 16-bit numbers.

The corpus itself is not stored. An index beside the numbers is written again after every few
documents. It holds how many numbers are valid and the position in the stream, so that a killed
tokenization is resumed and ends in the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import atomic
from suite.data.dataset import Check, Dataset
from suite.data.download import DownloadFailed
from suite.data.locks import locked
from suite.data.space import full_disk_named, write_all
from suite.data.transfer_view import make_transfer_view
from suite.errors import DamagedData, MissingData

if TYPE_CHECKING:
    from datasets import IterableDataset
    from tokenizers import Tokenizer
    from torch import Tensor

_FORMAT = 1
_BYTES = 2
_TOKENS, _PART, _INDEX = "tokens.bin", "tokens.part", "index.json"
_AGAIN = "Run the command again: it resumes where it stopped."
#: GPT-2's tokenizer: number of tokens, the token between documents, encodings that it must give
GPT2_TOKENS = 50257
GPT2_SEPARATOR = 50256
GPT2_KNOWN = {"Hello world": [15496, 995], " the": [262], "\n": [198], "<|endoftext|>": None}


@dataclass(frozen=True)
class Index:
    """How much of a file of tokens is valid; `state` is the position in the stream of documents."""

    corpus: str
    tokenizer: str
    limit: int | None
    documents: int = 0
    tokens: int = 0
    #: revision of the corpus on the hub: a stream is resumed in the revision that it started with
    revision: str = ""
    #: of the file up to here
    sha256: str = hashlib.sha256().hexdigest()
    complete: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    format: int = _FORMAT

    @classmethod
    def read(cls, path: Path) -> Index:
        """Raises DamagedData if the file is not an index."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != _FORMAT:
                raise DamagedData(f"{path} has format {values['format']}, not {_FORMAT}.")
            return cls(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedData(f"{path} is damaged ({error}). Delete {path.parent}.") from error

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        content = json.dumps(asdict(self), indent=1).encode()
        with full_disk_named(path.parent):
            atomic.write(path, lambda file: file.write(content))


@dataclass(frozen=True)
class TokenFile:
    """Tokens on disk and their fingerprint; parts are mapped into memory."""

    path: Path
    count: int
    fingerprint: str
    canonical: bool
    source: str

    def part(self, start: int, stop: int) -> Tensor:
        """Tokens from `start` to before `stop`, int16 that holds unsigned numbers.

        Each part is a separate mapping: processes share the pages, and no part gives access to the
        others.
        """
        import numpy as np
        import torch

        if not 0 <= start < stop <= self.count:
            raise DamagedData(
                f"{self.path} has {self.count:,} tokens; the task needs those from {start:,} to "
                f"{stop:,}. Delete {self.path.parent} and fetch it again."
            )
        # "c" keeps writes in memory only: torch has no read-only tensors.
        shape = (stop - start,)
        mapped = np.memmap(self.path, dtype="<i2", mode="c", offset=start * _BYTES, shape=shape)
        return torch.from_numpy(mapped)


@dataclass(frozen=True, kw_only=True)
class TokenSet(Dataset):
    """The documents of a corpus on the Hugging Face Hub, each after GPT-2's separator.

    The file ends with the corpus, or after `limit` tokens. `sha256` is the fingerprint of the
    canonical file; while it is None, no file counts as canonical.
    """

    corpus: str
    subset: str | None = None
    limit: int | None = None
    sha256: str | None = None
    tokenizer_name: str = "openai-community/gpt2"
    #: the index is written after this number of documents
    stride: int = 1000

    def newest_revision(self) -> str:
        """The corpus's newest revision on the hub."""
        from huggingface_hub import HfApi

        return HfApi().dataset_info(self.corpus).sha or ""

    def documents(self, revision: str) -> IterableDataset:
        """The documents, in the corpus's order, each a dictionary with a "text"."""
        from datasets import load_dataset

        return load_dataset(
            self.corpus, self.subset, split="train", streaming=True, revision=revision
        )

    def tokenizer(self) -> tuple[Tokenizer, int]:
        """The tokenizer, and the token that goes before every document."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_pretrained(self.tokenizer_name)
        check_gpt2(tokenizer)
        return tokenizer, GPT2_SEPARATOR

    def is_there(self, folder: Path) -> bool:
        return (folder / self.name / _TOKENS).is_file()

    def fetch(self, folder: Path) -> None:
        if self.is_there(folder):
            return  # without the lock: the folder may be read-only
        target = folder / self.name / _TOKENS
        with locked(target):
            if self.is_there(folder):
                return
            try:
                with full_disk_named(_hub_cache(), settings="HF_HOME"):
                    self._tokenize(target.parent)
            except ImportError as error:
                raise MissingData(
                    f"{self.title} needs packages that are not installed ({error}): "
                    "pip install 'optimizer-suite[text]'."
                ) from error
            except MissingData:
                raise
            except Exception as error:
                # The hub's client raises errors of several packages, and some of Python's own.
                raise DownloadFailed(
                    f"fetching {self.corpus} failed: {type(error).__name__}: {error}. {_AGAIN}"
                ) from error

    def check(self, folder: Path) -> Check:
        found = self.load(folder)
        with found.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest[:16] != found.fingerprint:
            raise DamagedData(
                f"{found.path} has changed since it was made: its SHA-256 is {digest}. "
                f"Delete {found.path.parent} and fetch it again."
            )
        return Check(found.fingerprint, found.canonical, found.source)

    def seen(self, folder: Path) -> Check | None:
        found = self.load(folder)
        return Check(found.fingerprint, found.canonical, found.source)

    def load(self, folder: Path) -> TokenFile:
        """The tokens. Raises MissingData if they are missing, DamagedData if they are damaged."""
        place = folder / self.name
        if not self.is_there(folder):
            raise self.missing(folder)
        index = Index.read(place / _INDEX) if (place / _INDEX).is_file() else None
        size = (place / _TOKENS).stat().st_size
        if index is None or not index.complete or size != index.tokens * _BYTES:
            raise DamagedData(
                f"{place / _TOKENS} and its index do not belong together. Delete {place}. "
                f"{self.help(folder)}"
            )
        canonical = self.sha256 == index.sha256
        kind = "canonical tokens" if canonical else "another version of the tokens"
        if self.sha256 is None:
            kind = "tokens made here; none have been declared canonical yet"
        source = f"{self.title}, {kind}"
        return TokenFile(place / _TOKENS, index.tokens, index.sha256[:16], canonical, source)

    def _tokenize(self, place: Path) -> None:
        """Make the tokens, from the position that the index holds."""
        index_file, part = place / _INDEX, place / _PART
        fresh = Index(f"{self.corpus}/{self.subset or 'default'}", self.tokenizer_name, self.limit)
        index = Index.read(index_file) if index_file.is_file() and part.is_file() else fresh
        settings = (index.corpus, index.tokenizer, index.limit)
        if settings != (fresh.corpus, fresh.tokenizer, fresh.limit):
            raise DamagedData(f"{place} was started with other settings. Delete it.")
        if not index.complete:
            index = self._append(index, index_file, part)
        with full_disk_named(place):
            os.replace(part, place / _TOKENS)

    def _append(self, index: Index, index_file: Path, part: Path) -> Index:
        if not index.revision:
            index = replace(index, revision=self.newest_revision())
        documents = self.documents(index.revision)
        tokenizer, separator = self.tokenizer()
        if index.state:
            documents.load_state_dict(index.state)
        total = None if self.limit is None else self.limit * _BYTES
        with (
            part.open("r+b" if part.exists() else "w+b", buffering=0) as file,
            make_transfer_view(f"{self.name} tokens", index.tokens * _BYTES, total) as view,
        ):
            digest = _reread(file, index, part)
            for texts in _batches(documents, self.stride):
                content = self._encode(texts, tokenizer, separator, index.tokens)
                digest.update(content)
                write_all(file, content, part.parent)
                os.fsync(file.fileno())  # the index may only name tokens that are on the disk
                tokens = index.tokens + len(content) // _BYTES
                complete = tokens == self.limit
                index = replace(
                    index,
                    documents=index.documents + len(texts),
                    tokens=tokens,
                    sha256=digest.hexdigest(),
                    complete=complete,
                    state={} if complete else documents.state_dict(),
                )
                index.write(index_file)
                view.at(tokens * _BYTES)
                if index.complete:
                    return index
        index = replace(index, complete=True, state={})
        index.write(index_file)
        return index

    def _encode(self, texts: list[str], tokenizer: Tokenizer, separator: int, done: int) -> bytes:
        import numpy as np

        found: list[int] = []
        for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
            found += [separator, *encoding.ids]
        room = None if self.limit is None else self.limit - done
        return np.array(found[:room], dtype="<u2").tobytes()


def check_gpt2(tokenizer: Tokenizer) -> None:
    """Raises DamagedData if a tokenizer is not GPT-2's, by its size and known encodings."""
    # A document that contains the text of the separator does not end there.
    tokenizer.encode_special_tokens = True
    size = tokenizer.get_vocab_size()
    if size != GPT2_TOKENS:
        raise DamagedData(f"the tokenizer has {size} tokens, GPT-2's has {GPT2_TOKENS}.")
    for text, known in GPT2_KNOWN.items():
        found = tokenizer.encode(text, add_special_tokens=False).ids
        if found != known if known else GPT2_SEPARATOR in found:
            raise DamagedData(f"the tokenizer is not GPT-2's: {text!r} became {found}.")


def _batches(documents: Iterable[dict[str, Any]], size: int) -> Iterator[list[str]]:
    """Lists of texts; the stream is read no further than the list that is returned."""
    rows = iter(documents)
    while texts := [row["text"] for row in islice(rows, size)]:
        yield texts


def _hub_cache() -> Path:
    """Where the hub's client keeps what it downloads."""
    return Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()


def _reread(file: FileIO, index: Index, part: Path) -> Any:
    """The hash of the part that the index covers; anything written after it is removed."""
    file.truncate(index.tokens * _BYTES)
    digest = hashlib.file_digest(file, "sha256")
    if digest.hexdigest() != index.sha256:
        raise DamagedData(f"{part} has changed since it was written. Delete {part.parent}.")
    file.seek(0, os.SEEK_END)
    return digest


DATASETS: tuple[TokenSet, ...] = (
    TokenSet(
        name="tinystories",
        title="TinyStories",
        bytes=1_000_000_000,
        licence="CDLA-Sharing-1.0",
        url="https://huggingface.co/datasets/roneneldan/TinyStories",
        layout=f"'tinystories/{_TOKENS}' and '{_INDEX}', as that command makes them",
        corpus="roneneldan/TinyStories",
    ),
    TokenSet(
        name="fineweb",
        title="FineWeb, 2.6 billion tokens of sample-10BT",
        bytes=8_000_000_000,
        licence="ODC-By 1.0, and the terms of use of Common Crawl",
        url="https://huggingface.co/datasets/HuggingFaceFW/fineweb",
        layout=f"'fineweb/{_TOKENS}' and '{_INDEX}', as that command makes them",
        corpus="HuggingFaceFW/fineweb",
        subset="sample-10BT",
        limit=2_600_000_000,
    ),
)
