"""A made-up corpus in files, read by the real streaming library and a tokenizer made here.

As a program, `python -m tests.corpora FOLDER` tokenizes the corpus of a folder: to be killed.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from suite.data.tokens import Index, TokenSet

DOCUMENTS = 3000


@dataclass(frozen=True, kw_only=True)
class LocalTokens(TokenSet):
    """The corpus `corpus/*.jsonl` of a folder, in two files, with a tokenizer beside it."""

    place: Path
    revision: str = "first"

    def newest_revision(self):
        return self.revision

    def documents(self, revision):
        import datasets

        files = sorted(map(str, (self.place / "corpus").glob("*.jsonl")))
        return datasets.load_dataset("json", data_files=files, split="train", streaming=True)

    def tokenizer(self):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.place / "tokenizer.json"))
        tokenizer.encode_special_tokens = True
        return tokenizer, tokenizer.token_to_id("<|endoftext|>")


def local_tokens(place: Path, **changes) -> LocalTokens:
    """The data set of a folder that `write_corpus` made."""
    made = LocalTokens(
        name="local",
        title="A made-up corpus",
        bytes=10**9,
        licence="none",
        url="none",
        layout="none",
        corpus="local",
        tokenizer_name="tiny",
        stride=20,
        place=place,
    )
    return replace(made, **changes)


def write_corpus(place: Path) -> list[str]:
    """Documents in two files, and a byte-level tokenizer trained on them; returns the texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    source = random.Random(0)
    words = ["".join(source.choices("abcdeé ", k=source.randint(2, 7))) for _ in range(200)]
    texts = [" ".join(source.choices(words, k=source.randint(0, 30))) for _ in range(DOCUMENTS)]
    texts[5] = "it ends <|endoftext|> not here"
    (place / "corpus").mkdir(parents=True)
    for number, part in enumerate((texts[:1700], texts[1700:])):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in part)
        (place / "corpus" / f"{number}.jsonl").write_text(lines, encoding="utf-8")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(place / "tokenizer.json"))
    return texts


def write_tokens(folder: Path, name: str, content: bytes) -> None:
    """Tokens that were made elsewhere, in the layout that a fetch leaves."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "tokens.bin").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    index = Index("made up", "none", None, 1, len(content) // 2, sha256=digest, complete=True)
    index.write(place / "index.json")


if __name__ == "__main__":
    local_tokens(Path(sys.argv[1])).fetch(Path(sys.argv[1]) / "data")
