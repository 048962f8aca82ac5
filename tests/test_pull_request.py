"""A pull request from branch to verdict: a git server, and the steps of the workflow as they stand.

The repository on the server is this checkout with few components and tasks, so that a check takes
seconds. Each job of `.github/workflows/submission.yml` runs as its file says, but for the actions
of GitHub (checkouts are made with git) and the installation of packages, which are here already.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from scripts.strangers_code import can_be_apart
from suite.results.files import read, seal, write
from tests.commands import ROOT, environment

pytestmark = pytest.mark.skipif(
    not can_be_apart(), reason="no sandbox (bubblewrap): python tests/system_packages.py"
)

WORKFLOW = ROOT / ".github" / "workflows" / "submission.yml"
RESULT = "results/xor_cluster/sgd.quick.json"
GOOD = '''
"""Heavy-ball SGD."""

import torch

from suite import optimizer, search


class HeavyBall(torch.optim.SGD):
    """Polyak 1964, equation 9. Deviates from the paper: nothing."""

    def __init__(self, params, lr, momentum):
        super().__init__(params, lr=lr, momentum=momentum)


optimizer(
    "NAME", HeavyBall, summary="Heavy ball.", paper="Polyak 1964", url="https://example.com/polyak",
    search={
        "lr": search.log_uniform(1e-3, 1.0, default=0.1),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
    },
)
'''
#: what each hostile method does when its file is read; BASE and MARK are replaced
HOSTILE = {
    "ends_the_process": "import ctypes\nctypes.CDLL(None)._exit(0)",
    "meddles": """
import os, subprocess
from pathlib import Path
import suite.results.checks as checks

for root in {"BASE", str(Path(checks.__file__).parents[2])}:
    for place in Path(root).rglob("checks.py"):
        try:
            place.write_text("CHECKS = []")
            print("EDITED", place)
        except OSError as error:
            print("not edited:", error)
for folder in ("BASE", "BASE/../submission/results", "BASE/.."):
    try:
        Path(folder, "MARK").write_text("here")
        print("WROTE", folder)
    except OSError as error:
        print("not written:", error)
for file in ("/proc/sys/kernel/core_pattern", "/etc/shadow"):
    try:
        with open(file, "r+") as opened:
            print("OPENED", file)
    except OSError as error:
        print("not opened:", error)
print("SOCKETS", *Path("/run").rglob("*"), *Path("/tmp").glob("*.socket"))
for place in Path("/proc").glob("*/environ"):
    print(place, place.read_bytes()[:1_000])
print(dict(os.environ))
subprocess.Popen(["sleep", "54321"], start_new_session=True)
os.fork()
""",
    "floods_the_log": """
print("::error file=x::forged\\n::add-mask::a\\n## `all`: passed\\n<img src=x>")
for _ in range(2_000):
    print("z" * 10_000)
""",
}


@dataclass
class Job:
    """How a job of the workflow ended."""

    code: int
    log: str
    summary: str

    def verdict(self, title: str) -> str:
        """What it said of a check: the rest of its heading."""
        found = [
            line.partition(": ")[2] if not title else line.split("`: ", 1)[1]
            for line in self.summary.splitlines()
            if line.startswith(f"## `{title}")
        ]
        assert len(found) == 1, (title, found, self.summary)
        return found[0]


class Server:
    """A bare repository, the way its pull requests are checked, and a clone to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        for name in ("suite", "scripts", "leaderboard"):
            shutil.copytree(ROOT / name, self.work / name, ignore=_caches)
        for name in ("optimizers/sgd.py", "optimizers/adamw.py"):
            _copy(self.work, f"baselines/{name}")
        shutil.copytree(
            ROOT / "baselines/optimizers/families",
            self.work / "baselines/optimizers/families",
            ignore=_caches,
        )
        for file in (
            ".gitignore",
            "tasks/theory/clusters.py",
            "pyproject.toml",
            "constraints.txt",
        ):
            _copy(self.work, file)
        self.git("init", "-q", "-b", "main")
        # Whatever the machine's own settings are: an empty home has none.
        for name, value in (("name", "n"), ("email", "e"), ("useConfigOnly", "true")):
            self.git("config", f"user.{name}", value)
        self.run("run", "-o", "sgd", "-t", "xor_cluster", "--jobs", "2")
        self.commit("base")
        subprocess.run(
            ["git", "clone", "-q", "--bare", str(self.work), str(folder / "server.git")], check=True
        )
        self.git("remote", "add", "origin", str(folder / "server.git"))
        self.git("fetch", "-q", "origin")
        self.base = self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.work), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def branch(self, name: str, base: str = "main") -> None:
        """Begin a branch in the clone."""
        self.git("checkout", "-q", "-f", "-B", name, base)
        self.git("clean", "-qfd")

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the suite of the clone, which must end with this exit code."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "suite.cli", *arguments],
            cwd=self.work,
            env={
                **environment(self.folder / "home"),
                "PYTHONPATH": str(self.work),
                "GIT_CONFIG_GLOBAL": os.devnull,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def pull_request(self, branch: str, job: str) -> Job:
        """Push a branch and run a job of the workflow on it, in a folder of its own."""
        self.git("push", "-q", "-f", "origin", branch)
        base = self.git("rev-parse", "origin/main")
        place = self.folder / f"{branch.replace('/', '-')}-{job}"
        place.mkdir()
        summary, log, code = place / "summary.md", "", 0
        for step in yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"]:
            code, said = self._step(step, place, base, branch, summary)
            log += said
            if code:
                break
        return Job(code, log, summary.read_text() if summary.exists() else "")

    def _step(
        self, step: dict, place: Path, base: str, branch: str, summary: Path
    ) -> tuple[int, str]:
        used = step.get("uses", "")
        if used.startswith("actions/checkout@"):
            asked = step["with"]
            where = place / asked["path"]
            subprocess.run(
                ["git", "clone", "-q", str(self.folder / "server.git"), str(where)], check=True
            )
            wanted = base if "base.sha" in str(asked.get("ref")) else f"origin/{branch}"
            subprocess.run(["git", "-C", str(where), "checkout", "-q", wanted], check=True)
            return 0, ""
        if used.startswith("actions/setup-python@"):
            return 0, ""
        script = step["run"]
        if "pip install" in script or "apt-get install" in script:
            return 0, ""
        programs = place / "programs"
        programs.mkdir()
        _program(programs / "sudo", '#!/bin/bash\n[ "$1" = -E ] && shift\nexec "$@"\n')
        _program(programs / "python", f'#!/bin/bash\nexec {sys.executable} "$@"\n')
        settings = {
            name: value.replace("${{ github.event.pull_request.base.sha }}", base)
            for name, value in step.get("env", {}).items()
        }
        runner = {
            **environment(self.folder / "home"),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(place / "base"),  # what `pip install -e base` does
            "GITHUB_STEP_SUMMARY": str(summary),
            "SECRET_TOKEN": "the-secret-of-the-job",
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=place,
            env={**runner, **settings},
            capture_output=True,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout + done.stderr


def _caches(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def _copy(folder: Path, file: str) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / file, folder / file)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return Server(tmp_path_factory.mktemp("pull-request"))


def changed(path: Path, change) -> None:
    """Write a result with something else in it, sealed anew."""
    content = read(path).model_dump(mode="json", exclude={"digest", "schema_version"})
    change(content)
    write(seal(content), path)


def elsewhere(content) -> None:
    content["environment"]["cores"] += 1


def better(content) -> None:
    for replicate in content["replicates"]:
        for run in replicate["evaluation"]:
            run["test_score"] = 0.001


def test_a_good_submission_passes_both_jobs(server):
    server.branch("good")
    (server.work / "baselines/optimizers/heavy_ball.py").write_text(
        GOOD.replace("NAME", "heavy_ball")
    )
    server.run("run", "-o", "heavy_ball", "-t", "xor_cluster", "--jobs", "2", "--authors", "A, B")
    (server.work / "notes.txt").write_text("mine")
    before = server.git("status", "--porcelain")
    asked = ("submit", "heavy_ball", "--base", "main")
    refused = server.run(*asked, code=1)
    assert "missing  tests/golden/references: no second form of its rule" in refused.stdout
    assert "Nothing was made." in refused.stdout
    assert "submit/heavy_ball" not in server.git("branch", "--list", "submit/*")
    server.git("config", "--unset", "user.email")
    unknown = server.run(*asked, "--draft", code=2)
    assert "git does not know who makes the commit. Tell it" in unknown.stderr
    server.git("config", "user.email", "e")
    done = server.run(*asked, "--draft")
    assert "branch   submit/heavy_ball: 2 files" in done.stdout
    (text,) = (server.folder / "home" / "submissions").iterdir()
    assert "Results run by: A, B" in text.read_text()
    assert "| `xor_cluster/heavy_ball.quick.json` |" in text.read_text()
    assert server.git("status", "--porcelain") == before
    assert server.git("diff", "--name-only", "main", "submit/heavy_ball").splitlines() == [
        "baselines/optimizers/heavy_ball.py",
        "results/xor_cluster/heavy_ball.quick.json",
    ]
    same = server.run("submit", "adamw", "--base", "main", "--draft", code=2)
    assert "nothing of adamw differs from main" in same.stderr
    again = server.run(*asked, "--draft", code=2)
    assert "there is a branch submit/heavy_ball" in again.stderr
    results = server.pull_request("submit/heavy_ball", "results")
    assert results.code == 0, results.log
    assert results.verdict("results/xor_cluster/heavy_ball.quick.json") == "passed"
    assert results.verdict("suite leaderboard build") == "passed"
    methods = server.pull_request("submit/heavy_ball", "methods")
    assert methods.code == 0, methods.log
    assert "Runs are in a sandbox." in methods.summary
    assert methods.verdict("baselines/optimizers/heavy_ball.py: suite check") == "passed"
    assert methods.verdict("baselines/optimizers/heavy_ball.py: heavy_ball") == "passed"
    assert methods.verdict("suite validate, with the submission's") == "passed"


def test_forged_others_and_hidden_results_fail_and_are_named(server):
    server.branch("bad_results")
    path = server.work / RESULT
    # A result of one's own whose scores are invented.
    forged = path.with_name("adamw.quick.json")
    shutil.copyfile(path, forged)
    changed(forged, better)
    hidden = path.with_name("x\n## `all`: passed <img src=x>.json")
    shutil.copyfile(path, hidden)
    (server.work / "results" / "verifications.jsonl").write_text("{}\n")
    changed(path, elsewhere)  # somebody else's
    server.commit("results")
    job = server.pull_request("bad_results", "results")
    assert job.code == 1
    assert "**failed**" in job.verdict("results/xor_cluster/adamw.quick.json`")
    assert "only maintainers" in job.verdict("results/verifications.jsonl")
    said = job.verdict(f"{RESULT}: a published result, changed")
    assert said == "**failed**: `no reason is given: 'suite submit --reason' says why`"
    # The name is a part of one heading, and makes none of its own.
    headings = [line for line in job.summary.splitlines() if line.startswith("#")]
    assert not [line for line in headings if line.startswith("## `all`: passed")]
    named = [line for line in headings if "## 'all': passed <img" in line]
    assert named[0].startswith("## `results/xor_cluster/x ## 'all'")
    assert all(line.startswith("## `") for line in named)
    assert "\n<img" not in job.summary


def test_a_reason_lets_a_published_result_be_changed_and_removed(server):
    server.branch("reasons")
    path = server.work / RESULT
    changed(path, elsewhere)
    asked = ("submit", "sgd", "--base", "main", "--draft", "--branch", "with_reason")
    silent = server.run(*asked, "--dry-run")
    assert f"missing  {RESULT} is published and another one now: --reason" in silent.stdout
    server.run(*asked, "--reason", "the machine's number of cores was wrong")
    job = server.pull_request("with_reason", "results")
    assert job.code == 0, job.log
    assert job.verdict(f"{RESULT}: a published result, changed") == "passed"
    assert "    the machine's number of cores was wrong" in job.summary
    server.branch("removed")
    path.unlink()
    server.commit("gone")
    job = server.pull_request("removed", "results")
    assert "no reason is given" in job.verdict(f"{RESULT}: a published result, removed")
    assert job.code == 1


def test_links_second_results_and_edited_methods_are_refused(server):
    server.branch("hidden_ways")
    results = server.work / "results"
    # Results behind a folder that is a link, of scores that nobody measured.
    apart = server.work / "elsewhere" / "linked_task"
    apart.mkdir(parents=True)
    shutil.copyfile(server.work / RESULT, apart / "sgd.quick.json")
    (results / "linked_task").symlink_to("../elsewhere/linked_task")
    # A second, later result of a published study, which would take its place on the board.
    second = (server.work / RESULT).with_name("sgd.quick.00000000.json")
    shutil.copyfile(server.work / RESULT, second)
    changed(second, elsewhere)
    # Another default under the same version: the published result would be nobody's.
    sgd = server.work / "baselines/optimizers/sgd.py"
    sgd.write_text(sgd.read_text().replace("default=0.1", "default=0.2"))
    server.commit("hidden ways")
    job = server.pull_request("hidden_ways", "results")
    assert job.code == 1
    assert "a link" in job.verdict("results/linked_task")
    said = job.verdict("results/xor_cluster/sgd.quick.00000000.json: a second result")
    assert f"{RESULT} is published: replace it, and say why" in said
    assert "give it a new version" in job.verdict("optimizer sgd")


def test_an_old_base_is_measured_by_the_new_one(server):
    server.branch("old")
    (server.work / "baselines/optimizers/heavy_ball.py").write_text(
        GOOD.replace("NAME", "heavy_ball")
    )
    server.run("run", "-o", "heavy_ball", "-t", "xor_cluster", "--jobs", "2")
    adamw = server.work / "baselines/optimizers/adamw.py"
    adamw.write_text(adamw.read_text() + "# mine\n")
    server.commit("from an old base")
    server.branch("main")
    try:
        task = server.work / "tasks/theory/clusters.py"
        text = task.read_text()
        task.write_text(re.sub(r"version=(\d+)", lambda m: f"version={int(m[1]) + 1}", text))
        adamw.write_text(adamw.read_text() + "# theirs\n")
        server.commit("meanwhile")
        server.git("push", "-q", "origin", "main")
        job = server.pull_request("old", "results")
        assert job.code == 1
        said = job.verdict("results/xor_cluster/heavy_ball.quick.json")
        assert re.search(r"task.version: \d+, here it is \d+. Run it again", said)
        assert "rebase it" in job.verdict("baselines/optimizers/adamw.py")
    finally:
        server.git("push", "-q", "-f", "origin", f"{server.base}:main")
        server.branch("main", server.base)
        server.git("fetch", "-q")


def test_hostile_methods_change_nothing_and_their_verdicts_are_their_own(server):
    server.branch("hostile")
    folder = server.work / "baselines/optimizers"
    base = server.folder / "hostile-methods" / "base"
    for name, code in HOSTILE.items():
        code = code.replace("BASE", str(base)).replace("MARK", "left_behind")
        (folder / f"{name}.py").write_text(GOOD.replace("NAME", name) + f"\n{code}\n")
    (folder / "fine.py").write_text(GOOD.replace("NAME", "fine"))
    (folder / "unnamed.py").write_text(
        "import os\nprint('optimizer unnamed  all is well', flush=True)\nos.system('')\n"
        "import ctypes\nctypes.CDLL(None)._exit(0)\n"
    )
    server.commit("hostile")
    job = server.pull_request("hostile", "methods")
    assert job.code == 1, job.log

    def verdict(name: str, what: str = "") -> str:
        return job.verdict(f"baselines/optimizers/{name}.py: {what or name}")

    # The end of the process is no success, and no other method's verdict depends on it.
    assert "no result" in verdict("ends_the_process")
    assert "no row for" in verdict("ends_the_process", "suite check")
    assert "nothing was run" in job.verdict("baselines/optimizers/unnamed.py")
    assert verdict("fine") == verdict("fine", "suite check") == "passed"
    # The copy is its own to edit; the checker, the checkouts and the workspace are not.
    status = ["git", "-C", str(base), "status", "--porcelain", "--untracked-files=all"]
    left = subprocess.run(status, check=True, capture_output=True, text=True).stdout
    assert [line for line in left.splitlines() if "__pycache__" not in line] == []
    assert not list(base.parent.rglob("left_behind"))
    assert "WROTE" not in job.summary
    assert f"EDITED {base}" not in job.summary
    assert "not written: " in job.summary
    assert "OPENED" not in job.summary
    assert job.summary.count("not opened: ") >= 2
    assert re.search(r"(?m)^ *SOCKETS *$", job.summary)
    # Neither its own environment nor that of the checker holds a secret.
    assert "the-secret-of-the-job" not in job.log + job.summary
    assert "PYTHONPATH" in job.summary
    # Nothing that it started outlives it.
    running = subprocess.run(["pgrep", "-f", "sleep 54321"], capture_output=True)
    assert running.returncode == 1
    # The report is bounded, and nothing in it is a command or a heading of its own.
    assert len(job.log) < 1_000_000
    assert "::stop-commands::" in job.log.split("::error", 1)[0]
    assert not re.search(r"(?m)^ {0,3}(## `all`|<img)", job.summary)


def test_the_jobs_hold_no_secret_and_may_only_read():
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert list(workflow[True]) == ["pull_request"]  # YAML reads `on` as true
    assert "secrets." not in WORKFLOW.read_text()
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 45
        assert "permissions" not in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
