"""Verification records: what they mark, and what becomes of a damaged or a stale one."""

from __future__ import annotations

import json
import multiprocessing

import pytest

from suite.errors import UsageError
from suite.results.marks import Verification, add, marks, marks_file, read_verifications


def record(digest: str = "a", kind: str = "replay", held: bool = True, **more) -> Verification:
    return Verification.model_validate(
        {
            "digest": digest * 64,
            "task": "digits",
            "method": "adamw+sam",
            "protocol": "quick",
            "kind": kind,
            "held": held,
            "runs": 3,
            "share": 0.2,
            "found": "3 equal to the bit",
            "commit": None,
            "cpu": "cpu",
            "when": "2026-11-29T12:00:00+00:00",
            **more,
        }
    )


def test_records_are_appended_and_read_again(tmp_path):
    assert read_verifications(tmp_path) == []
    add(tmp_path, [record("a")])
    path = add(tmp_path, [record("b", "secret"), record("c")])
    assert read_verifications(tmp_path) == [record("a"), record("b", "secret"), record("c")]
    assert path.read_bytes().count(b"\n") == 3
    assert [file.name for file in tmp_path.iterdir()] == ["verifications.jsonl"]


@pytest.mark.parametrize(
    ("kinds", "mark"),
    [
        ([("replay", True)], "replayed"),
        ([("secret", True)], "verified"),
        ([("replay", True), ("secret", True)], "verified"),
        ([("secret", True), ("replay", False)], "disputed"),
        ([("replay", True), ("secret", False)], "disputed"),
        ([("secret", False), ("replay", True)], "disputed"),
        ([("secret", False), ("secret", True)], "verified"),
    ],
)
def test_of_each_kind_the_last_one_counts(kinds, mark):
    found = marks([record("b"), *(record("a", kind, held) for kind, held in kinds)])
    assert found == {"a" * 64: mark, "b" * 64: "replayed"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-20], "line 2: "),
        (lambda text: text.replace('"held": true', '"held": 7', 1), "line 1: held"),
        (lambda text: text + "\n", "line 3: "),
        (lambda text: text.replace("quick", "qu\\u001bick", 1), "line 1: protocol"),
    ],
)
def test_a_damaged_file_is_refused_and_kept(tmp_path, damage, said):
    add(tmp_path, [record("a"), record("b")])
    path = marks_file(tmp_path)
    text = damage(path.read_text())
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_verifications(tmp_path)
    with pytest.raises(UsageError, match=said):
        add(tmp_path, [record("c")])
    assert path.read_text() == text


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text(json.dumps({}))
    marks_file(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="a link"):
        read_verifications(tmp_path)


def _add_ten(folder, digest) -> None:
    for _ in range(10):
        add(folder, [record(digest)])


def test_processes_that_add_at_a_time_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add_ten, args=(tmp_path, d)) for d in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    found = [each.digest[0] for each in read_verifications(tmp_path)]
    assert sorted(found) == sorted("abc" * 10)
