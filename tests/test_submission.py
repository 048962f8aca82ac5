"""The check of submissions: what it believes, what it refuses, what it prints."""

from __future__ import annotations

import ast
import itertools
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts import check_submission as submission
from scripts.check_submission import Check, Verdict
from scripts.strangers_code import SHOWN, Workshop
from suite.checking.checks import CHECKS as COMPONENT_CHECKS
from suite.components import registry
from suite.components.method import parse_method
from suite.errors import InvalidResult
from suite.results.files import read, seal, write
from suite.results.model import Result
from suite.studies.plan import make_plan
from suite.studies.protocol import get_protocol
from tests.commands import ROOT
from tests.samples import make_result, write_results

TASK = "xor_cluster"
WORKFLOW = ROOT / ".github" / "workflows" / "submission.yml"
#: what no patch of Python can catch
EXIT = "import ctypes\nctypes.CDLL(None)._exit(0)\n"
METHOD = """
from torch.optim import SGD

from suite import optimizer, search

optimizer(
    "{name}", SGD, paper="none", url="", summary="Plain.",
    search={{"lr": search.log_uniform(1e-3, 1.0, default=0.1)}},
)
"""


def honest(method: str = "sgd", **fields) -> Result:
    """A result of a registered task and method, as `suite run` would have written it."""
    task = registry.get("task", TASK)
    plan = make_plan(
        parse_method("sgd"),
        task,
        get_protocol("quick"),
        seed=0,
        device="cpu",
        threads=1,
        results=Path("unused"),
        data=Path("unused"),
    )
    (component,) = plan.method_record().components
    record = plan.task_record()
    sample = next(
        name
        for name in ("digits", "lm_markov")
        if record.metric == {"digits": "accuracy", "lm_markov": "loss"}[name]
    )
    named = {**component.model_dump(), "name": method, **fields.pop("component", {})}
    return make_result(
        sample,
        method,
        points=task.evaluations,
        task_fields={**record.model_dump(), **fields.pop("task_fields", {})},
        component=named,
        **fields,
    )


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A submission without a change yet; only its changed files matter."""
    folder = tmp_path / "submission"
    for name in ("tasks", "baselines/optimizers", "baselines/regularizers", "baselines/schedules"):
        (folder / name).mkdir(parents=True)
    (folder / "results").mkdir()
    return folder


@pytest.fixture
def workshop(checkout) -> Workshop:
    return Workshop(checkout, [], [])


@pytest.fixture
def data(tmp_path) -> Path:
    """A submission of results alone."""
    folder = tmp_path / "data"
    (folder / "results").mkdir(parents=True)
    return folder


class NothingPublished(submission.Published):
    def verdicts(self, touched):
        return iter([])


def check_results(folder: Path, files: list[str]):
    """What the first job says of files that BASE has not."""
    return submission.check_results(folder, files, [], NothingPublished(folder, "unused"))


def put(folder: Path, result: Result) -> str:
    (path,) = write_results(folder / "results", [result])
    return path.relative_to(folder).as_posix()


# -- results are data -----------------------------------------------------------------------------


def test_a_result_of_what_is_registered_passes(data) -> None:
    file = put(data, honest())
    result, site = check_results(data, [file])
    assert (result.title, result.problem) == (file, "")
    assert (site.title, site.problem) == ("suite leaderboard build", "")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"task_fields": {"version": 99}}, "no file under tasks/ declares 'xor_cluster'"),
        ({"task_fields": {"name": "xor_clusters"}}, "no file under tasks/ declares"),
        ({"task_fields": {"fingerprint": "ab" * 8}}, "task.fingerprint"),
        ({"component": {"source_hash": "0" * 16}}, "method.sgd.source_hash"),
        ({"component": {"version": 99}}, "baselines/optimizers/ declares version 99"),
        ({"method": "nobodys"}, "no file under baselines/optimizers/ declares"),
        ({"environment": {"finished": "2999-01-01T00:00:00+00:00"}}, "in the future"),
    ],
)
def test_a_result_of_something_else_fails(data, fields, problem) -> None:
    file = put(data, honest(**fields))
    result, *_ = check_results(data, [file])
    assert problem in result.problem


def test_a_new_method_is_compared_with_the_submitted_file(data) -> None:
    file = put(data, honest("new_one"))
    text = data / "baselines" / "optimizers" / "new_one.py"
    text.parent.mkdir(parents=True)
    # It would end the checker, if the checker imported it.
    text.write_text(EXIT + METHOD.format(name="new_one"))
    result, *_ = check_results(data, [file])
    assert "made by another text of baselines/optimizers/new_one.py" in result.problem
    hashed = submission.source_hash(text)
    put(data, honest("new_one", component={"source_hash": hashed}))
    result, site = check_results(data, [file])
    assert (result.problem, site.problem) == ("", "")
    assert "the optimizer 'new_one' is not registered here" in result.transcript


def test_a_new_task_must_be_in_the_submission(data) -> None:
    file = put(data, honest(task_fields={"name": "new_task"}))
    (data / "tasks").mkdir()
    (data / "tasks" / "new.py").write_text(EXIT + "task('new_task', track='mini')\n")
    result, *_ = check_results(data, [file])
    assert result.problem == ""


def test_a_file_outside_the_submission_declares_nothing(data, tmp_path) -> None:
    file = put(data, honest(task_fields={"name": "new_task"}))
    (tmp_path / "new.py").write_text("task('new_task', track='mini')\n")
    (data / "tasks").mkdir()
    (data / "tasks" / "new.py").symlink_to(tmp_path / "new.py")
    result, *_ = check_results(data, [file])
    assert "no file under tasks/ declares" in result.problem


def test_a_link_a_wrong_place_and_a_broken_file_fail(data) -> None:
    file = put(data, honest())
    here = data / file
    (here.parent / "lion.quick.json").write_text(here.read_text())
    (here.parent / "muon.quick.json").write_text("{")
    (here.parent / "adamw.quick.json").symlink_to("/dev/zero")
    files = [f"results/{TASK}/{name}.quick.json" for name in ("lion", "muon", "adamw")]
    link, lion, muon, adamw, site = check_results(data, files)
    assert link.problem.startswith("a link: ")
    assert "its content belongs in" in lion.problem
    assert "not valid JSON" in muon.problem
    assert "it is a link" in adamw.problem
    assert site.problem.count("quick.json: ") == 3


def test_a_site_that_cannot_be_built_fails(data, monkeypatch) -> None:
    file = put(data, honest())

    def broken(*_):
        raise OverflowError("too large")

    monkeypatch.setattr(submission, "build", broken)
    *_, site = check_results(data, [file])
    assert site == Verdict("suite leaderboard build", "OverflowError: too large")


def test_the_checker_imports_nothing_of_the_submission() -> None:
    """Its only ways to a submitted file are reading, parsing and a process of its own."""
    for name in ("check_submission.py", "strangers_code.py"):
        tree = ast.parse((ROOT / "scripts" / name).read_text(encoding="utf-8"))
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not used & {"load_file", "import_module", "exec_module", "exec", "eval"}


# -- a run is believed by its result files --------------------------------------------------------


def verdicts(checkout: Path, files: list[str], tmp_path: Path, monkeypatch) -> list[Verdict]:
    """What the second job says, with one mini task instead of all."""
    load_all = registry.load_all

    def one(kind: str):
        entries, broken = load_all(kind)
        return [entry for entry in entries if entry.name == TASK], broken

    monkeypatch.setattr(submission.registry, "load_all", one)
    monkeypatch.setattr(Workshop, "copy", kept_copy(Workshop.copy, tmp_path / "kept"))
    return list(submission.check_methods(Workshop(checkout, files, []), checkout, files))


def kept_copy(copy, kept: Path):
    """`Workshop.copy`, whose results are kept."""
    numbers = itertools.count()

    @contextmanager
    def copying(workshop):
        with copy(workshop) as folder:
            yield folder
            shutil.copytree(folder / "written", kept / str(next(numbers)))

    return copying


def test_a_method_that_ends_the_process_fails(checkout, tmp_path, monkeypatch) -> None:
    file = "baselines/optimizers/exits.py"
    (checkout / file).write_text(EXIT + METHOD.format(name="exits"))
    checked, ran = verdicts(checkout, [file], tmp_path, monkeypatch)
    assert checked.problem.startswith("suite check has no row for declaration, runs, ")
    assert f"{TASK}: no result" in ran.problem


@pytest.mark.parametrize("track", ["mini", "full"])
def test_a_task_that_ends_the_process_fails(checkout, tmp_path, monkeypatch, track) -> None:
    file = "tasks/exits.py"
    text = f"from suite import task\n{EXIT}task('exits_task', None, track='{track}')\n"
    (checkout / file).write_text(text)
    (verdict,) = verdicts(checkout, [file], tmp_path, monkeypatch)
    expected = "exits_task: no result" if track == "mini" else "nothing was shown"
    assert expected in verdict.problem


def test_a_method_that_runs_is_judged_by_its_result(checkout, tmp_path, monkeypatch) -> None:
    file = "baselines/optimizers/plain.py"
    (checkout / file).write_text(METHOD.format(name="plain"))
    checked, verdict = verdicts(checkout, [file], tmp_path, monkeypatch)
    result = read(tmp_path / "kept" / "1" / TASK / "plain.smoke.json")
    assert [run.status for run in result.evaluation_runs] == ["completed"]
    assert result.evaluation_runs[0].curve.gradient_evaluations[0] == 0
    assert verdict.problem == ""
    assert "plain" in verdict.transcript
    # A file of the repository says how it differs from its paper, and links to it.
    assert checked.problem == "exit code 1; suite check: declaration"
    assert "beats the untuned reference" in checked.transcript


def test_the_rows_of_a_check_are_believed_and_not_its_exit_code() -> None:
    whole = "".join(f"  {check.title:28} ok             seen\n" for check in COMPONENT_CHECKS)
    assert list(submission.row_problems(whole)) == []
    named = whole.replace("  rates     ", "  lr at each step ").replace(
        "  hyperparameters ", "  hyperparameter lr "
    )
    assert list(submission.row_problems(named)) == []
    bad = whole.replace("ok             seen", "problem        seen", 1)
    assert list(submission.row_problems(bad)) == ["suite check: declaration"]
    cut = whole.replace("  frozen ", "  thawed ")
    assert list(submission.row_problems(cut)) == ["suite check has no row for frozen"]
    check = Check("x", ["check", "lion"], rows=True)
    assert submission.judge(check, 3, whole, Path()).problem == "exit code 3"


def test_a_broken_task_file_is_shown_with_its_error(checkout, tmp_path, monkeypatch) -> None:
    file = "tasks/broken_one.py"
    (checkout / file).write_text("import nothing_of_that_name\n")
    (verdict,) = verdicts(checkout, [file], tmp_path, monkeypatch)
    assert verdict.problem.startswith("exit code 1; nothing in it is declared")
    assert "nothing_of_that_name" in verdict.transcript
    assert "Traceback" not in verdict.transcript


def judged(tmp_path: Path, *results: Result, code: int = 0) -> str:
    for result in results:
        write(result, tmp_path / "digits" / "lion.smoke.json")
    check = Check("x", ["run"], "lion", ("digits",))
    return submission.judge(check, code, "", tmp_path).problem


def test_a_verdict_takes_a_result_with_every_run_completed(tmp_path) -> None:
    assert judged(tmp_path / "a", make_result(method="lion", protocol="smoke")) == ""
    assert "no result" in judged(tmp_path / "b")
    failed = make_result(method="lion", protocol="smoke", status="diverged")
    assert "run 0 diverged: RuntimeError: sample" in judged(tmp_path / "c", failed)
    assert judged(tmp_path / "d", make_result(method="lion", protocol="smoke"), code=3) == (
        "exit code 3"
    )
    content = make_result(method="lion", protocol="smoke").model_dump(
        mode="json", exclude={"digest", "schema_version"}
    )
    content["replicates"][0]["evaluation"][0]["test_score"] = 0.99999
    assert "test_score: the file says" in judged(tmp_path / "e", seal(content))


def test_what_is_run_is_planned_by_parsing(checkout) -> None:
    (checkout / "tasks" / "of_two.py").write_text(
        EXIT + "task('small', track='mini')\ntask('large', track='full')\n"
    )
    (checkout / "baselines" / "schedules" / "none_here.py").write_text(EXIT)
    for file in ("baselines/optimizers/lion.py", "baselines/regularizers/sam.py"):
        shutil.copyfile(ROOT / file, checkout / file)
    files = [
        "baselines/optimizers/lion.py",
        "baselines/regularizers/sam.py",
        "baselines/schedules/none_here.py",
        "tasks/of_two.py",
        "results/digits/lion.quick.json",
        "results/schema.json",
        "suite/training/loop.py",
        "tasks/_shared.py",
    ]
    lion_check, lion, sam_check, sam, none, small, large = submission.checks(checkout, files)
    first = registry.names("optimizer")[0]
    assert [c.arguments for c in (lion_check, sam_check)] == [["check", "lion"], ["check", "sam"]]
    assert lion_check.rows
    assert sam_check.rows
    assert lion.arguments[:3] == ["run", "--optimizer", "lion"]
    assert sam.arguments[:5] == ["run", "--optimizer", first, "--regularizer", "sam"]
    assert (lion.method, sam.method) == ("lion", f"{first}+sam")
    assert TASK in lion.tasks
    assert "cifar10" not in lion.tasks
    assert none.arguments == ["show", files[2]]
    assert (small.title, small.tasks) == ("tasks/of_two.py: small", ("small",))
    assert (large.arguments, large.shows) == (["show", "large"], "large")
    assert submission.others(files, ["results/digits/muon.quick.json"]) == [
        "results/schema.json",
        "suite/training/loop.py",
        "tasks/_shared.py",
        "results/digits/muon.quick.json (deleted)",
    ]


# -- the report -----------------------------------------------------------------------------------


def test_nothing_in_the_report_is_markdown_html_or_a_terminals(capsys) -> None:
    title = "results/a\n## `all`: passed <img src=x>.json"
    output = "## `all`: passed\r\x1b[31m<b>\nline"
    code = submission.report("Results", iter([Verdict(title, "it `is`\nbad", output)]), ["a\n# b"])
    said = capsys.readouterr().out
    assert code == 1
    lines = said.splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# Results",
        "## `results/a ## 'all': passed <img src=x>.json`: **failed**: `it 'is' bad`",
        "## Changed beside the submission: please review",
    ]
    assert not set(said) & {"\r", "\x1b"}
    assert "    ## `all`: passed" in lines
    assert "    # b" in lines


def test_the_report_is_printed_as_it_goes_and_bounded(capsys) -> None:
    def slow():
        yield Verdict("first", "", "x" * 50_000)
        assert "first" in capsys.readouterr().out
        for number in range(300):
            yield Verdict(str(number), "", "y\n" * 50_000)

    submission.report("Results", slow(), [])
    assert len(capsys.readouterr().out) < 1_000_000


def instead(workshop: Workshop, code: str, **limit) -> tuple[int, str]:
    """Run other code in place of the command line."""
    with workshop.copy() as folder:
        (folder / "suite" / "cli" / "__main__.py").write_text(code)
        return workshop.run(folder, ["list"], **limit)


def test_output_of_any_length_is_cut(workshop) -> None:
    code, output = instead(
        workshop,
        "import sys\nfor _ in range(3000): print('z' * 1000)\nprint('the end')\nsys.exit(3)\n",
    )
    assert code == 3
    assert len(output) < 3 * SHOWN
    assert " bytes ..." in output
    assert output.rstrip().endswith("the end")


def test_a_run_that_hangs_ends_with_all_that_it_started(workshop) -> None:
    code, output = instead(
        workshop,
        "import subprocess, time\nsubprocess.Popen(['sleep', '1000'])\ntime.sleep(1000)\n",
        limit=3,
    )
    assert code == 124
    assert "ended after 3 s" in output


def test_a_run_does_not_know_where_the_report_goes(workshop, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/somewhere")
    monkeypatch.setenv("MY_TOKEN", "/somewhere")
    code, output = instead(workshop, "import os\nprint(sorted(os.environ))")
    assert code == 0
    assert "PYTHONPATH" in output
    assert "GITHUB" not in output
    assert "TOKEN" not in output


def test_both_parts_work_on_a_checkout(data, tmp_path, capsys) -> None:
    git(data, "init", "-q")
    git(data, "commit", "-q", "--allow-empty", "-m", "base")
    base = git(data, "rev-parse", "HEAD")
    put(data, honest())
    (data / "notes.md").write_text("x")
    git(data, "add", "-A")
    git(data, "commit", "-q", "-m", "results")
    assert submission.main(["results", str(data), base]) == 0
    said = capsys.readouterr().out
    assert f"## `results/{TASK}/sgd.quick.json`: passed" in said
    assert "## `suite leaderboard build`: passed" in said
    changed = data / "results" / TASK / "sgd.quick.json"
    changed.write_text(changed.read_text().replace('"threads": 1', '"threads": 2'))
    git(data, "commit", "-qam", "changed")
    assert submission.main(["results", str(data), base]) == 1
    assert "**failed**: `digest: the content was changed" in capsys.readouterr().out
    git(data, "rm", "-q", changed.relative_to(data).as_posix())
    git(data, "commit", "-qm", "gone")
    assert submission.main(["methods", str(data), base]) == 0
    assert "    notes.md" in capsys.readouterr().out


def test_the_workflow_takes_checker_and_suite_from_the_base() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    results, methods = text.split("\n  methods:\n")
    assert "needs: results" in methods
    for job, part in ((results, "results"), (methods, "methods")):
        assert f"python base/scripts/check_submission.py {part} submission" in job
        assert "-e base\n" in job
        assert "ref: ${{ github.event.pull_request.base.sha }}" in job
    assert "-e submission" not in text
    assert "pipefail" in text or "shell: bash" in text


def test_samples_of_this_page_are_right() -> None:
    """What passes above passes `suite validate` in this checkout, too."""
    from suite.results.verification import check_consistency

    assert check_consistency(honest(), ours=True) == []
    with pytest.raises(InvalidResult):
        check_consistency(honest("nobodys"), ours=True)
