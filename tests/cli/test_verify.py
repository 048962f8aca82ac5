"""`suite verify` as a user meets it: real processes, an honest file and a forged one."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from suite.cli import cli
from suite.errors import UsageError
from suite.results.files import read, seal, write
from suite.results.marks import read_verifications
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


def test_secret_seeds_and_records_for_the_board(folder):
    done = suite(
        *("run", "--optimizer", "sgd", "--task", "xor_cluster_short", "--protocol", "quick"),
        *("--jobs", "2", "--results", str(folder / "shown")),
        home=folder / "home",
    )
    assert done.returncode == 0, done.stderr
    path = folder / "shown" / "xor_cluster_short" / "sgd.quick.json"
    replayed = suite("verify", str(path), "--record", home=folder / "home")
    assert replayed.returncode == 0, replayed.stdout
    assert "1 record in " in replayed.stdout
    done = suite("verify", str(path), "--secret", "--record", "--json", home=folder / "home")
    document = json.loads(done.stdout)
    assert len(document["runs"][0]["scores"]) == 15
    records = read_verifications(folder / "shown")
    assert [each.kind for each in records] == ["replay", "secret"]
    assert {each.digest for each in records} == {read(path).digest}
    assert records[1].held == (done.returncode == 0)


@pytest.mark.parametrize("option", ["--full", "--share=0.1", "--trials=0", "--choice-seed=1"])
def test_options_that_choose_recorded_runs_do_not_go_with_secret_seeds(folder, option):
    path = folder / "r" / "tiny_blobs" / "adamw.smoke.json"
    refused = CliRunner().invoke(cli, ["verify", str(path), "--secret", option])
    assert isinstance(refused.exception, UsageError)
    assert f"{option.partition('=')[0]} and --secret" in str(refused.exception)
