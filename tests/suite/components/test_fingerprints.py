"""Which code a source hash is of: files that are followed, packages that are known by version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from suite.components import fingerprints, imports
from suite.components.fingerprints import (
    changed_part,
    source_hash,
    suite_files,
    suite_hash,
    versions,
)
from suite.components.imports import imported
from suite.home import ROOT


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder in PYTHONPATH."""
    folder = tmp_path / "lab"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(folder: Path, name: str, version: str = "1.0", url: str | None = None) -> None:
    """Metadata as pip writes it into a folder of packages."""
    info = folder / f"{name}-{version}.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    write(info / "WHEEL", "Wheel-Version: 1.0\n")
    write(info / "RECORD", f"{name}/__init__.py,,\n")
    if url is not None:
        write(info / "direct_url.json", url)


@pytest.mark.parametrize(
    ("statement", "file"),
    [
        ("from mylab import Mine", "mylab.py"),
        ("import mylab", "mylab.py"),
        ("import mylab.deep.code", "mylab/deep/code.py"),
        ("import mylab.deep.code", "mylab/deep/__init__.py"),
        ("from mylab.deep import code", "mylab/deep/code.py"),
        ("from mylab.deep import code", "mylab/__init__.py"),
        ("from namespace.code import Mine", "namespace/code.py"),
        ("from namespace import code", "namespace/code.py"),
        ("def build(params):\n    import mylab", "mylab.py"),
        ("import importlib\nimportlib.import_module('mylab')", "mylab.py"),
    ],
)
def test_what_a_file_imports_absolutely_counts(lab, tmp_path, statement, file):
    for package in ("mylab/deep", "mylab") if file.startswith("mylab/") else ():
        write(lab / package / "__init__.py", f"{package[-3:]} = 1\n")
        write(lab / package / "code.py", "Z = 1\n")
    helper = write(lab / file, "X = 1\n")
    path = write(tmp_path / "mine.py", statement + "\n")
    assert helper in imported(path).files
    before = source_hash(path)
    write(helper, "X = 2\n")
    assert source_hash(path) != before


def test_what_a_helper_imports_counts_whatever_the_way(lab, tmp_path):
    write(lab / "mylab/__init__.py", "from .first import X\n")
    write(lab / "mylab/first.py", "from .deep.second import X\n")
    write(lab / "mylab/deep/__init__.py", "")
    write(lab / "mylab/deep/second.py", "from ..third import X\nimport beside\n")
    third = write(lab / "mylab/third.py", "X = 1\n")
    beside = write(lab / "beside.py", "from mylab import X\n")  # a circle
    write(lab / "stranger.py", "X = 1\n")
    path = write(tmp_path / "mine.py", "from mylab import X\n")
    reached = imported(path)
    assert reached.files[0] == path
    assert {third, beside} < set(reached.files)
    assert len(reached.files) == 7
    before = source_hash(path)
    write(lab / "stranger.py", "X = 2\n")
    assert source_hash(path) == before
    write(third, "X = 2\n")
    assert source_hash(path) != before


def test_compiled_modules_count_by_their_bytes(lab, tmp_path):
    ending = imports.PathFinder.find_spec("_json").origin.rpartition("_json")[2]
    helper = lab / f"compiled{ending}"
    helper.write_bytes(b"\x00\x01")
    path = write(tmp_path / "mine.py", "import compiled\n")
    before = source_hash(path)
    helper.write_bytes(b"\x00\x02")
    assert source_hash(path) != before


def test_the_standard_library_the_suite_and_what_is_missing_are_not_followed(tmp_path):
    path = write(
        tmp_path / "mine.py",
        "import os, json.decoder\nfrom suite import optimizer\nimport no_such_module\n"
        "from .......... import x\nimport __main__\n",
    )
    assert imported(path) == imports.Imported((path,), ())


def test_installed_packages_are_known_by_name_and_version(tmp_path):
    path = write(tmp_path / "mine.py", "import torch\nfrom sklearn.datasets import load_digits\n")
    assert imported(path).files == (path,)
    assert imported(path).packages == ("scikit-learn", "torch")
    assert {"torch", "scikit-learn", "click"} <= set(versions(["click"]))
    assert "click" not in versions()


def test_a_package_in_a_folder_of_pythonpath_is_known_by_version_too(lab, tmp_path):
    """As `pip install --target` leaves it."""
    write(lab / "known_package/__init__.py", "X = 1\n")
    install(lab, "known_package")
    path = write(tmp_path / "mine.py", "import known_package\n")
    imports._namesake.cache_clear()
    assert imported(path) == imports.Imported((path,), ("known-package",))
    assert versions(["known-package"])["known-package"] == "1.0"


def test_a_package_installed_from_a_folder_is_followed(lab, tmp_path):
    """Its author edits and installs it again under the same version."""
    code = write(lab / "local_package/__init__.py", "X = 1\n")
    install(lab, "local_package", url='{"url": "file:///x", "dir_info": {}}')
    path = write(tmp_path / "mine.py", "import local_package\n")
    imports._namesake.cache_clear()
    imports._is_local.cache_clear()
    assert imported(path).files == (path, code)


def test_a_plugin_is_followed_through_its_own_distribution(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    monkeypatch.setattr(imports, "_site_folders", lambda: (folder,))
    monkeypatch.syspath_prepend(str(folder))
    method = write(folder / "plugin/method.py", "from plugin.maths import X\nimport other\n")
    write(folder / "plugin/__init__.py", "")
    maths = write(folder / "plugin/maths.py", "X = 1\n")
    write(folder / "other/__init__.py", "X = 1\n")
    install(folder, "plugin")
    install(folder, "other")
    for cached in (imports._namesake, imports._distributions, imports._is_local):
        cached.cache_clear()
    reached = imported(method)
    assert maths in reached.files
    assert folder / "plugin/__init__.py" in reached.files
    assert reached.packages == ("other",)


def test_a_plugin_in_a_folder_of_pythonpath_is_followed_too(lab):
    """As `pip install --target` leaves it."""
    method = write(lab / "target_plugin/method.py", "from target_plugin.maths import X\n")
    write(lab / "target_plugin/__init__.py", "")
    maths = write(lab / "target_plugin/maths.py", "X = 1\n")
    install(lab, "target_plugin")
    assert maths in imported(method).files


def test_nothing_is_imported(lab, tmp_path):
    write(lab / "loud.py", "raise SystemExit('imported')\n")
    write(lab / "loud_package/__init__.py", "raise SystemExit('imported')\n")
    write(lab / "loud_package/sub.py", "")
    path = write(tmp_path / "mine.py", "import loud\nfrom loud_package import sub\n")
    assert len(imported(path).files) == 4
    assert "loud" not in sys.modules
    assert "loud_package" not in sys.modules


def test_a_byte_order_mark_changes_nothing(tmp_path):
    plain = write(tmp_path / "plain.py", "X = 1\n")
    marked = tmp_path / "marked.py"
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    assert source_hash(marked) == source_hash(plain)


@pytest.mark.parametrize(
    ("module", "decides"),
    [
        *[(f"training/{name}.py", True) for name in ("objective", "loop", "evaluator", "costs")],
        *[(name, True) for name in ("studies/tuning.py", "components/parameters.py")],
        *[(name, True) for name in ("data/vision.py", "execution/worker.py")],
        *[(name, False) for name in ("cli/live_view.py", "cli/run.py", "results/frames.py")],
        ("studies/estimate.py", False),
    ],
)
def test_the_hash_of_the_suite_is_of_what_decides_numbers(monkeypatch, tmp_path, module, decides):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "none"))  # nothing is cached
    changed = (ROOT / "suite" / module).read_bytes()
    before = suite_hash.__wrapped__()
    known, other = fingerprints.source_of, imports.Source("changed", ())
    monkeypatch.setattr(
        fingerprints, "source_of", lambda text: other if text == changed else known(text)
    )
    assert (suite_hash.__wrapped__() != before) == decides


def test_the_hash_of_the_suite_is_cached_for_the_bytes_that_it_was_made_from(monkeypatch, tmp_path):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path))
    (tmp_path / "code.py").write_text("x = 1\n")
    code = tmp_path / "code.py"
    monkeypatch.setattr(fingerprints, "suite_texts", lambda: {"code.py": code.read_bytes()})
    parsed = []
    known = fingerprints.source_of
    monkeypatch.setattr(fingerprints, "source_of", lambda text: parsed.append(text) or known(text))
    first = suite_hash.__wrapped__()
    assert suite_hash.__wrapped__() == first
    assert len(parsed) == 1
    (tmp_path / "code.py").write_text("x = 1  # the same\n")
    assert suite_hash.__wrapped__() == first
    assert len(parsed) == 2
    (tmp_path / "code.py").write_text("x = 2\n")
    assert suite_hash.__wrapped__() != first
    (tmp_path / "suite-hash.json").write_text("[")
    assert suite_hash.__wrapped__() != first


def test_what_runs_a_study_imports_only_files_that_are_hashed():
    """A new module that decides a number cannot lie where nobody looks."""
    folder = ROOT / "suite"
    starts = ("execution/worker.py", "studies/study.py", "problems/task.py")
    waiting = [folder / name for name in starts]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for level, module, names in imports.read_source(path).imports:
            if level == 0 and module.split(".")[0] == "suite":
                found = imports._files([str(folder)], module.split(".")[1:], names)
                waiting += list(found)
    assert len(reached) > 30
    unhashed = {path.relative_to(folder).as_posix() for path in reached - {*suite_files().values()}}
    # Diagnostics look at runs that are compared to the bit with those that nothing looked at.
    assert {path for path in unhashed if not path.startswith("diagnostics/")} <= {"words.py"}


def test_what_changed_is_said_in_words():
    planned = (("the source of the suite", "a"), ("package 'torch'", "2.0"))
    assert changed_part(planned, planned) is None
    assert changed_part(planned, (("the source of the suite", "b"), planned[1])) == (
        "the source of the suite"
    )
    assert changed_part(planned, (planned[0], ("package 'torch'", "3.0"))) == (
        "package 'torch' (2.0, now 3.0)"
    )
    assert changed_part(planned, planned[:1]) == "package 'torch' (2.0, now missing)"


TASK = 'task("x", p, track="mini"{})\n'


@pytest.mark.parametrize(
    "facts", [", core=True", ", core=False", ', contrast=("adamw", "sgd")', ", contrast=None"]
)
def test_the_facts_of_a_task_do_not_change_the_hash_of_its_file(facts):
    """The set of core tasks changes more often than what results of them mean."""
    bare, stated = TASK.format("").encode(), TASK.format(facts).encode()
    assert imports.source_of(stated).digest == imports.source_of(bare).digest


@pytest.mark.parametrize(
    "code", ['task("x", p, track="mini", core=f())\n', 'other("x", p, track="mini", core=True)\n']
)
def test_code_in_the_place_of_facts_does(code):
    plain = code.replace(", core=f()", "").replace(", core=True", "")
    assert imports.source_of(code.encode()).digest != imports.source_of(plain.encode()).digest
