"""Studies for `compare_samplers.py` and `tuning_variance.py`: each run is made once and kept.

AdamW, SGD, Lion and Muon on five cheap tasks, under ten replicate seeds, each tuned with the Sobol
sequence and with TPE. After every trial that is the best so far, its configuration is evaluated
with two evaluation seeds. Both scripts take what is kept below the suite's home folder, and run the
rest; interrupt and start them again at will. Runs are kept for one code of task and method, version
of the protocol and Python; delete the folder `sampled_studies` after an edit of the suite.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from suite.components.method import make_method
from suite.home import data_folder, home
from suite.results.model import Purpose
from suite.studies.journal import Journal
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import Sampler, get_protocol
from suite.studies.tuning import best, propose
from suite.training.loop import run_trial

TASKS = ("split_digits", "xor_cluster", "digits", "matrix_sensing", "sparse_parity")
METHODS = ("adamw", "sgd", "lion", "muon")
#: tuning trials of a study; the Sobol sequence's first ones do not depend on their number
TRIALS: Mapping[Sampler, int] = {"sobol": 8, "tpe": 8}
REPLICATES = 10
EVALUATIONS = 2


class Evaluated(NamedTuple):
    """What a study would publish if it ended after some trial."""

    validation: float
    #: with each evaluation seed
    test: tuple[float, ...]


@dataclass(frozen=True)
class Studies:
    """The studies of one method on one task."""

    task: str
    method: str
    higher_is_better: bool
    #: by sampler and replicate: what would be published after 1 trial, 2 trials, and so on
    published: Mapping[tuple[Sampler, int], list[Evaluated]]

    def sign(self) -> float:
        """Multiplied by it, more is better."""
        return 1.0 if self.higher_is_better else -1.0


def all_studies(jobs: int, tasks: tuple[str, ...], methods: tuple[str, ...]) -> list[Studies]:
    """The studies of every method on every task, `jobs` of these pairs at a time."""
    pairs = [(task, method) for task in tasks for method in methods]
    with ProcessPoolExecutor(jobs) as pool:
        found = []
        for number, studies in enumerate(pool.map(_studies, pairs), start=1):
            click.echo(f"{number}/{len(pairs)} {studies.method} on {studies.task}", err=True)
            found.append(studies)
    return found


def _studies(pair: tuple[str, str]) -> Studies:
    runs = _Runs(*pair)
    published = {
        (sampler, replicate): list(runs.after_each_trial(sampler, replicate))
        for sampler in TRIALS
        for replicate in range(REPLICATES)
    }
    return Studies(*pair, runs.plan.task.score.higher_is_better, published)


class _Runs:
    """The runs of one method on one task, in their journal."""

    def __init__(self, task: str, method: str) -> None:
        self.plan = _plan(task, method)
        self.plan.task.problem.prepare(self.plan.data)
        code = json.dumps([self.plan.identity, platform.python_version()])
        name = f"{method}.{hashlib.sha256(code.encode()).hexdigest()[:12]}.journal"
        path = home() / "sampled_studies" / task / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(path)
        self._kept = {json.dumps(entry["run"]): entry for entry in self._journal.entries}

    def after_each_trial(self, sampler: Sampler, replicate: int) -> Iterator[Evaluated]:
        """What a study would publish after 1 trial, 2 trials, and so on."""
        plan, method = self.plan, self.plan.method
        rules = replace(plan.rules, sampler=sampler, trials=TRIALS[sampler])
        if sampler == "tpe":
            rules = replace(rules, generation=4)
        tried: list[tuple[dict[str, Any], float]] = []
        while len(tried) < rules.trials:
            seed = plan.replicate_seed(replicate)
            proposed = propose(method.distributions(), rules, seed, plan.direction, list(tried))
            for flat in proposed:
                entry = self._run(replicate, "tuning", 0, flat)
                tried.append((flat, entry["validation"]))
                chosen, score = tried[best([s for _, s in tried], plan.task.score.higher_is_better)]
                evaluated = (
                    self._run(replicate, "evaluation", number, chosen)["test"]
                    for number in range(EVALUATIONS)
                )
                yield Evaluated(score, tuple(evaluated))

    def _run(
        self, replicate: int, purpose: Purpose, number: int, flat: dict[str, Any]
    ) -> dict[str, Any]:
        """The scores of a run, which is made unless it is kept."""
        run = [replicate, purpose, number, flat]
        key = json.dumps(run)
        if key not in self._kept:
            nested = self.plan.method.nested(flat)
            trial = replace(self.plan.trial(replicate, purpose, number, nested), sources=())
            ended = run_trial(trial).run
            entry = {"run": run, "validation": ended.validation_score, "test": ended.test_score}
            self._journal.append(entry)
            self._kept[key] = entry
        return self._kept[key]


def _plan(task: str, method: str) -> Plan:
    warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
    return make_plan(
        make_method(method),
        find_task(task),
        get_protocol("standard"),
        seed=0,
        device="cpu",
        threads=1,
        results=Path("unused"),
        data=data_folder(None),
    )


def mean(values: list[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)


def variance(values: list[float]) -> float:
    """The unbiased variance."""
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
