"""Streamed tokenization: what it writes, killed and resumed, and everything that goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.data import catalog, load_tokens
from suite.data.tokens import GPT2_SEPARATOR, Index, check_gpt2
from suite.errors import DamagedData, MissingData, UsageError
from tests.corpora import local_tokens, write_corpus, write_tokens

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus and its tokens, made without a break in `data`."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    local_tokens(folder).fetch(folder / "data")
    return folder


@pytest.fixture
def copy(place, tmp_path):
    """The corpus alone."""
    (tmp_path / "corpus").symlink_to(place / "corpus")
    (tmp_path / "tokenizer.json").symlink_to(place / "tokenizer.json")
    return tmp_path


def content(folder):
    return (folder / "data" / "local" / "tokens.bin").read_bytes()


def index(folder):
    return Index.read(folder / "data" / "local" / "index.json")


def test_every_document_follows_a_separator_and_can_be_read_back(place):
    tokenizer, separator = local_tokens(place).tokenizer()
    tokens = np.frombuffer(content(place), dtype="<u2")
    starts = np.flatnonzero(tokens == separator)
    ends = [*starts[1:], len(tokens)]
    read = [tokenizer.decode(tokens[a + 1 : b]) for a, b in zip(starts, ends, strict=True)]
    lines = [
        json.loads(line)["text"]
        for path in sorted((place / "corpus").iterdir())
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert read == lines
    found = index(place)
    assert (found.documents, found.tokens, found.complete) == (len(lines), len(tokens), True)
    assert sorted(os.listdir(place / "data" / "local")) == [
        *(".tokens.bin.lock", "index.json", "tokens.bin"),
    ]


def test_a_killed_fetch_goes_on_and_ends_in_the_same_bytes(place, copy):
    working = copy / "data" / "local"
    kills = 0
    while not (working / "tokens.bin").exists():
        before = index(copy).documents if (working / "index.json").exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.corpora", str(copy)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(copy / "hub")},
            stderr=subprocess.DEVNULL,
        )
        if kills == 2:
            assert process.wait(120) == 0
            break
        deadline = time.monotonic() + 120
        while not (working / "index.json").exists() or index(copy).documents <= before:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        kills += 1
        assert before < index(copy).documents < index(place).documents
        with (working / "tokens.part").open("ab") as file:
            file.write(b"written, but not vouched for")
    assert kills == 2
    assert content(copy) == content(place)
    assert index(copy) == index(place)


def test_a_limit_ends_the_file_within_a_document(place, copy):
    local_tokens(copy, limit=777).fetch(copy / "data")
    assert content(copy) == content(place)[: 777 * 2]
    assert local_tokens(copy, limit=777).load(copy / "data").count == 777


def test_what_is_there_is_not_made_again(place):
    def refuse(revision):
        raise AssertionError("it must not be read again")

    again = local_tokens(place)
    object.__setattr__(again, "documents", refuse)
    again.fetch(place / "data")
    assert again.is_there(place / "data")


def test_parts_are_separate_mappings_of_the_same_numbers(place):
    found = local_tokens(place).load(place / "data")
    whole = np.frombuffer(content(place), dtype="<u2")
    parts = [found.part(0, 100), found.part(100, found.count)]
    for part, expected in zip(parts, (whole[:100], whole[100:]), strict=True):
        assert part.dtype == torch.int16
        assert np.array_equal(part.long() & 0xFFFF, expected)
    parts[0][0] = 7  # stays in memory
    assert content(place) == whole.tobytes()
    first, second = (part.untyped_storage() for part in parts)
    assert first.nbytes() == 200
    assert first.data_ptr() != second.data_ptr()
    with pytest.raises(DamagedData, match="the task needs those from 0 to"):
        found.part(0, found.count + 1)


def test_tokens_count_as_canonical_only_with_a_declared_fingerprint(place):
    plain = local_tokens(place).check(place / "data")
    assert not plain.canonical
    assert "none have been declared canonical yet" in plain.source
    declared = local_tokens(place, sha256=index(place).sha256).check(place / "data")
    assert declared.canonical
    assert declared.fingerprint == plain.fingerprint == index(place).sha256[:16]
    other = local_tokens(place, sha256="0" * 64).check(place / "data")
    assert not other.canonical
    assert "another version" in other.source


def test_changed_bytes_are_found(place, copy):
    local_tokens(copy, limit=100).fetch(copy / "data")
    file = copy / "data" / "local" / "tokens.bin"
    changed = bytearray(file.read_bytes())
    changed[50] ^= 1
    file.write_bytes(changed)
    with pytest.raises(DamagedData, match="has changed since it was made"):
        local_tokens(copy).check(copy / "data")
    file.write_bytes(changed[:-2])
    with pytest.raises(DamagedData, match="do not belong together"):
        local_tokens(copy).load(copy / "data")


def test_a_part_that_changed_or_has_other_settings_is_not_continued(copy):
    local = copy / "data" / "local"
    local_tokens(copy, limit=5000).fetch(copy / "data")
    made = index(copy)
    (local / "tokens.bin").rename(local / "tokens.part")
    begun = replace(made, documents=1, tokens=100, sha256="0" * 64, complete=False)
    begun.write(local / "index.json")
    with pytest.raises(DamagedData, match="has changed since it was written"):
        local_tokens(copy, limit=5000).fetch(copy / "data")
    with pytest.raises(DamagedData, match="started with other settings"):
        local_tokens(copy, limit=6000).fetch(copy / "data")


def test_a_stream_that_breaks_off_says_how_to_go_on(place, copy):
    class Breaking:
        def __init__(self, revision):
            assert revision == "first"

        def __iter__(self):
            yield from ({"text": "abc"} for _ in range(30))
            raise ConnectionResetError("the other side hung up")

        def state_dict(self):
            return {"at": "somewhere"}

    broken = local_tokens(copy)
    object.__setattr__(broken, "documents", Breaking)
    with pytest.raises(MissingData, match=r"hung up. Run the command again: it resumes where"):
        broken.fetch(copy / "data")
    assert index(copy).documents == 20
    assert index(copy).revision == "first"


def test_a_stream_goes_on_in_the_revision_it_began_with(copy):
    """The corpus may have changed meanwhile; two revisions in one file would be neither."""
    asked = []

    class Recording:
        def __init__(self, revision):
            asked.append(revision)

        def __iter__(self):
            yield from ({"text": "abc"} for _ in range(30))
            if len(asked) == 1:
                raise ConnectionResetError("the other side hung up")

        def state_dict(self):
            return {"at": "somewhere"}

        def load_state_dict(self, state):
            assert state == {"at": "somewhere"}

    for newest in ("first", "second"):
        local = local_tokens(copy, revision=newest)
        object.__setattr__(local, "documents", Recording)
        if newest == "first":
            with pytest.raises(MissingData, match="hung up"):
                local.fetch(copy / "data")
        else:
            local.fetch(copy / "data")
    assert asked == ["first", "first"]
    assert index(copy).revision == "first"


def test_the_hub_is_asked_for_the_revision(tmp_path):
    said = {"id": "roneneldan/TinyStories", "sha": "0123abc"}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(said).encode()
            self.send_response(200 if self.path.endswith(said["id"]) else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = "from suite.data import catalog; print(catalog.get('tinystories').newest_revision())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={
                **{k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"},
                "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
                "HF_HOME": str(tmp_path),
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert done.stdout.strip() == said["sha"], done.stderr


def test_tokens_in_a_folder_that_can_only_be_read_are_used(place, copy):
    (copy / "data").symlink_to(place / "data")
    local = local_tokens(copy)
    # As root no folder refuses to be written: the lock that may not be taken is what counts.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("suite.data.tokens.locked", None)
        local.fetch(copy / "data")
    assert local.is_there(copy / "data")


def test_a_damaged_index_says_what_to_delete(tmp_path):
    write_tokens(tmp_path, "local", b"abcd")
    file = tmp_path / "local" / "index.json"
    file.write_text("{", encoding="utf-8")
    with pytest.raises(DamagedData, match="is damaged"):
        Index.read(file)
    file.write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(DamagedData, match="has format 99"):
        Index.read(file)


def test_large_corpora_are_in_the_catalog_and_never_fetched_by_a_run(tmp_path):
    for name in ("tinystories", "fineweb"):
        entry = catalog.get(name)
        assert not entry.automatic
        with pytest.raises(MissingData, match=f"suite data fetch {name}"):
            entry.prepare(tmp_path)
        with pytest.raises(MissingData, match=f"suite data fetch {name}"):
            load_tokens(name, tmp_path)
    with pytest.raises(UsageError, match="not made of tokens"):
        load_tokens("shakespeare", tmp_path)


class Fake:
    """A tokenizer with known answers."""

    def __init__(self, size, answers):
        self.size, self.answers = size, answers

    def get_vocab_size(self):
        return self.size

    def encode(self, text, add_special_tokens):
        spelled = not self.encode_special_tokens and text == "<|endoftext|>"
        ids = [GPT2_SEPARATOR] if spelled else self.answers.get(text, [1, 2])
        return type("Encoding", (), {"ids": ids})


GPT2 = {"Hello world": [15496, 995], " the": [262], "\n": [198]}


def test_only_gpt2s_tokenizer_passes_for_it():
    check_gpt2(Fake(50257, GPT2))
    with pytest.raises(DamagedData, match="has 50258 tokens"):
        check_gpt2(Fake(50258, GPT2))
    with pytest.raises(DamagedData, match="'Hello world' became"):
        check_gpt2(Fake(50257, {**GPT2, "Hello world": [1, 995]}))
