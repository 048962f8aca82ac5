"""`suite claims`, and the claims in `suite show`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest

from suite.components import registry
from suite.components.claims import stated
from tests.cli.test_answers import look
from tests.cli.test_inspect import run

KINDS = [kind for kind in registry.KINDS if kind != "task"]

FILE = """
from suite import Claim, regularizer, schedule

def claim(**changes):
    return Claim(**{
        "says": "It is sooner.", "task": "digits", "rival": "adamw",
        "measure": "time_to_target", "expect": "better", "factor": 2.5,
        "number": "10 steps instead of 25", "place": "table 1", "method": "adamw+mine", **changes,
    })

regularizer("mine", dict, paper="Me 2026, Mine", url="u", summary="s", claims=[
    claim(),
    claim(measure="column", quantity="accuracy", expect="equal", factor=None, method="sgd+mine",
          source="Them 2025, A Rebuttal"),
    claim(measure="hyperparameter", quantity="lr", expect="higher", rival="", value=0.1,
          factor=None),
])
schedule("mine_too", lambda progress: 1.0, paper="p", url="u", summary="s", claims=[
    claim(measure="score", expect="worse", method="adamw@mine_too"),
])
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> str:
    file: Path = tmp_path_factory.mktemp("claims") / "mine.py"
    file.write_text(FILE)
    return str(file)


def everything():
    return [one for kind in KINDS for one in stated(registry.load_all(kind)[0])]


def test_every_claim_of_every_component_is_listed(capsys) -> None:
    code, out, _ = run(capsys, "claims", "--json")
    listed = json.loads(out)
    assert code == 0
    assert listed["broken"] == []
    known = everything()
    found = [(one["name"], one["says"], one["number"]) for one in listed["claims"]]
    assert found == [(one.component.name, one.claim.says, one.claim.number) for one in known]
    code, out, _ = run(capsys, "claims")
    assert code == 0
    header, *rows = out.splitlines()
    assert header.split()[:2] == ["method", "task"]
    assert len(rows) == len(known)
    for row, one in zip(rows, known, strict=True):
        for said in (one.label, one.claim.task, one.compared, one.claim.place, one.source):
            assert said in row


def test_claims_about_a_task(capsys) -> None:
    code, out, _ = run(capsys, "claims", "--task", "sparse_parity", "--json")
    tasks = {one["task"] for one in json.loads(out)["claims"]}
    assert (code, tasks) == (0, {"sparse_parity"})
    code, out, _ = run(capsys, "claims", "--task", "sparse_parity")
    assert 1 < len(out.splitlines()) < len(everything())


@pytest.mark.parametrize("columns", [80, 64])
def test_the_table_fits_a_terminal(capsys, monkeypatch, columns: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in ((), ("--task", "digits")):
        _, out, _ = run(capsys, "claims", *arguments)
        *rows, left_out, hint = click.unstyle(out).splitlines()
        assert max(map(len, rows)) <= columns
        assert left_out.startswith("Not shown: source, place, ")
        assert max(len(left_out), len(hint)) <= 80
    _, out, _ = run(capsys, "claims", "grokfast_ema")
    assert max(len(line) for line in out.splitlines()) <= columns


def test_a_component_s_claims_are_shown_whole(capsys, mine) -> None:
    code, out, _ = run(capsys, "claims", mine)
    assert code == 0
    blocks = [
        dict(line.split(maxsplit=1) for line in block.splitlines()) for block in out.split("\n\n")
    ]
    assert blocks[0] == {
        "claim": "It is sooner.",
        "method": "adamw+mine",
        "rival": "adamw",
        "task": "digits",
        "compared": "sooner at the target than adamw, 2.5 times",
        "number": "10 steps instead of 25",
        "place": "table 1",
        "source": "Me 2026, Mine",
    }
    assert [block["compared"] for block in blocks[1:]] == [
        "equal in accuracy at the end to adamw",
        "higher in the tuned lr than 0.1",
        "worse in the score than adamw, 2.5 times",
    ]
    assert [block["method"] for block in blocks[1:]] == ["sgd+mine", "adamw+mine", "adamw@mine_too"]
    assert blocks[1]["source"] == "Them 2025, A Rebuttal"
    assert blocks[2]["rival"] == "none: the value 0.1 is claimed"


def test_show_has_the_claims_of_a_component(capsys, mine) -> None:
    _, out, _ = run(capsys, "show", mine)
    assert out.count("claim ") == 4
    _, out, _ = run(capsys, "show", mine, "--json")
    mine_, too = json.loads(out)["entries"]
    assert [one["factor"] for one in mine_["claims"]] == [2.5, None, None]
    assert too["claims"][0]["method"] == "adamw@mine_too"
    _, out, _ = run(capsys, "show", "constant", "--json")
    assert json.loads(out)["entries"][0]["claims"] == []
    _, out, _ = run(capsys, "show", "digits")
    assert "claim " not in out


def test_a_component_without_claims_is_no_error(capsys) -> None:
    code, out, _ = run(capsys, "claims", "constant")
    assert code == 0
    assert out.startswith("No claims of constant. ")
    assert "docs/submit.md" in out
    code, out, _ = run(capsys, "claims", "constant", "--task", "digits", "--json")
    assert (code, json.loads(out)["claims"]) == (0, [])


def test_errors_say_what_to_do(capsys) -> None:
    for arguments, said in (
        (("claims", "grokfast_em"), "'grokfast_ema'"),
        (("claims", "digits"), "`suite claims --task digits`"),
        (("claims", "--task", "digitz"), "Did you mean 'digits"),
        (("claims", "--task", "lion"), "unknown task 'lion'"),
    ):
        code, _, err = run(capsys, *arguments)
        assert code == 2
        assert said in err


@pytest.mark.parametrize("arguments", [(), ("muon",), ("--task", "digits")])
def test_the_second_answer_comes_from_the_cache(tmp_path, arguments) -> None:
    first, imported = look(tmp_path, "claims", *arguments)
    assert imported == "torch: True code: 0"
    assert look(tmp_path, "claims", *arguments) == (first, "torch: False code: 0")


def test_answers_about_a_component_and_a_task_are_kept_apart(tmp_path) -> None:
    look(tmp_path, "claims", "muon")
    look(tmp_path, "claims", "--task", "digits")
    kept = {path.name for path in (tmp_path / "answers").iterdir()}
    assert kept == {"claims-muon.json", "claims-task=digits.json"}
