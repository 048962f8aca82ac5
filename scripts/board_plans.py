"""The studies of a board: what is done, what is left in which order, and why some cannot be.

The cheapest come first, but by methods: a method is ranked once it has all tasks of a board, so its
studies stand together, and a method that costs less stands before one that costs more.
"""

from __future__ import annotations

import functools
import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from leaderboard import references
from scripts.boards import FIRST, Asked, Board
from suite.components import registry
from suite.components.method import Method, parse_method
from suite.errors import NotApplicable, SuiteError
from suite.home import ROOT, data_folder
from suite.problems.task import Task
from suite.results import files
from suite.results.model import Result
from suite.studies.identity import is_of
from suite.studies.journal import Journal
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.training import setup

State = Literal["done", "missing", "stale", "failed", "not applicable"]

_MEASURED = ROOT / "docs" / "methods.json"
#: the line of a stopped study that names the error
_REFUSED = re.compile(rf"^\s*{NotApplicable.__name__}: ", re.MULTILINE)
#: seconds of a trial on a task that has not been calibrated
_UNKNOWN_SECONDS = 5.0
#: what a trial takes beside training: its process, its data, its share of the study's audits
_AROUND_SECONDS = 0.15
#: what share of an AdamW trial of a mini task is AdamW's own step
_STEP_SHARE = 0.3
#: trial seconds over AdamW's where nothing was measured: of an optimizer whose step needs a
#: network, and of what a regularizer adds
_UNKNOWN_RATIO = 3.0
_REGULARIZED = 1.2


@dataclass
class Entry:
    """One study of a board. Only what is missing is run."""

    plan: Plan
    state: State
    #: why it failed, is stale or is not applicable
    reason: str = ""
    #: a file of earlier code, which the new result replaces
    old: Path | None = None
    #: seconds that it should take with one trial at a time
    seconds: float = 0.0
    #: of a study that is done: seconds of one trial
    trial_seconds: float | None = None


class Troubles:
    """Which studies could not be run, and why; kept on disk, for the code that it happened with."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._reasons = {str(e["study"]): str(e["reason"]) for e in self._journal.entries}

    def reason(self, plan: Plan) -> str | None:
        """Why the study failed with the present code; None if it did not."""
        return self._reasons.get(plan.journal.name)

    def keep(self, plan: Plan, reason: str) -> None:
        """Remember a failure: it is on the disk when this returns."""
        key = plan.journal.name
        self._reasons[key] = reason
        self._journal.append({"study": key, "name": plan.name, "reason": reason})


def state_after(reason: str) -> State:
    """Whether a study that stopped failed, or its method refused the task in its first step."""
    return "not applicable" if _REFUSED.search(reason) else "failed"


def board_plans(
    board: Board, methods: Sequence[Method], tasks: Sequence[Task], results: Path
) -> list[Plan]:
    """Every study of a board, by methods."""
    return [_plan(method, task, board.protocol, results) for method in methods for task in tasks]


def published_plans(results: Path) -> tuple[list[Plan], dict[str, str]]:
    """The studies that a results folder holds, and those that cannot be run with the reason."""
    found, broken = {}, {}
    for path in files.find(results):
        there = files.read(path)
        name = there.method.name
        try:
            method, task = parse_method(name), find_task(there.task.name)
        except SuiteError as error:
            broken[f"{name} on {there.task.name}"] = str(error)
            continue
        plan = _plan(
            method,
            task,
            there.protocol.name,
            results,
            seed=there.seed,
            device=there.device,
            threads=there.threads,
        )
        found[plan.identity] = plan
    return list(found.values()), broken


def _plan(
    method: Method,
    task: Task,
    protocol: str,
    results: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 1,
) -> Plan:
    return make_plan(
        method,
        task,
        get_protocol(protocol),
        seed=seed,
        device=device,
        threads=threads,
        results=results,
        data=data_folder(None),
    )


def board_tasks(board: Board) -> list[Task]:
    """The tasks of a board."""
    entries, broken = registry.load_all("task")
    if broken:
        raise SuiteError(f"{broken[0].path}: {broken[0].reason}")
    return [task for task in entries if board.shows(task)]


def board_methods(board: Board, asked: Asked) -> tuple[list[Method], dict[str, str]]:
    """The methods of a board, and the reasons of those whose files cannot be used."""
    found, broken = [], {}
    for name in board.methods(asked):
        try:
            found.append(parse_method(name))
        except SuiteError as error:
            broken[name] = str(error)
    return found, broken


def entries_of(
    plans: Iterable[Plan], troubles: Troubles, *, again: bool, replace: bool
) -> list[Entry]:
    """The state of every study.

    With `again`, what failed with the present code counts as missing; with `replace`, what is
    stale.
    """
    applicable = Applicable()
    entries = [_entry(plan, troubles, applicable) for plan in plans]
    for entry in entries:
        if (again and entry.state == "failed") or (replace and entry.state == "stale"):
            entry.state = "missing"
    return entries


def _entry(plan: Plan, troubles: Troubles, applicable: Applicable) -> Entry:
    old, result = superseded(plan), plan.finished()
    if result is not None:
        return Entry(plan, "done", old=old, trial_seconds=trial_seconds(result))
    if reason := applicable.why_not(plan):
        return Entry(plan, "not applicable", reason)
    if reason := troubles.reason(plan):
        return Entry(plan, state_after(reason), reason, old)
    if old is not None:
        return Entry(plan, "stale", plan.why_own_name() or "", old)
    return Entry(plan, "missing")


def superseded(plan: Plan) -> Path | None:
    """The file of the same study and settings that other code or rules made; None if none is."""
    stem = files.file_name(plan.method.name, plan.rules.name).removesuffix(".json")
    settings = (plan.seed, plan.device, plan.threads)
    for path in sorted((plan.results / plan.task.name).glob(f"{stem}*.json")):
        there = files.read(path)
        same = (there.method.name, there.protocol.name) == (plan.method.name, plan.rules.name)
        if (
            same
            and settings == (there.seed, there.device, there.threads)
            and not is_of(plan, there)
        ):
            return path
    return None


class Applicable:
    """Whether methods can work on tasks: each is attached to the task's model, without training."""

    def __init__(self) -> None:
        self._data: dict[str, setup.Data] = {}
        torch.set_num_threads(1)

    def why_not(self, plan: Plan) -> str | None:
        """Why a method says that it cannot work on a task; None if it does not say so.

        Another error is not reported here: the study's first trial will meet it, too.
        """
        task, trial = plan.task, plan.trial(0, "tuning", 0, plan.method.defaults)
        try:
            if task.name not in self._data:
                self._data[task.name] = setup.load_data(trial, task)
            train = self._data[task.name].train
            setup.build_method(trial, task, setup.make_model(trial, task, train), train)
        except NotApplicable as error:
            return str(error)
        except Exception:
            return None
        return None


# -- how long, and in which order -----------------------------------------------------------------


def order(entries: Sequence[Entry]) -> list[Entry]:
    """Cheapest methods first, but methods that can have all tasks before those that cannot.

    Sets `seconds` of each entry: by what the method took on tasks that are done, else by a guess.
    """
    by_method: dict[str, list[Entry]] = {}
    for entry in entries:
        by_method.setdefault(entry.plan.method.name, []).append(entry)
    calibrated = {
        name: reference.calibration.trial_seconds
        for name, reference in references.load().items()
        if reference.calibration is not None
    }
    ratios = {}
    for name, own in by_method.items():
        ratio = ratios[name] = _ratio(own, calibrated)
        for entry in own:
            adamw = calibrated.get(entry.plan.task.name, _UNKNOWN_SECONDS)
            entry.seconds = (adamw * ratio + _AROUND_SECONDS) * entry.plan.trials

    def place(name: str) -> tuple[bool, int, float, str]:
        partial = any(entry.state == "not applicable" for entry in by_method[name])
        first = FIRST.index(name) if name in FIRST else len(FIRST)
        return partial, first, ratios[name], name

    return [
        entry
        for name in sorted(by_method, key=place)
        for entry in sorted(by_method[name], key=lambda entry: entry.seconds)
    ]


def _ratio(own: Sequence[Entry], calibrated: Mapping[str, float]) -> float:
    """Trial seconds of a method over AdamW's."""
    known = [
        entry.trial_seconds / calibrated[entry.plan.task.name]
        for entry in own
        if entry.trial_seconds is not None and entry.plan.task.name in calibrated
    ]
    return statistics.median(known) if known else guess(own[0].plan.method)


def guess(method: Method) -> float:
    """Trial seconds of a method over AdamW's, from the step costs in docs/methods.json."""
    optimizer, *others = method.components
    step = _steps().get(f"optimizer {optimizer.name}", {}).get("step", {}).get("1M")
    ratio = _UNKNOWN_RATIO if step is None else 1 + _STEP_SHARE * (step - 1)
    return float(ratio) * _REGULARIZED ** sum(other.kind == "regularizer" for other in others)


@functools.cache
def _steps() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_MEASURED.read_text(encoding="utf-8"))
    return found


def trial_seconds(result: Result) -> float:
    """Median seconds of a result's trials, with their evaluations."""
    runs = [*result.tuning_runs, *result.evaluation_runs]
    return statistics.median(run.cost.seconds + run.cost.evaluation_seconds for run in runs)
