"""Calibration: what the scores of a task are worth, measured by the script and kept."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard import references
from leaderboard.references import errors_apart
from scripts.calibrate import APART, contrast_of, without_folders
from scripts.write_task_table import PAGE, page
from suite.components import registry
from suite.errors import SuiteError
from tests.commands import ROOT, TINY, environment

SCRIPT = ROOT / "scripts" / "calibrate.py"
MINI = [task for task in registry.load_all("task")[0] if task.track == "mini"]
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
    # Spread and target are those of the AdamW that is the scale's 1.
    assert measured.scores == reference.tuned.scores
    ends = errors_apart(reference.tuned.scores, reference.untuned.scores)
    assert sign * ends >= APART


def test_a_recorded_command_names_no_folder_of_a_machine():
    said = ["--results", "/a/b", "digits", "--data-dir=/c", "--protocol", "quick", "--replace"]
    assert without_folders(said) == ["digits", "--protocol", "quick", "--replace"]


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
    command += ["--results", str(tmp_path / "results")]
    done = run(command, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "adamw over mezo by" in done.stdout
    reference = references.load(path)["wide_blobs"]
    assert reference.protocol == "quick"
    measured = reference.calibration
    assert len(measured.scores) == len(reference.untuned.scores) == 8
    assert len(measured.contrast.better_scores) == len(measured.contrast.worse_scores) == 5
    assert measured.scores == reference.tuned.scores
    assert measured.scores[:5] == measured.contrast.better_scores
    files = {file.name for file in (tmp_path / "results" / "wide_blobs").iterdir()}
    assert files == {"adamw.quick.json", "mezo.quick.json"}

    again = run(command, tmp_path / "home")
    assert again.returncode == 0, again.stderr
    kept = references.load(path)["wide_blobs"]
    assert (kept.tuned, kept.untuned, kept.frozen) == (
        reference.tuned,
        reference.untuned,
        reference.frozen,
    )

    # Spread and target of one AdamW beside the ends of another would be a muddle.
    other = reference.tuned.model_copy(update={"hyperparameters": {"adamw": {"lr": 1.0}}})
    references.save({"wide_blobs": reference.model_copy(update={"tuned": other})}, path)
    refused = run(command, tmp_path / "home")
    assert refused.returncode == 1
    assert "deviation and target would be another AdamW's" in refused.stderr
    elsewhere = reference.model_copy(update={"data_fingerprint": "ab" * 8})
    references.save({"wide_blobs": elsewhere}, path)
    assert "frozen on other data" in run(command, tmp_path / "home").stderr
    replaced = run([*command, "--replace"], tmp_path / "home")
    assert replaced.returncode == 0, replaced.stderr
    assert references.load(path)["wide_blobs"].tuned == reference.tuned


def test_the_page_of_tasks_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python scripts/write_task_table.py"
