"""Elements: the studies that a file's lines say, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.components import registry
from suite.components.method import make_method
from suite.errors import SuiteError, UsageError
from suite.studies.elements import element_of, plan_of, read_element, text_of
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from tests.commands import TINY

METHOD = (
    "import torch\nfrom suite import optimizer, search\n"
    "optimizer('elemental', torch.optim.SGD, paper='-', url='-', summary='-',\n"
    "          search={'lr': search.log_uniform(1e-3, 1.0, default=0.1)})\n"
)


def planned(folder: Path, optimizer: str, *schedules: str, **settings) -> Plan:
    return make_plan(
        make_method(optimizer, (), schedules),
        find_task(TINY),
        get_protocol("smoke"),
        **{"seed": 0, "device": "cpu", "threads": 1, **settings},
        results=folder / "r",
        data=folder / "d",
    )


def written(folder: Path, *plans: Plan) -> Path:
    path = folder / "elements.jsonl"
    path.write_text(text_of(element_of(plan, keep_going=False) for plan in plans))
    return path


def test_a_line_says_the_whole_plan(tmp_path):
    plans = [
        planned(tmp_path, "sgd", "cosine", seed=7, threads=2),
        planned(tmp_path, "lion", time_limit=50.0),
    ]
    path = written(tmp_path, *plans)
    assert [plan_of(read_element(path, number)) for number in (0, 1)] == plans
    moved = plan_of(read_element(path, 1), results=tmp_path / "elsewhere")
    assert (moved.results, moved.identity) == (tmp_path / "elsewhere", plans[1].identity)


def test_the_default_folder_of_data_is_that_of_the_machine_that_runs_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "here"))
    monkeypatch.delenv("SUITE_DATA_DIR", raising=False)
    plan = planned(tmp_path, "sgd")
    default = make_plan(
        plan.method, plan.task, plan.rules, seed=0, device="cpu", threads=1,
        results=plan.results, data=tmp_path / "here" / "data",
    )  # fmt: skip
    path = written(tmp_path, default, plan)
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "there"))
    assert plan_of(read_element(path, 0)).data == tmp_path / "there" / "data"
    assert plan_of(read_element(path, 1)).data == tmp_path / "d"


def test_other_code_refuses_an_element(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, text in ((ours, METHOD), (theirs, METHOD.replace("0.1)", "0.2)"))):
        folder.mkdir()
        (folder / "elemental.py").write_text(text)
    path = written(tmp_path, planned(tmp_path, str(ours / "elemental.py")))
    assert plan_of(read_element(path, 0)).method.name == "elemental"
    registry.forget("optimizer", "elemental")
    path.write_text(path.read_text().replace(str(ours), str(theirs)))
    with pytest.raises(UsageError, match="elemental on tiny_blobs was planned with other code"):
        plan_of(read_element(path, 0))
    registry.forget("optimizer", "elemental")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("}\n", "\n", "element 0: the line: Invalid JSON"),
        ('"seed":0', '"seed":"0"', "element 0: seed: Input should be a valid integer"),
        ('"seed"', '"sede"', "element 0: seed: Field required"),
        ('"smoke"', '"smok"', "unknown protocol 'smok'"),
        ('"seed":0', '"seed":1', "was planned with other code"),
        ('"seed":0', '"seed":-1', "seed is a whole number from 0"),
        ('"optimizer"', '"task"', "element 0: components.0.0: Input should be"),
        ('"sgd"]', '"nobody"]', "unknown optimizer 'nobody'"),
    ],
)
def test_a_damaged_line_is_refused_with_the_field(tmp_path, old, new, said):
    path = written(tmp_path, planned(tmp_path, "sgd"))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SuiteError, match=said):
        plan_of(read_element(path, 0))


def test_a_number_without_a_line_is_refused(tmp_path):
    path = written(tmp_path, planned(tmp_path, "sgd"))
    with pytest.raises(UsageError, match="has no element 1: elements are its lines, from 0"):
        read_element(path, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_is_planned_for_another_machine_and_looked_for_there(tmp_path):
    """A login node has none."""
    path = written(tmp_path, planned(tmp_path, "sgd", device="cuda", elsewhere=True))
    with pytest.raises(UsageError, match="torch finds no GPU here"):
        plan_of(read_element(path, 0))
