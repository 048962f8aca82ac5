"""Thin results, an index of many, and the cache that makes a folder of thousands quick to read."""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from pathlib import Path

import pytest

from leaderboard import index, loading, reading
from leaderboard.board import make_board
from leaderboard.index import PACKAGED, POINTS, Line, line_of, read_index, thin, write_index
from leaderboard.loading import read_lines, read_thin
from suite.errors import InvalidResult, SuiteError
from suite.results.files import read
from suite.results.frames import Stored
from tests.commands import ROOT
from tests.samples import make_result, write_results


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("SUITE_HOME", str(folder))
    return folder


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "results"
    write_results(
        folder,
        [
            make_result(task, method)
            for task in ("digits", "lm_markov")
            for method in ("adamw", "lion")
        ],
    )
    return folder


def test_a_thin_result_keeps_all_but_curves():
    whole = make_result(points=200)
    small = thin(whole)
    assert small.digest == whole.digest
    assert small.scores == whole.scores
    for mine, theirs in zip(small.replicates[1].runs, whole.replicates[1].runs, strict=True):
        assert mine.model_copy(update={"curve": theirs.curve}) == theirs
    assert small.tuning_runs[0].curve.validation == {}
    curve, full = small.evaluation_runs[0].curve, whole.evaluation_runs[0].curve
    assert len(curve.gradient_evaluations) == POINTS
    assert list(curve.test) == ["accuracy"]
    for end in (0, -1):
        assert curve.gradient_evaluations[end] == full.gradient_evaluations[end]
        assert curve.test["accuracy"][end] == pytest.approx(full.test["accuracy"][end], rel=1e-4)
    assert len(small.model_dump_json()) < len(whole.model_dump_json()) / 2


def test_a_short_curve_is_kept_whole():
    whole = make_result(points=5)
    kept = thin(whole).evaluation_runs[0].curve
    assert kept.gradient_evaluations == whole.evaluation_runs[0].curve.gradient_evaluations


def test_the_same_board_comes_from_thin_results():
    whole = [Stored(Path(f"{m}.json"), make_result(method=m)) for m in ("adamw", "lion", "sgd")]
    small = [Stored(path, thin(result)) for path, result in whole]
    for one, other in zip(
        make_board(whole).task("digits").ranked,
        make_board(small).task("digits").ranked,
        strict=True,
    ):
        assert (one.method, one.standing, one.raw) == (other.method, other.standing, other.raw)
        assert one.tuning == other.tuning
        assert one.metric == pytest.approx(other.metric, rel=1e-4)


def test_an_index_is_read_as_it_was_written(results, tmp_path):
    lines, invalid = read_lines(results)
    assert invalid == []
    path = tmp_path / "new" / "index.jsonl.xz"
    assert write_index(lines, path) == 4
    assert read_index(path) == sorted(lines, key=lambda line: line.path)
    found = {
        str(stored.path): stored.result for stored in (line.stored for line in read_index(path))
    }
    for name, result in found.items():
        assert result == thin(read(results / name))
        sha256 = hashlib.sha256((results / name).read_bytes()).hexdigest()
        assert sha256 in {line.sha256 for line in lines if line.path == name}


def content_of(path: Path) -> list[bytes]:
    return lzma.decompress(path.read_bytes()).splitlines(keepends=True)


def packed(*lines: bytes) -> bytes:
    """An index with these lines and the right digest."""
    body = b"".join(lines)
    header = {"format": 1, "results": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    return lzma.compress(json.dumps(header).encode() + b"\n" + body)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: b"nonsense", "incomplete"),
        (lambda lines: b"nonsense" * 10, "Input format not supported"),
        (lambda lines: lzma.compress(b"".join(lines))[:-40], "incomplete"),
        (lambda lines: lzma.compress(b"".join(lines[:-1])), "digest is wrong"),
        (lambda lines: lzma.compress(b'{"format": 9}\n'), "not of format 1"),
        (lambda lines: lzma.compress(b"[]\n"), "not of format 1"),
        (lambda lines: packed(b'{"path": "x"}\n'), "Extra data"),
        (lambda lines: packed(b'{"path": 1, "sha256": "", "result": {}}\n'), "a line is not"),
    ],
)
def test_a_damaged_index_is_refused(results, tmp_path, damage, said):
    path = tmp_path / "index.jsonl.xz"
    write_index(read_lines(results)[0], path)
    path.write_bytes(damage(content_of(path)))
    with pytest.raises(SuiteError, match=said):
        read_index(path)


def test_a_large_index_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    bomb = tmp_path / "index.jsonl.xz"
    bomb.write_bytes(packed(b" " * 10_000_000))
    monkeypatch.setattr(index, "MAX_CONTENT", 1_000_000)
    with pytest.raises(SuiteError, match="incomplete, or holds more than"):
        read_index(bomb)
    monkeypatch.setattr(index, "MAX_BYTES", 100)
    with pytest.raises(SuiteError, match="larger than 100 bytes"):
        read_index(bomb)


def test_a_result_in_an_index_is_checked():
    line = line_of("digits/adamw.quick.json", "0" * 64, make_result())
    broken = Line(line.path, line.sha256, line.text.replace('"trials":6', '"trials":0'))
    with pytest.raises(InvalidResult, match=r"digits/adamw\.quick\.json: protocol\.trials"):
        _ = broken.stored
    with pytest.raises(InvalidResult, match="belongs in digits/adamw"):
        _ = Line("digits/lion.quick.json", line.sha256, line.text).stored


def test_a_file_is_read_once(results, monkeypatch):
    first, _ = read_thin(results)
    seen = []
    monkeypatch.setattr(reading.files, "read", lambda path: seen.append(path) or read(path))
    again, _ = read_thin(results)
    assert seen == []
    assert again == first
    # A changed file is another one, and so is one that the code would read in another way.
    write_results(results, [make_result(method="lion", scores=[0.1] * 3)])
    changed = dict(read_thin(results)[0])
    assert seen == [results / "digits" / "lion.quick.json"]
    assert changed[Path("digits/lion.quick.json")].scores == [0.1] * 3
    monkeypatch.setattr(loading, "_version", lambda: "another")
    read_thin(results)
    assert len(seen) == 5


def test_a_cached_copy_in_a_wrong_place_is_refused(results):
    read_thin(results)
    copy = results / "digits" / "sgd.quick.json"
    copy.write_bytes((results / "digits" / "lion.quick.json").read_bytes())
    stored, invalid = read_thin(results)
    assert len(stored) == 4
    assert [str(item.path) for item in invalid] == ["digits/sgd.quick.json"]
    assert "belongs in digits/lion.quick.json" in invalid[0].reason


def test_invalid_files_are_named_each_time(results):
    bad = results / "digits" / "sgd.quick.json"
    bad.write_text("{}")
    (results / "digits" / "muon.quick.json").symlink_to(bad)
    for _ in range(2):
        _, invalid = read_thin(results)
        assert {str(path): reason.split(":")[0] for path, reason in invalid} == {
            "digits/muon.quick.json": "not readable",
            "digits/sgd.quick.json": "schema_version",
        }


def test_a_second_process_reads_its_half_the_same_way(results, monkeypatch):
    (results / "digits" / "sgd.quick.json").write_text("{}")
    (results / "lm_markov" / "sgd.quick.json").write_text("{}")
    files = [
        reading.File(str(path), str(path.relative_to(results)))
        for path in sorted(results.glob("*/*.json"))
    ]
    alone = reading.read_files(files)
    assert sorted(type(line).__name__ for line in alone.values()) == ["Line"] * 4 + ["str"] * 2
    monkeypatch.setattr(reading, "MANY", 2)
    assert reading.read_files(files) == alone
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(SuiteError, match="ended with exit code 1"):
        reading.read_files(files)


def test_without_a_place_for_the_cache_it_is_only_slower(results, home):
    home.write_text("a file")
    assert len(read_thin(results)[0]) == 4


def test_the_packaged_index_spares_reading_the_files(results, tmp_path, monkeypatch):
    packaged = tmp_path / "packaged.jsonl.xz"
    write_index(read_lines(results)[0], packaged)
    monkeypatch.setattr(index, "PACKAGED", packaged)
    monkeypatch.setattr(loading, "_MANY", 1)
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "another"))
    loading._packaged.cache_clear()
    monkeypatch.setattr(reading.files, "read", lambda path: pytest.fail(f"{path} was read"))
    assert len(read_thin(results)[0]) == 4
    loading._packaged.cache_clear()


@pytest.mark.skipif(not PACKAGED.is_file(), reason="no results are published yet")
def test_the_packaged_index_is_of_committed_files():
    """A file may have been added or measured again since; what is the same must be the same."""
    lines = read_index(PACKAGED)
    assert lines
    for line in lines:
        assert line.stored.path == Path(line.path)
        file = ROOT / "results" / line.path
        if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == line.sha256:
            assert line.stored.result == thin(read(file)), line.path
