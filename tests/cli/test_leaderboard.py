"""`suite leaderboard`: build, show, and results as one file."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from leaderboard.index import line_of, write_index
from leaderboard.loading import imported_index, read_lines
from leaderboard.references import Reference
from suite.cli import _exit_code
from tests.samples import make_reference, make_result, write_results


def build(results: Path, output: Path, *more: str) -> int:
    return _exit_code(
        ["leaderboard", "build", "--results", str(results), "--output", str(output), *more]
    )


def test_build_and_open(capsys, tmp_path: Path, monkeypatch) -> None:
    write_results(tmp_path / "results", [make_result(), make_result(method="lion")])
    shown = []
    monkeypatch.setattr(click, "launch", lambda address: shown.append(address))
    assert build(tmp_path / "results", tmp_path / "site", "--open") == 0
    index = tmp_path / "site" / "index.html"
    assert index.is_file()
    assert shown == [index.as_uri()]
    assert str(index) in capsys.readouterr().out


def test_refused_files_are_named_and_the_rest_is_built(capsys, tmp_path: Path) -> None:
    _, bad = write_results(tmp_path / "results", [make_result(), make_result(method="lion")])
    bad.write_text("{}")
    assert build(tmp_path / "results", tmp_path / "site") == 1
    assert (tmp_path / "site" / "index.html").is_file()
    assert capsys.readouterr().err.count("digits/lion.quick.json") == 1


def test_a_folder_that_is_no_site_is_left_alone(capsys, tmp_path: Path) -> None:
    write_results(tmp_path / "results", [make_result()])
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("precious")
    assert build(tmp_path / "results", tmp_path / "site") == 2
    assert (tmp_path / "site" / "thesis.tex").read_text() == "precious"
    assert str(tmp_path / "site") in capsys.readouterr().err


def test_the_present_folder_is_not_replaced(capsys, tmp_path: Path, monkeypatch) -> None:
    write_results(tmp_path / "results", [make_result()])
    here = tmp_path / "empty"
    here.mkdir()
    monkeypatch.chdir(here)
    for output in (Path(), here, Path("../empty")):
        assert build(tmp_path / "results", output) == 2
        assert "--output is the present folder" in capsys.readouterr().err
    assert list(here.iterdir()) == []


REFERENCES = {"digits": Reference(**make_reference("digits", 0.0, 1.0))}


@pytest.fixture
def results(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    # The package's results of the same tasks are newer than those of the samples.
    monkeypatch.setattr("leaderboard.index.PACKAGED", tmp_path / "no_index")
    monkeypatch.setattr("leaderboard.references.load", lambda: REFERENCES)
    folder = tmp_path / "results"
    scores = {"adamw": [0.79, 0.81, 0.8], "lion": [0.59, 0.6, 0.61]}
    write_results(folder, [make_result(method=m, scores=s) for m, s in scores.items()])
    write_results(folder, [make_result("lm_markov", method) for method in scores])
    return folder


def suite(capsys, *arguments: str) -> tuple[int, str, str]:
    code = _exit_code([*arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_show_a_track(capsys, results: Path) -> None:
    code, out, _ = suite(capsys, "leaderboard", "show", "--results", str(results))
    assert code == 0
    first, _, header, *rows = out.splitlines()
    assert first == "track mini, protocol quick, preliminary: 1 core tasks of 1 families"
    assert header.split()[:3] == ["rank", "method", "score"]
    assert rows[0].split()[:3] == ["1", "adamw", "0.80"]
    assert rows[1].split()[:3] == ["2", "lion", "0.60"]
    assert rows[2] == "vision: adamw (0.80)."


def test_show_a_track_as_json(capsys, results: Path) -> None:
    code, out, _ = suite(capsys, "leaderboard", "show", "--results", str(results), "--json")
    assert code == 0
    found = json.loads(out)
    adamw, lion = found["methods"]
    assert (lion["method"], lion["ranks"], lion["missing"]) == ("lion", [2, 2], [])
    assert lion["score"] == pytest.approx(0.6)
    assert lion["families"] == {"vision": pytest.approx(0.6)}
    assert adamw["beats_adamw"] == 0.5
    (vision,) = found["families"]
    assert (vision["best"], vision["tied"]) == ("adamw", [])
    assert vision["budget_ratio"] is None  # it needs its own budget


def test_show_a_task(capsys, results: Path) -> None:
    given = ("leaderboard", "show", "--task", "digits", "--results", str(results))
    code, out, _ = suite(capsys, *given)
    assert code == 0
    assert re.search(r"^2 +lion +0\.6 .* worse ", out, re.M)
    code, out, _ = suite(capsys, *given, "--json")
    assert [each["verdict"] for each in json.loads(out)["methods"]] == [None, "worse"]


def test_a_track_fits_the_terminal(capsys, results: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    out = click.unstyle(suite(capsys, "leaderboard", "show", "--results", str(results))[1])
    assert "Not shown: " in out
    table = [line for line in out.splitlines() if not line.startswith("Not shown")]
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--track", "full"], "holds no results on the track full"),
        (["--task", "mnist1d"], "holds no results on the task mnist1d"),
        (["--protocol", "standard"], "the track mini under the protocol standard"),
        (["--task", "digits", "--track", "mini"], "exclude each other"),
    ],
)
def test_show_says_what_is_missing(capsys, results: Path, arguments, said: str) -> None:
    given = ("leaderboard", "show", *arguments, "--results", str(results), "--no-published")
    code, _, err = suite(capsys, *given)
    assert code == 2
    assert said in err


def test_an_exported_index_is_imported_elsewhere(capsys, results: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.jsonl.xz"
    code, out, _ = suite(capsys, "leaderboard", "export", str(file), "--results", str(results))
    assert code == 0
    assert "4 results" in out
    code, out, _ = suite(capsys, "leaderboard", "import", str(file))
    assert code == 0
    assert "4 results of 2 methods on 2 tasks" in out
    mine = tmp_path / "mine"
    write_results(mine, [make_result(method="sgd", scores=[0.9] * 3)])
    given = ("--task", "digits", "--results", str(mine))
    assert "sgd - adamw: +0.1 " in suite(capsys, "compare", "adamw", "sgd", *given)[1]
    assert suite(capsys, "leaderboard", "import", "--packaged")[0] == 0
    assert not imported_index().exists()


def test_a_refused_file_is_not_exported(capsys, results: Path, tmp_path: Path) -> None:
    (results / "digits" / "lion.quick.json").write_text("{}")
    file = tmp_path / "index.jsonl.xz"
    code, out, err = suite(capsys, "leaderboard", "export", str(file), "--results", str(results))
    assert code == 1
    assert "3 results" in out
    assert "digits/lion.quick.json: left out" in err


def test_a_wrong_index_is_not_imported(capsys, results: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.jsonl.xz"
    wrong = line_of("digits/sgd.quick.json", "0" * 64, make_result(method="lion"))
    write_index([wrong], file)
    code, _, err = suite(capsys, "leaderboard", "import", str(file))
    assert code == 1
    assert "its content belongs in digits/lion.quick.json" in err
    assert not imported_index().exists()
    assert suite(capsys, "leaderboard", "import")[0] == 2


@pytest.fixture
def server(results: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a folder with an index, and of other things."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_index(read_lines(results)[0], folder / "index.jsonl.xz")
    (folder / "page.html").write_text("<html>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "ftp://example.org/index.jsonl.xz")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_an_index_is_fetched(capsys, server: str, tmp_path: Path) -> None:
    file = tmp_path / "served" / "index.jsonl.xz"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    given = ("leaderboard", "fetch", f"{server}/index.jsonl.xz")
    code, out, _ = suite(capsys, *given, "--sha256", sha256.upper())
    assert code == 0
    assert "4 results of 2 methods" in out
    assert sha256 in out
    assert imported_index().read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("/index.jsonl.xz", ["--sha256", "0" * 64], "another file"),
        ("/index.jsonl.xz", ["--sha256", "0"], "64 hexadecimal digits"),
        ("/page.html", [], "/page.html: no index of results"),
        ("/nothing", [], "the server answered 404"),
        ("/elsewhere", [], "not an HTTP address"),
    ],
)
def test_what_is_no_index_is_not_fetched(capsys, server: str, path: str, more, said: str) -> None:
    code, _, err = suite(capsys, "leaderboard", "fetch", f"{server}{path}", *more)
    assert code in (1, 2)
    assert said in err
    assert not imported_index().exists()


def test_fetch_stops_at_the_limit_and_takes_no_other_addresses(
    capsys, server: str, monkeypatch
) -> None:
    monkeypatch.setattr("suite.cli.indices.MAX_BYTES", 100)
    code, _, err = suite(capsys, "leaderboard", "fetch", f"{server}/index.jsonl.xz")
    assert code == 1
    assert "more than 100 bytes" in err
    code, _, err = suite(capsys, "leaderboard", "fetch", "file:///etc/passwd")
    assert code == 2
    assert "not an address" in err
    code, _, err = suite(capsys, "leaderboard", "fetch", "http://127.0.0.1:1/index")
    assert code == 1
    assert "http://127.0.0.1:1/index: " in err
