"""The wheel, installed outside the checkout, contains everything and works there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from leaderboard.index import PACKAGED
from tests.commands import ROOT
from tests.samples import make_result, write_published, write_results


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory) -> Path:
    """A fresh environment that holds the wheel, and sees the packages that it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    program = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(program), "install", "--no-deps"]
    subprocess.run([*install, "--no-index", str(wheel)], check=True, capture_output=True, text=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    outside = [p for p in sys.path if p.endswith("site-packages")]
    # Only now, or pip would find the suite installed already. Path files in there are not read,
    # so an editable install stays unseen.
    (site / "dependencies.pth").write_text("\n".join(outside))
    return program


@pytest.fixture
def anywhere(tmp_path: Path):
    """Run a command of that environment in an empty folder with an empty home."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SUITE_"))}
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**variables, "HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def test_contents(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    folders = ("suite", "tasks", "baselines", "leaderboard")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", *folders], check=True, capture_output=True, text=True
    )
    missing = set(listed.stdout.split()) - inside
    assert missing == set()
    metadata = {name for name in inside if ".dist-info/" in name}
    assert {name.split("/")[0] for name in inside - metadata} == set(folders)
    assert any(name.endswith("entry_points.txt") for name in metadata)
    assert any(name.endswith("LICENSE") for name in metadata)


def test_it_is_the_wheel_that_runs(python: Path, anywhere) -> None:
    done = anywhere(str(python), "-c", "import suite; print(suite.__file__, suite.__version__)")
    file, version = done.stdout.split()
    assert Path(file).is_relative_to(python.parent.parent)
    assert version in metadata_version()


def metadata_version() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_commands_work_outside_the_checkout(python: Path, anywhere, tmp_path: Path) -> None:
    program = str(python.parent / "suite")
    version = anywhere(program, "--version")
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith("suite 0.")

    optimizers = anywhere(program, "list", "optimizers")
    assert optimizers.returncode == 0, optimizers.stderr
    assert "adamw" in optimizers.stdout

    made = anywhere(program, "new", "optimizer", "mine")
    assert made.returncode == 0, made.stderr
    study = ("--optimizer", "mine.py", "--task", "digits", "--protocol", "smoke", "--jobs", "1")
    ran = anywhere(program, "run", *study)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "results" / "digits" / "mine.smoke.json").is_file()

    write_results(tmp_path / "results", [make_result(), make_result(method="lion")])
    site = anywhere(program, "leaderboard", "build", "--results", "results", "--output", "site")
    assert site.returncode == 0, site.stdout + site.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_a_lone_method_is_ranked_against_the_published_ones(
    python: Path, anywhere, tmp_path: Path
) -> None:
    """Those in the wheel; or, before any are published, those that a user imports."""
    program = str(python.parent / "suite")
    if not PACKAGED.is_file():
        write_published(tmp_path)
        done = anywhere(program, "leaderboard", "import", str(tmp_path / "baselines.jsonl.xz"))
        assert done.returncode == 0, done.stderr
    write_results(tmp_path / "results", [make_result(method="mine")])
    shown = anywhere(program, "leaderboard", "show", "--task", "digits", "--json")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    methods = {each["method"] for each in json.loads(shown.stdout)["methods"]}
    assert {"adamw", "sgd", "mine"} <= methods
