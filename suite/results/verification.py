"""Whether a result can be believed: everything in it that can be computed again is checked.

A digest only shows that nobody edited a file; it is not a secret, and anyone can compute a new
digest for an edited file. Anyone can repeat these checks without training. Checked are what follows
from the file itself (`suite.results.checks`), the configurations that the sampler proposes for the
recorded scores, and the records of the task and of the components, as they are registered here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite.components import registry
from suite.components.method import Method
from suite.components.registry import Component
from suite.components.search import Distribution
from suite.errors import InvalidResult, SuiteError
from suite.problems.score import Direction
from suite.problems.task import Task
from suite.results.checks import CHECKS, points_are_those_of_the_task
from suite.results.model import Result
from suite.studies.plan import Plan, make_plan
from suite.studies.protocol import PROTOCOLS, StudyRules
from suite.studies.tuning import propose, sampler_record


def check_consistency(result: Result, *, ours: bool = False) -> list[str]:
    """Raise InvalidResult with the first field that is wrong; return notes on what was not checked.

    A task or component that is not registered here is noted. With `ours`, for the results of this
    checkout, it is refused: these are results of what the checkout holds.
    """
    for check in CHECKS:
        _raise_first(check(result))
    notes = _check_proposals(result)
    return notes + _check_records(result, ours)


def _raise_first(problems: Iterator[str]) -> None:
    problem = next(problems, None)
    if problem is not None:
        raise InvalidResult(problem)


# -- the sampler ----------------------------------------------------------------------------------


def _check_proposals(result: Result) -> list[str]:
    """Ask the sampler again, with the recorded scores; a note if that sampler is not available."""
    rules = result.protocol
    known = PROTOCOLS.get(rules.name)
    if known is None or known.version != rules.version:
        return [
            f"the sampler's proposals were not checked: protocol {rules.name} version "
            f"{rules.version} is not that of this suite"
        ]
    made, here = rules.sampler, sampler_record(known.sampler)
    if made.version != here.version:
        return [
            f"the sampler's proposals were not checked: of {made.package} {made.version}, here is "
            f"{here.version}"
        ]
    _raise_first(proposals_are_the_samplers(result))
    return []


def proposals_are_the_samplers(result: Result) -> Iterator[str]:
    """Every generation of tuning trials is what the sampler proposes after those before it."""
    rules, space = recorded_rules(result), _space(result)
    direction: Direction = "maximize" if result.task.higher_is_better else "minimize"
    for at, replicate in enumerate(result.replicates):
        tried = [(_flat(run.hyperparameters), run.validation_score) for run in replicate.tuning]
        for first in range(0, rules.trials, rules.generation):
            proposed = propose(space, rules, replicate.seed, direction, tried[:first])
            for number, follows in enumerate(proposed, start=first):
                if tried[number][0] != follows:
                    yield (
                        f"replicates.{at}.tuning.{number}.hyperparameters: the sampler proposes "
                        f"{follows}, the file says {tried[number][0]}"
                    )
                    return


def recorded_rules(result: Result) -> StudyRules:
    """The recorded rules as those of a protocol of this suite."""
    record = result.protocol
    return replace(
        PROTOCOLS.get(record.name, next(iter(PROTOCOLS.values()))),
        name=record.name,
        version=record.version,
        replicates=record.replicates,
        trials=record.trials,
        seeds=record.seeds,
        generation=record.generation,
        budget_fraction=record.budget_fraction,
        ranked=record.ranked,
    )


def _space(result: Result) -> dict[str, Distribution]:
    return {
        f"{component.name}.{name}": Distribution(
            space.kind,
            space.default,
            space.low,
            space.high,
            None if space.choices is None else tuple(space.choices),
        )
        for component in result.method.components
        for name, space in component.search_space.items()
    }


def _flat(nested: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{c}.{n}": value for c, values in nested.items() for n, value in values.items()}


# -- what is registered here ----------------------------------------------------------------------


def _check_records(result: Result, ours: bool) -> list[str]:
    """Compare the task and the components with those that are registered, if they are the same."""
    record = result.task
    task: Task | None = registered("task", record.name)
    if task is None or record.version > task.version:
        version = "" if task is None else f" version {record.version}"
        return _not_here(f"the task '{record.name}'{version} is not registered here", ours)
    if record.version < task.version:
        return [f"an older version of {record.name}: {record.version}, here it is {task.version}"]
    if result.migrated_from == 1:
        raise InvalidResult(
            f"schema_version: {result.migrated_from} is older than version {record.version} of "
            f"{record.name}. Run it again"
        )
    _raise_first(task_record_is_registered(result, task))
    share = record.budget / task.budget
    _raise_first(points_are_those_of_the_task(result, max(1, round(task.evaluations * share))))
    components, notes = _components(result, ours)
    if components and components[0].kind == "optimizer":  # else its records cannot be made
        _raise_first(component_records_are_registered(result, task, components))
    return notes


def registered(kind: str, name: str) -> Any:
    """The task or component of that name as it is here; None if none can be used."""
    try:
        return registry.get(kind, name)
    except SuiteError:
        return None


def _not_here(what: str, ours: bool) -> list[str]:
    if ours:
        raise InvalidResult(f"{what}, and this folder is for what is")
    return [f"{what}: its records were not compared"]


def task_record_is_registered(result: Result, task: Task) -> Iterator[str]:
    """The whole record is the registered task's, except whether it counts for the track."""
    follows = _plan(result, task, Method(())).task_record().model_dump(exclude={"core"})
    said = result.task.model_dump(exclude={"core"})
    for field, value in follows.items():
        if not _same_value(said[field], value):
            yield (
                f"task.{field}: the file says {said[field]!r}, version {task.version} of "
                f"{task.name} here has {value!r}"
            )


def _components(result: Result, ours: bool) -> tuple[list[Component], list[str]]:
    """The registered components of the recorded versions, and notes on the others."""
    found, notes = [], []
    for record in result.method.components:
        component: Component | None = registered(record.kind, record.name)
        if component is None or record.version > component.version:
            version = "" if component is None else f" version {record.version}"
            what = f"the {record.kind} '{record.name}'{version} is not registered here"
            notes += _not_here(what, ours)
        elif record.version < component.version:
            notes.append(
                f"an older version of {record.name}: {record.version}, here it is "
                f"{component.version}"
            )
        else:
            found.append(component)
    return found, notes


def component_records_are_registered(
    result: Result, task: Task, components: list[Component]
) -> Iterator[str]:
    """The whole record of each of these components is that of the registered one."""
    records = {record.name: record for record in result.method.components}
    for here in _plan(result, task, Method(tuple(components))).method_record().components:
        said = records[here.name].model_dump()
        for field, value in here.model_dump().items():
            if said[field] != value:
                yield (
                    f"method.{here.name}.{field}: the file says {_short(said[field])}, version "
                    f"{here.version} here has {_short(value)}"
                )


def _plan(result: Result, task: Task, method: Method) -> Plan:
    return make_plan(
        method,
        task,
        recorded_rules(result),
        seed=result.seed,
        device="cpu",
        threads=1,
        results=Path(),
        data=Path(),
    )


def _same_value(said: Any, follows: Any) -> bool:
    if isinstance(said, float) and isinstance(follows, float):
        return math.isclose(said, follows, rel_tol=1e-9)
    return bool(said == follows)


def _short(value: Any, most: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"
