"""`suite verify` as a user meets it: real processes, an honest file and a forged one."""

from __future__ import annotations

import json

import pytest

from suite.results.files import read, seal, write
from tests.commands import TINY, suite


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    done = suite(
        *("run", "--optimizer", "adamw", "--task", TINY, "--protocol", "smoke", "--jobs", "1"),
        *("--results", str(folder / "r")),
        home=folder / "home",
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_an_honest_result_passes_and_an_invented_one_fails(folder):
    path = folder / "r" / "tiny_blobs" / "adamw.smoke.json"
    content = read(path).model_dump(mode="json", exclude={"digest", "schema_version"})
    run = content["replicates"][0]["evaluation"][0]
    run["curve"]["train_loss"] = [x and 0.5 * x for x in run["curve"]["train_loss"]]
    forged = folder / "forged" / "tiny_blobs" / "adamw.smoke.json"
    write(seal(content), forged)
    before = forged.read_bytes()
    arguments = ("verify", str(path), str(forged), "--file", TINY, "--choice-seed", "3")
    done = suite(*arguments, "--trials", "0", "--json", home=folder / "home")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    honest, invented = document["runs"]
    assert honest["outcome"] == "equal"
    assert invented["outcome"] == "mismatch"
    assert invented["differences"][0]["quantity"] == "train_loss"
    assert document["choice_seed"] == 3
    assert "here " in done.stderr
    assert forged.read_bytes() == before


def test_what_cannot_be_replayed_is_said_and_does_not_pass(folder):
    path = folder / "r" / "tiny_blobs" / "adamw.smoke.json"
    done = suite("verify", str(path), home=folder / "home")
    assert done.returncode == 1
    assert "not replayed" in done.stdout
    assert "'tiny_blobs' is not registered here" in done.stdout
    assert "Traceback" not in done.stderr
