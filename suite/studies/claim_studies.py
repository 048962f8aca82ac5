"""The studies that decide claims, and in which order to run them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.components import registry
from suite.components.claims import Stated
from suite.components.method import parse_method
from suite.studies.plan import Plan, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.sweep import sweep_rules


@dataclass(frozen=True)
class ClaimStudies:
    """A claim and the studies that decide it."""

    stated: Stated
    plans: tuple[Plan, ...]

    @property
    def missing(self) -> tuple[Plan, ...]:
        """Those without a result."""
        return tuple(plan for plan in self.plans if plan.finished() is None)


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
    return ClaimStudies(one, tuple(plans))


def cheapest_first(
    wanted: Sequence[ClaimStudies], seconds: Mapping[str, float]
) -> Iterator[tuple[ClaimStudies, tuple[Plan, ...], float]]:
    """Each claim with the studies that no earlier claim has run, and what these should take.

    `seconds` says what a study should take, by its identity. The next claim is always the one that
    costs least, given the studies of those before it: claims share rivals.
    """
    left = list(wanted)
    have: set[str] = set()

    def rest(item: ClaimStudies) -> tuple[Plan, ...]:
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
