"""Calibration: what the scores of a task are worth, measured by the script and kept."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard import references
from leaderboard.references import CORE_RUNS, CORE_SPREADS, errors_apart
from scripts.calibrate import (
    APART,
    REPLICATES,
    check_same,
    contrast_of,
    new_reference,
    without_folders,
)
from scripts.write_task_table import PAGE, page
from suite.components import registry
from suite.errors import SuiteError
from tests.commands import ROOT, TINY, environment
from tests.samples import make_result

SCRIPT = ROOT / "scripts" / "calibrate.py"
#: only claims are tested on it: what tuned AdamW reaches there varies more than the ends are apart
NO_SCALE = ("large_solution",)
MINI = [
    task
    for task in registry.load_all("task")[0]
    # Other sizes of a task are compared with it, and have no scale of their own.
    if task.track == "mini" and not task.size_of and task.name not in NO_SCALE
]
REFERENCES = references.load()
#: their references are of the version that is registered; older ones are shown nowhere
CURRENT = [task for task in MINI if REFERENCES[task.name].task_version == task.version]


def test_standard_errors_between_two_means():
    # variances 1 and 4, four values each: the error is sqrt(1/4 + 4/4)
    one, other = [9.0, 10.0, 10.0, 11.0], [0.0, 0.0, 0.0, 4.0]
    expected = 9 / math.sqrt((2 / 3) / 4 + 4.0 / 4)
    assert errors_apart(one, other) == pytest.approx(expected)
    assert errors_apart(other, one) == pytest.approx(-expected)
    assert errors_apart([2.0, 2.0], [1.0, 1.0]) == math.inf


def test_core_tasks_are_calibrated_and_no_reference_is_of_a_version_to_come():
    assert {task.name for task in MINI if task.core} <= {task.name for task in CURRENT}
    assert all(REFERENCES[task.name].task_version <= task.version for task in MINI)


@pytest.mark.parametrize("task", CURRENT, ids=lambda task: task.name)
def test_a_calibration_is_of_the_task_as_it_is(task):
    reference = REFERENCES[task.name]
    measured = reference.calibration
    assert measured.target == task.target
    contrast = measured.contrast
    assert (contrast.better, contrast.worse) == contrast_of(task)
    sign = 1 if task.score.higher_is_better else -1
    assert sign * contrast.errors_apart >= APART
    # Deviation and target are those of the AdamW that is the scale's 1.
    assert measured.scores == reference.tuned.every_run
    ends = errors_apart(reference.tuned.units, reference.untuned.units)
    assert sign * ends >= APART


@pytest.mark.parametrize("task", [t for t in MINI if t.core], ids=lambda task: task.name)
def test_the_ends_of_a_core_tasks_scale_are_far_apart(task):
    """A scale that is noise would rank methods by luck."""
    reference = REFERENCES[task.name]
    assert (reference.protocol, reference.protocol_version) == ("reference", 2)
    assert reference.spreads_apart >= CORE_SPREADS
    for end in (reference.untuned, reference.tuned):
        assert len(end.every_run) >= CORE_RUNS
    assert len(reference.tuned.runs) == REPLICATES
    assert len(reference.calibration.contrast.better_scores) == REPLICATES


def test_the_core_is_cheap_and_of_all_families():
    """Each of some two hundred methods takes 21 trials of each of its tasks under quick."""
    core = [task for task in MINI if task.core]
    assert 14 <= len(core) <= 18
    families = Counter(task.family for task in core)
    assert len(families) == 5
    assert set(families.values()) <= {3, 4}
    assert sum(REFERENCES[task.name].calibration.trial_seconds for task in core) <= 12.0


def test_a_recorded_command_names_no_folder_of_a_machine():
    said = ["--references", "/a/b", "digits", "--data-dir=/c", "--replicates", "5", "--replace"]
    assert without_folders(said) == ["digits", "--replicates", "5", "--replace"]


def test_a_task_without_a_contrast_is_refused():
    task = registry.load_file(TINY)[0]
    with pytest.raises(SuiteError, match="declares no contrast"):
        contrast_of(task)


def run(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment(home), capture_output=True, text=True, timeout=300
    )


def test_the_script_measures_a_task(tmp_path):
    text = Path(TINY).read_text(encoding="utf-8").replace("tiny_blobs", "wide_blobs")
    # More held-out points, so that seeds differ less.
    text = text.replace("draw(128)", "draw(4096)")
    file = tmp_path / "wide_blobs.py"
    facts = 'track="mini",\n    contrast=("adamw", "mezo"),'
    file.write_text(text.replace('track="mini",', facts), encoding="utf-8")
    path = tmp_path / "references.json"
    command = [sys.executable, str(SCRIPT), str(file), "--references", str(path)]
    command += ["--replicates", "5"]
    done = run(command, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "adamw over mezo by" in done.stdout
    reference = references.load(path)["wide_blobs"]
    assert (reference.protocol, reference.protocol_version) == ("reference", 2)
    assert [len(scores) for scores in reference.tuned.runs] == [2] * 5
    assert [len(scores) for scores in reference.untuned.runs] == [20]
    measured = reference.calibration
    assert measured.scores == reference.tuned.every_run
    assert measured.contrast.better_scores == reference.tuned.scores
    assert len(measured.contrast.worse_scores) == 5
    # Each replicate has its own hyperparameters, except the first trial's, which are the defaults.
    chosen = [str(each) for each in reference.tuned.hyperparameters]
    assert len(chosen) == 5
    assert len(set(chosen)) > 1

    again = run(command, tmp_path / "home")
    assert again.returncode == 0, again.stderr
    kept = references.load(path)["wide_blobs"]
    assert (kept.tuned, kept.untuned, kept.frozen) == (
        reference.tuned,
        reference.untuned,
        reference.frozen,
    )


#: digits' loss, lower being better: 0.2 apart, and both ends spread by 0.05
TUNED = make_result(protocol="standard", scores=[0.05, 0.05, 0.10, 0.15, 0.15])
UNTUNED = make_result(protocol="standard", scores=[0.25, 0.25, 0.30, 0.35, 0.35])


def test_a_core_task_whose_ends_are_few_spreads_apart_is_refused():
    task = registry.get("task", "digits")
    with pytest.raises(SuiteError, match=r"4\.0 spreads apart .* a core task takes 6"):
        new_reference(task, TUNED, UNTUNED)
    assert new_reference(replace(task, core=False), TUNED, UNTUNED).tuned.mean == pytest.approx(0.1)


def test_ends_that_are_few_errors_apart_are_no_scale():
    task = registry.get("task", "digits")
    with pytest.raises(SuiteError, match=r"-6\.3 standard errors .* too close"):
        new_reference(task, UNTUNED, TUNED)


def test_ends_that_are_frozen_are_those_of_the_same_runs():
    """Spread and target of one AdamW beside the ends of another would be a muddle."""
    frozen = new_reference(replace(registry.get("task", "digits"), core=False), TUNED, UNTUNED)
    check_same(frozen, TUNED)
    others = [{"adamw": {"lr": 1.0}}] * 5
    for changes, complaint in (
        ({"tuned": frozen.tuned.model_copy(update={"hyperparameters": others})}, "other hyper"),
        ({"data_fingerprint": "ab" * 8}, "frozen on other data"),
        ({"protocol_version": 1}, "version 1 of the protocol, and this is version 2"),
    ):
        with pytest.raises(SuiteError, match=complaint):
            check_same(frozen.model_copy(update=changes), TUNED)


def test_the_page_of_tasks_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python scripts/write_task_table.py"
