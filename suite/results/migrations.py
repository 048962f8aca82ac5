"""Migrations: the content of a file of an older schema, in the fields of the next schema.

Each function takes the content of a file of its version and returns that of the next version; they
are applied one after the other. A file's digest is checked before, on the content of the file.
A migration moves, adds and leaves out fields. It changes no number: numbers keep the rules that
they were made under, and `suite.results.verification` knows these rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from suite.errors import InvalidResult

Content = dict[str, Any]


def migrate(content: Content, version: int, to: int) -> Content:
    """The content of a file of schema `version` as one of schema `to`."""
    for step in range(version, to):
        content = MIGRATIONS[step](content)
    return content


def _to_2(content: Content) -> Content:
    """Seed, tuning, chosen and evaluation become the one replicate.

    What schema 1 did not hold is None (the task's family, stream and core, the instruction set, the
    suite's code), empty (authors, extra work, diagnostics), or the model's default.
    """
    moved = ("seed", "tuning", "chosen", "evaluation")
    if "replicates" in content:
        raise InvalidResult("schema 1 has no 'replicates'")
    rest = {name: value for name, value in content.items() if name not in moved}
    replicate = {name: content[name] for name in moved if name in content}
    return {**rest, "schema_version": 2, "replicates": [replicate]}


def _to_3(content: Content) -> Content:
    """The protocol says that there is one replicate, and which package its sampler is from.

    Runs lose the seconds of an AdamW step: measured by the clock in a few milliseconds, they said
    more about other work on the machine than about the method.
    """
    content = {
        **content,
        "replicates": [_untimed(each) for each in _records(content, "replicates")],
    }
    protocol = content.get("protocol")
    sampler = protocol.get("sampler") if isinstance(protocol, dict) else None
    if not isinstance(protocol, dict) or not isinstance(sampler, dict):
        return {**content, "schema_version": 3}  # what is missing is reported by the model
    if "replicates" in protocol:
        raise InvalidResult("schema 2 has no 'protocol.replicates'")
    for name in ("package", "version"):
        if name in sampler:
            raise InvalidResult(f"schema 2 has no {name!r} of a sampler")
    moved = {name: value for name, value in sampler.items() if name != "optuna_version"}
    if "optuna_version" in sampler:
        moved |= {"package": "optuna", "version": sampler["optuna_version"]}
    return {
        **content,
        "schema_version": 3,
        "protocol": {**protocol, "replicates": 1, "sampler": moved},
    }


def _untimed(replicate: Content) -> Content:
    """A replicate of schema 2 without the field of schema 2."""
    for purpose in ("tuning", "evaluation"):
        runs = [_without_calibration(run) for run in _records(replicate, purpose)]
        replicate = {**replicate, purpose: runs}
    return replicate


def _without_calibration(run: Content) -> Content:
    cost = run.get("cost")
    if not isinstance(cost, dict):
        return run
    if "step_cost" in cost:
        raise InvalidResult("schema 2 has no 'step_cost'")
    kept = {name: value for name, value in cost.items() if name != "calibration_step_seconds"}
    return {**run, "cost": kept}


def _records(content: Content, name: str) -> list[Content]:
    """A field that is a list of records; raises InvalidResult if it is not."""
    found = content.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InvalidResult(f"{name} is not a list of records")
    return found


MIGRATIONS: dict[int, Callable[[Content], Content]] = {1: _to_2, 2: _to_3}
