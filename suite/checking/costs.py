"""What a component costs: its charges against its operations, and the time of its step."""

from __future__ import annotations

import time
from collections.abc import Iterator

from suite.checking.bench import Bench, at
from suite.checking.subject import PLAIN, Way
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk
from suite.problems.task import Task
from suite.training.audit import LIMIT, measure
from suite.training.trial import Trial

#: steps that are timed, after as many that are not
_TIMED = 12


def check_charges(bench: Bench) -> Iterator[Verdict]:
    """Operations grow with the batch as charges do: the audit that every study makes."""
    title = "charges"
    way, task = bench.home
    trial = Trial(
        task=task.name,
        components=way.names,
        hyperparameters=way.hyperparameters({}),
        number=0,
        seed=0,
        purpose="tuning",
    )
    record = measure(trial)
    declared = bench.subject.component.extra_work
    if record.slope is None:
        yield Verdict(title, "not applicable", f"no operation is counted {at(way, task)}")
    elif record.slope > LIMIT and not declared:
        yield Verdict(
            title,
            "problem",
            f"computes {record.slope:.2f} times what it is charged for {at(way, task)}",
            "Ask the objective for the work (hvp, jvp, loss), or declare the reason: "
            'extra_work="...".',
        )
    else:
        why = f", declared: {declared}" if record.slope > LIMIT else ""
        yield Verdict(title, "ok", f"{record.slope:.2f} of what is charged is computed{why}")


def check_time(bench: Bench) -> Iterator[Verdict]:
    """The time of a step in units of AdamW's on the same ground, in this process."""
    way, task = bench.home
    own, plain = _seconds(way, task), _seconds(Way((PLAIN,)), task)
    seen = f"{own / plain:.1f} times that of torch's AdamW {at(way, task)} ({own * 1e3:.2g} ms)"
    yield Verdict("time of a step", "note", seen)


def _seconds(way: Way, task: Task) -> float:
    walk = Walk(way, task).start()
    for _ in range(_TIMED):
        walk.step()
    least = float("inf")
    for _ in range(_TIMED):
        began = time.perf_counter()
        walk.step()
        least = min(least, time.perf_counter() - began)
    walk.close()
    return least
