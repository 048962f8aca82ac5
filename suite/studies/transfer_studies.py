"""The studies that decide a rule of scaling, and those that say whether a gain survives size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from suite.components import registry
from suite.components.method import parse_method
from suite.components.rules import Rule, Size, Transfer
from suite.errors import UsageError
from suite.problems.task import Task
from suite.studies.claim_studies import Studies
from suite.studies.plan import make_plan
from suite.studies.protocol import get_protocol
from suite.studies.sweep import transfer_rules


@dataclass(frozen=True)
class TransferStudies(Studies):
    """A rule with its sizes, and a study of each size, the base first."""

    transfer: Transfer


@dataclass(frozen=True)
class GainStudies(Studies):
    """A task and another size of it, and the studies of two methods that they lack."""

    base: str
    task: str


def resolved(rule: Rule) -> Transfer:
    """A rule with the facts of its tasks, and the protocols of its studies.

    Raises UsageError, with the rule's file, for a name that is unknown, for what cannot be swept,
    and for a prediction that fails.
    """
    try:
        space = parse_method(rule.method).distributions()
        sizes, protocols = [], []
        for name, sets in rule.sizes:
            task = registry.get("task", name)
            sizes.append(
                Size(
                    task=name,
                    batch_size=task.batch_size,
                    budget=task.budget,
                    examples=_whole(task, "train"),
                    width=_whole(task, "width"),
                    sets=sets,
                )
            )
            protocols.append(transfer_rules(space, rule.hyperparameter, rule.bounds, sets).name)
    except UsageError as error:
        raise UsageError(f"{rule.path}: rule {rule.name!r}: {error}") from None
    found = Transfer(rule, tuple(sizes), tuple(protocols))
    try:
        for number in found.predicted:
            found.factor(number, 1.0)
    except Exception as error:  # the rule's own code
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise UsageError(f"{rule.path}: rule {rule.name!r}: its prediction fails: {said}") from None
    return found


def _whole(task: Task, name: str) -> int | None:
    """What a problem says of itself, by the usual name; None if it does not."""
    value = getattr(task.problem, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def studies_of_rule(
    transfer: Transfer, *, results: Path, data: Path, device: str = "auto"
) -> TransferStudies:
    """The studies of a rule: one for each size."""
    rule = transfer.rule
    method = parse_method(rule.method)
    space = method.distributions()
    plans = [
        make_plan(
            method,
            registry.get("task", size.task),
            transfer_rules(space, rule.hyperparameter, rule.bounds, size.sets),
            seed=0,
            device=device,
            threads=1,
            results=results,
            data=data,
        )
        for size in transfer.sizes
    ]
    return TransferStudies(tuple(plans), transfer)


def sizes_of_tasks(tasks: Iterable[Task]) -> list[tuple[Task, Task]]:
    """Every task that is another size of one, as (base, other); sorted by both names.

    A task whose base is not there is left out.
    """
    by_name = {task.name: task for task in tasks}
    pairs = [(by_name[task.size_of], task) for task in by_name.values() if task.size_of in by_name]
    return sorted(pairs, key=lambda pair: (pair[0].name, pair[1].name))


def studies_of_gain(
    method: str,
    rival: str,
    pair: tuple[Task, Task],
    lacking: Iterable[Task],
    protocol: str,
    *,
    results: Path,
    data: Path,
    device: str = "auto",
) -> GainStudies:
    """The studies that compare a method with its rival on those of two sizes that lack results."""
    rules = get_protocol(protocol)
    plans = [
        make_plan(
            parse_method(name), task, rules, seed=0, device=device, threads=1, results=results,
            data=data,
        )
        for task in lacking
        for name in (method, rival)
    ]  # fmt: skip
    return GainStudies(tuple(plans), pair[0].name, pair[1].name)
