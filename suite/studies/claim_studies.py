"""The studies that answer a question, such as a claim, and in which order to run them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from suite.components import registry
from suite.components.claims import Stated
from suite.components.method import parse_method
from suite.studies.plan import Plan, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.sweep import sweep_rules


@dataclass(frozen=True)
class Studies:
    """The studies that answer one question."""

    plans: tuple[Plan, ...]

    @property
    def missing(self) -> tuple[Plan, ...]:
        """Those without a result."""
        return tuple(plan for plan in self.plans if plan.finished() is None)


@dataclass(frozen=True)
class ClaimStudies(Studies):
    """A claim and the studies that decide it."""

    stated: Stated


Some = TypeVar("Some", bound=Studies)


def studies_of(
    one: Stated, protocol: str, *, results: Path, data: Path, device: str = "auto"
) -> ClaimStudies:
    """The studies of a claim: under the protocol, or a sweep where the claim needs one.

    Raises UsageError for a name that is unknown, or a method without what is to be swept.
    """
    claim = one.claim
    task = registry.get("task", claim.task)
    plans = []
    for name in one.needed:
        method = parse_method(name)
        rules = get_protocol(protocol)
        if claim.protocol:
            rules = sweep_rules(claim.protocol, method.distributions(), claim.sweep)
        plans.append(
            make_plan(
                method, task, rules, seed=0, device=device, threads=1, results=results, data=data
            )
        )
    return ClaimStudies(tuple(plans), one)


def cheapest_first(
    wanted: Sequence[Some], seconds: Mapping[str, float]
) -> Iterator[tuple[Some, tuple[Plan, ...], float]]:
    """Each question with the studies that no earlier one has run, and what these should take.

    `seconds` says what a study should take, by its identity. The next question is always the one
    that costs least, given the studies of those before it: claims share rivals, rules share sizes.
    """
    left = list(wanted)
    have: set[str] = set()

    def rest(item: Some) -> tuple[Plan, ...]:
        return tuple(
            plan for plan in item.plans if seconds.get(plan.identity) and plan.identity not in have
        )

    while left:
        costs = [sum(seconds[plan.identity] for plan in rest(item)) for item in left]
        position = min(range(len(left)), key=costs.__getitem__)
        item = left.pop(position)
        plans = rest(item)
        have.update(plan.identity for plan in plans)
        yield item, plans, costs[position]
