"""Identity: what distinguishes studies, where trials are kept and where the result goes."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.errors import InvalidResult, UsageError
from suite.home import home
from suite.results import files as results
from suite.results.model import MethodRecord, ProtocolRecord, Result, TaskRecord

if TYPE_CHECKING:
    from suite.studies.plan import Plan

#: parts of a component's record that change no number
_SAID = {"components": {"__all__": {"paper", "url", "authors", "extra_work"}}}


def identity(plan: Plan) -> str:
    """A hash of all that distinguishes this study from others; file names contain its start."""
    return _identity_of_plan(plan, [*_settings(plan), *_own_time_limit(plan)])


def journal(plan: Plan) -> Path:
    """The study's storage: only the same code, packages and Python can resume it."""
    code = [plan.identity, plan.sources, platform.python_version()]
    key = hashlib.sha256(json.dumps(code).encode()).hexdigest()[:12]
    name = f"{plan.method.name}.{plan.rules.name}.{key}.journal"
    return home() / "studies" / plan.task.name / name


def result_path(plan: Plan) -> tuple[Path, Result | None]:
    """Where the result goes, and the result that is there already.

    A result of another task version, of other code of task or method, of another seed or thread
    count keeps its file; this one then gets another name. A time limit that is not the task's
    always gets another name. Raises InvalidResult if a file there cannot be read, UsageError if
    something else has the name.
    """
    own = plan.identity[:8]
    for variant in [own] if _own_time_limit(plan) else ["", own]:
        path = _path(plan, variant)
        there = _result_in(path)
        if there is None or is_of(plan, there):
            return path, there
    raise UsageError(f"{path} holds the result of another study. Move it away first.")


def why_own_name(plan: Plan) -> str | None:
    """Why the result does not go to the plain name, in words; None if it does."""
    path = _path(plan, "")
    there = None if _own_time_limit(plan) else _result_in(path)
    if there is None or is_of(plan, there):
        return None
    reasons = "; ".join(_differences(plan, there))
    return f"{path} is the result of another study and stays as it is: {reasons}"


def _path(plan: Plan, variant: str) -> Path:
    name = results.file_name(plan.method.name, plan.rules.name, variant)
    return plan.results / plan.task.name / name


def _result_in(path: Path) -> Result | None:
    """The result in a file, None if there is no file."""
    if path.is_symlink() and not path.exists():
        raise UsageError(f"{path} is a link to a file that does not exist. Delete the link first.")
    if not path.exists():
        return None
    if not path.is_file():
        raise UsageError(f"{path} is not a file, and the result goes there. Move it away first.")
    try:
        return results.read(path)
    except InvalidResult as error:
        raise InvalidResult(f"{error}\nFix, move or delete that file first.") from None


def is_of(plan: Plan, there: Result) -> bool:
    """Whether a result is that of a plan: of the same study, code and rules."""
    settings = [there.seed, there.device, there.threads]
    content = _identity_of_plan(plan, _settings(plan))
    return content == _identity(there.task, there.method, there.protocol, settings)


def _settings(plan: Plan) -> list[Any]:
    return [plan.seed, plan.device, plan.threads]


def _own_time_limit(plan: Plan) -> list[float]:
    """The time limit, unless it is the task's. A result does not hold it; its file name does."""
    return [] if plan.time_limit in (None, plan.task.time_limit) else [float(plan.time_limit)]


def _identity_of_plan(plan: Plan, settings: list[Any]) -> str:
    return _identity(plan.task_record(), plan.method_record(), plan.protocol_record(), settings)


def _identity(
    task: TaskRecord, method: MethodRecord, protocol: ProtocolRecord, settings: list[Any]
) -> str:
    said = [
        [task.name, task.version, task.fingerprint, task.batch_size, task.budget, task.target],
        method.model_dump(mode="json", exclude=_SAID),
        [protocol.name, protocol.version],
        settings,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _differences(plan: Plan, there: Result) -> Iterator[str]:
    """How a result differs from what a plan would make, in words."""
    task, record = plan.task_record(), there.task
    if record.version != task.version:
        yield f"task '{task.name}' version {record.version}, now {task.version}"
    elif record.fingerprint != task.fingerprint:
        yield (
            f"made by other code of task '{task.name}' (fingerprint {record.fingerprint}, now "
            f"{task.fingerprint})"
        )
    for was, now in zip(there.method.components, plan.method_record().components, strict=False):
        if was.source_hash != now.source_hash:
            yield (
                f"made by other code of {now.kind} '{now.name}' (source {was.source_hash}, now "
                f"{now.source_hash})"
            )
        elif was.search_space != now.search_space:
            yield f"{now.kind} '{now.name}' had another search space"
    if there.protocol.version != plan.rules.version:
        yield f"protocol version {there.protocol.version}, now {plan.rules.version}"
    for name in ("seed", "device", "threads"):
        was_set, now_set = getattr(there, name), getattr(plan, name)
        if was_set != now_set:
            yield f"{name} {was_set}, now {now_set}"
