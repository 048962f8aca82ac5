"""Trials on a CPU compute with one instruction set, whatever the processor has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import measure_tolerances
from scripts.measure_tolerances import otherwise
from suite import instruction_set
from suite.errors import UsageError
from suite.execution.inline import InlineExecutor
from suite.home import ROOT

HAS_AVX2 = bool(instruction_set.settings())

#: trials long enough for differences of rounding to grow
TRIAL = """
import json, sys
from dataclasses import replace
from pathlib import Path
{before}
import suite
import torch
from suite.components.method import make_method
from suite.home import data_folder
from suite.studies.plan import find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.training.loop import run_trial

torch.set_num_threads(1)
found = []
for task in ("mnist1d_short", "rotated_digits", "hierarchical_polynomial_short"):
    method = make_method("adamw")
    plan = make_plan(method, find_task(task), get_protocol("quick"), seed=0, device="cpu",
                     threads=1, results=Path("unused"), data=data_folder(None))
    plan.task.problem.prepare(plan.data)
    trial = replace(plan.trial(0, "evaluation", 0, method.defaults), sources=())
    run = run_trial(trial).run
    assert run.status == "completed", run.traceback
    found.append([run.curve.test, run.validation_score])
print(json.dumps([torch.backends.cpu.get_cpu_capability(), found]))
"""


def ran(tmp_path: Path, before: str = "", **variables: str) -> str:
    """What a process of its own prints."""
    unset = {
        name: value for name, value in os.environ.items() if name not in instruction_set.SETTINGS
    }
    done = subprocess.run(
        [sys.executable, "-c", TRIAL.format(before=before)],
        env={**unset, "SUITE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory) -> str:
    """What a process prints that knows nothing of this test."""
    return ran(tmp_path_factory.mktemp("home"))


@pytest.mark.skipif(not HAS_AVX2, reason="the processor has no AVX2")
def test_a_processor_with_fewer_instructions_gives_the_same_bits(
    as_it_is: str, tmp_path: Path
) -> None:
    """MKL is told that there is no more than AVX2, as on an older processor."""
    assert as_it_is.startswith('["AVX2"')
    assert ran(tmp_path, MKL_ENABLE_INSTRUCTIONS="AVX2") == as_it_is


@pytest.mark.skipif(not HAS_AVX2, reason="the processor has no AVX2")
def test_the_test_above_would_see_other_bits(as_it_is: str, tmp_path: Path) -> None:
    """With other kernels, which every processor has, the two are not equal.

    Those for AVX-512 are another matter: one maker's processors have them, and equal bits.
    """
    narrow = measure_tolerances.SETTINGS["compatible"]
    other = ran(tmp_path, f"import os, suite\nos.environ.update({narrow!r})")
    assert other.startswith('["DEFAULT"')
    assert other.replace("DEFAULT", "AVX2") != as_it_is


def test_tolerances_are_measured_with_other_instructions(tmp_path: Path) -> None:
    """In the process of `suite verify`, and in those that it starts: each imports the suite."""
    environment = otherwise(tmp_path, measure_tolerances.SETTINGS["compatible"])
    said = "import suite, torch; print(torch.backends.cpu.get_cpu_capability())"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {said!r}]); {said}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["DEFAULT", "DEFAULT"]


def test_settings_need_a_processor_that_has_the_instructions(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name : Old\nflags\t\t: fpu sse sse2 avx\n")
    assert instruction_set.settings(info) == {}
    info.write_text("model name : New\nflags\t\t: fpu avx avx2 avx512f\n")
    assert instruction_set.settings(info) == instruction_set.SETTINGS
    assert instruction_set.settings(tmp_path / "none") == {}


def test_trials_in_a_process_that_computed_otherwise_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(instruction_set, "in_use", lambda: "AVX2")
    monkeypatch.setattr(instruction_set, "here", lambda: "AVX512")
    with pytest.raises(UsageError, match="import suite before torch computes"):
        InlineExecutor()
