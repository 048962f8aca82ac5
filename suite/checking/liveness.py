"""Whether every declared hyperparameter changes something."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping

from suite.checking.bench import Bench, at
from suite.checking.subject import Way
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk, first_difference
from suite.components.search import Value
from suite.errors import NotApplicable
from suite.problems.task import Task

#: steps of the walk in which what acts late is looked for
LONG = 300
#: sets of values of all other hyperparameters that are tried
_DRAWS = 4
#: seconds of computation after which no other place is tried
_SECONDS = 20.0

Values = Mapping[str, Value]


def check_hyperparameters(bench: Bench) -> Iterator[Verdict]:
    """Each hyperparameter at another value of its space takes another trajectory."""
    search = bench.subject.component.search
    if not search:
        yield Verdict("hyperparameters", "not applicable", "none are declared")
    for name in search:
        yield _check_one(bench, name)


def _check_one(bench: Bench, name: str) -> Verdict:
    title = f"hyperparameter {name}"
    tried, longest = 0, 0.0
    grounds: dict[str, None] = {}
    began = time.process_time()
    for way, task, base in _tries(bench, name):
        if tried and time.process_time() - began > _SECONDS:
            break
        longest = max(longest, task.gradient_evaluations)
        values = bench.subject.other_values(name)
        # Few are tried where many are: the ends of the space, which differ most from the default.
        few = task.gradient_evaluations >= LONG or len(base) > 1
        for value in values[-2:] if few else values:
            tried += 1
            grounds[task.summary] = None
            try:
                expected = bench.walked(way, task, base)
                step = first_difference(Walk(way, task, {**base, name: value}), expected)
            except NotApplicable:
                break
            except Exception as error:
                others = "".join(f", {n} {_short(v)}" for n, v in base.items())
                error.add_note(f"with {name} {_short(value)}{others} {at(way, task)}")
                raise
            if step is not None:
                bench.acts = True
                others = "".join(f", where {n} is {_short(v)}" for n, v in base.items())
                said = f"{_short(value)} differs in step {step} {at(way, task)}{others}"
                return Verdict(title, "ok", said)
    default = bench.subject.component.search[name].default
    return Verdict(
        title,
        "problem",
        f"no bit differs from that of the default {_short(default)} in {tried} walks on "
        f"{', '.join(grounds)}, of up to {longest:.0f} steps, also with other values of the others",
        "Use it in the update, take it out of `search`, or narrow its space to where it acts.",
    )


def _tries(bench: Bench, name: str) -> Iterator[tuple[Way, Task, Values]]:
    """Where a hyperparameter may show: likely places first."""
    places = []
    for place in bench.places():
        places.append(place)
        yield *place, {}
    search = bench.subject.component.search
    others = [other for other in search if other != name]
    bases: list[Values] = [
        {other: value} for other in others for value in bench.subject.other_values(other)
    ]
    for base in bases:
        yield *places[0], base
    ends: list[Values] = [
        {other: value} for other in others for value in bench.subject.other_values(other)[-2:]
    ]
    for base in ({}, *ends):
        yield *bench.long(LONG), base
    draw = random.Random(0)
    for place in places[:3] if len(others) > 1 else ():
        for _ in range(_DRAWS):
            yield (
                *place,
                {other: draw.choice(bench.subject.other_values(other)) for other in others},
            )


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
