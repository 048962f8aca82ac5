"""No trial finds what another left behind, and no method changes another's numbers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.components.method import make_method
from suite.execution.executor import Ended, Job
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter
from suite.results.model import Result, Run
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import Silent, run_studies
from tests.commands import TINY, suite
from tests.methods import write_method

#: what a step leaves behind
LEFTOVERS = {
    "patched function": ("import torch.nn.functional as F", "F.relu = torch.sigmoid"),
    "patched module": ("torch.nn.Linear.forward = lambda self, x: x @ self.weight.T",),
    "patched optimizer": ("torch.optim.SGD.step = lambda self, closure: closure()",),
    "patched objective": (
        "from suite.training.objective import Objective",
        "Objective.__call__ = lambda self: torch.zeros(())",
    ),
    "patched evaluator": (
        "from suite.training.evaluator import Evaluator",
        "Evaluator.measure = lambda self, progress: {}",
    ),
    "module hook": (
        "from torch.nn.modules import module",
        "module.register_module_forward_hook(lambda m, i, o: o * 1.5)",
    ),
    "precision": ("torch.set_float32_matmul_precision('medium')",),
    "autocast": ("torch.autocast('cpu', torch.bfloat16).__enter__()",),
    "default device": ("torch.set_default_device('meta')",),
    "default dtype": ("torch.set_default_dtype(torch.float64)",),
    "gradients off": ("torch.set_grad_enabled(False)",),
    "not deterministic": ("torch.use_deterministic_algorithms(False)",),
    "anomalies": ("torch.autograd.set_detect_anomaly(True)",),
    "signals": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "os.chdir('/')"),
    "environment": ("os.environ.clear()", "sys.path.clear()", "sys.modules.pop('random', None)"),
    "registry": (
        "from suite.components import registry",
        "registry._registry.found.clear()",
        "registry._registry.loaded.clear()",
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUITE_HOME", str(tmp_path_factory.mktemp("home")))
        yield tmp_path_factory.mktemp("folder")


@pytest.fixture(scope="module")
def executor(home) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(1, Starter(1, home / "workers.log"))
    yield executor
    executor.close()


def plan(method: str, folder: Path, protocol: str = "smoke", seed: int = 0) -> Plan:
    return make_plan(
        make_method(method),
        find_task(TINY),
        get_protocol(protocol),
        seed=seed,
        device="cpu",
        threads=1,
        results=folder,
        data=folder,
    )


def trial_of(executor: LocalExecutor, plan: Plan, audited: bool = True) -> Run:
    """The trial of the declared defaults."""
    trial = plan.trial(0, "tuning", 0, plan.method.defaults)
    if not audited:
        trial = dataclasses.replace(trial, audited=None)
    executor.submit(Job(plan.identity, trial, plan.task, 60.0))
    while True:
        event = executor.next_event(10.0)
        if isinstance(event, Ended):
            return event.outcome.run


def numbers(run: Run) -> tuple[object, ...]:
    return run.status, run.reason, run.curve.validation, run.curve.train_loss, run.cost.examples


@pytest.fixture(scope="module")
def undisturbed(executor, home) -> Run:
    return trial_of(executor, plan("sgd", home))


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_a_trial_leaves_behind_changes_no_other(executor, undisturbed, home, tmp_path, name):
    method = write_method(tmp_path, name.replace(" ", "_"), *LEFTOVERS[name])
    trial_of(executor, plan(method, home))  # however it ends
    assert undisturbed.status == "completed"
    assert numbers(trial_of(executor, plan("sgd", home))) == numbers(undisturbed)


#: a cache of weights in the module: the next trial would start from them
CACHE = """
import torch
from suite import optimizer, search

KEPT = []


class Method(torch.optim.SGD):
    def step(self, closure):
        parameters = self.param_groups[0]["params"]
        if KEPT and len(KEPT) == len(parameters) and not self.state:
            for parameter, kept in zip(parameters, KEPT):
                parameter.data.copy_(kept)
        loss = super().step(closure)
        KEPT[:] = [parameter.detach().clone() for parameter in parameters]
        return loss


optimizer("caches", Method, paper="none", url="", summary="Keeps its weights.",
          search={"lr": search.log_uniform(1e-3, 1e-1, default=1e-2),
                  "momentum": search.uniform(0.1, 0.9, default=0.5)})
"""

#: Grokfast as its README says it: the filter's state is a variable of the module
GLOBAL_GRADIENTS = """
from suite import optimizer, search
import torch

slow = None


class Method(torch.optim.SGD):
    def step(self, closure):
        global slow
        loss = closure()
        parameters = self.param_groups[0]["params"]
        slow = slow or [p.grad.clone() for p in parameters]
        for i, p in enumerate(parameters):
            slow[i] = 0.98 * slow[i] + 0.02 * p.grad
            p.grad.add_(slow[i], alpha=2.0)
        return super().step() or loss


optimizer("grokfast", Method, paper="none", url="", summary="Filters gradients.",
          search={"lr": search.log_uniform(1e-3, 1e-1, default=1e-2)})
"""


@pytest.mark.parametrize(("name", "source"), [("caches", CACHE), ("grokfast", GLOBAL_GRADIENTS)])
def test_state_in_a_module_makes_no_difference_to_any_number_of_jobs(home, tmp_path, name, source):
    method = tmp_path / f"{name}.py"
    method.write_text(source)
    found: list[Result] = []
    for jobs in (1, 2, 3):
        executor = LocalExecutor(jobs, Starter(1, tmp_path / "workers.log"))
        try:
            folder = tmp_path / str(jobs)
            study = plan(str(method), folder, "quick")
            found += run_studies([study], executor, jobs, Silent(), force=True)
        finally:
            executor.close()
    assert {run.status for run in found[0].tuning_runs} == {"completed"}
    assert len({run.validation_score for run in found[0].tuning_runs}) == 18
    assert found[0].comparable() == found[1].comparable() == found[2].comparable()


IMPORTED = """
import torch
import torch.nn.functional as F

torch.set_float32_matmul_precision("medium")
torch.set_default_dtype(torch.float64)
torch.optim.SGD.step = lambda self, closure: closure()
torch.nn.ReLU.forward = lambda self, inputs: torch.sigmoid(inputs)
F.cross_entropy = lambda outputs, targets: outputs.sum()
"""


def test_what_the_file_of_one_method_does_when_imported_changes_no_other(tmp_path):
    method = Path(write_method(tmp_path, "patches", "pass"))
    method.write_text(method.read_text() + IMPORTED)
    for folder, methods in (("alone", ("sgd",)), ("beside", (str(method), "sgd"))):
        chosen = [part for name in methods for part in ("--optimizer", name)]
        done = suite(
            *("run", *chosen, "--task", TINY, "--protocol", "smoke", "--jobs", "1"),
            *("--results", str(tmp_path / folder)),
            home=tmp_path / folder / "home",
        )
        assert "sgd on tiny_blobs: wrote" in done.stderr, done.stderr
    alone, beside = (
        Result.model_validate_json((tmp_path / f / "tiny_blobs" / "sgd.smoke.json").read_bytes())
        for f in ("alone", "beside")
    )
    assert alone.evaluation_runs[0].status == "completed"
    assert beside.comparable() == alone.comparable()


NO_FORKS = """
import os

if "NO_FORKS" in os.environ:
    import suite.execution.processes

    suite.execution.processes.can_fork = lambda device: False
"""


def test_on_a_gpu_each_study_has_a_process_of_its_own(home, tmp_path, monkeypatch):
    """Acted out on the CPU: a new process for another study, and after a failure."""
    (tmp_path / "sitecustomize.py").write_text(NO_FORKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NO_FORKS", "1")
    seen = tmp_path / "seen"
    note = f"print(os.getpid(), file=open({str(seen)!r}, 'a'))"
    once = "if not hasattr(self, 'noted'):"
    noting = write_method(tmp_path, "notes", once, "    self.noted = True", f"    {note}")
    fails = write_method(tmp_path, "fails", note, "raise ValueError")
    executor = LocalExecutor(1, Starter(1, tmp_path / "workers.log"))
    try:
        first, other = plan(noting, home), plan(noting, home, seed=1)
        ends = [
            trial_of(executor, each, audited=False).status
            for each in (first, first, other, first, plan(fails, home), plan(fails, home))
        ]
    finally:
        executor.close()
    assert ends == ["completed"] * 4 + ["failed"] * 2
    pids = seen.read_text().split()
    same = [a == b for a, b in itertools.pairwise(pids)]
    assert same == [True, False, False, False, False]


def test_two_seeds_and_two_protocols_of_one_method_run_together(executor, home, tmp_path):
    plans = [
        plan("sgd", tmp_path, "smoke"),
        plan("sgd", tmp_path, "smoke", seed=1),
        plan("sgd", tmp_path, "quick"),
    ]
    together = run_studies(plans, executor, 3, Silent())
    assert [(r.seed, r.protocol.name) for r in together] == [
        (0, "smoke"),
        (1, "smoke"),
        (0, "quick"),
    ]
    for each, result in zip(plans, together, strict=True):
        alone = run_studies([each], executor, 1, Silent(), force=True)[0]
        assert alone.comparable() == result.comparable()
