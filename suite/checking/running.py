"""Whether a component runs, and does something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from suite.checking.bench import Bench, at, placed
from suite.checking.grounds import grounds
from suite.checking.models import Words
from suite.checking.subject import Way
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk, all_finite, copies, moved, same
from suite.errors import NotApplicable


def check_runs(bench: Bench) -> Iterator[Verdict]:
    """Steps on every ground: no error, and weights that move and stay finite."""
    runs: list[str] = []
    refused: dict[str, str] = {}
    for task in grounds():
        for way in bench.subject.ways:
            try:
                with placed(way, task):
                    bench.walked(way, task, steps=None if not runs else 6)
            except NotApplicable as error:
                refused.setdefault(task.summary, str(error))
            else:
                runs.append(task.summary)
    if not runs:
        reason = next(iter(refused.values()))
        cure = "Refuse less; if it is right, it needs a ground that suits it (checking/grounds.py)."
        yield Verdict("runs", "problem", f"nowhere: {reason}", cure)
        return
    walk = bench.walk()
    before = copies(walk.module)
    walk.trajectory()
    if not all_finite(walk.module):
        seen = f"weights are not finite after {walk.count} steps {at(*bench.home)}"
        yield Verdict("runs", "warning", seen, "Choose defaults that do not diverge.")
        return
    if not moved(before, walk.module):
        seen = f"no weight moved in {walk.count} steps {at(*bench.home)}"
        yield Verdict("runs", "problem", seen, "Write the update into the parameters in place.")
        return
    said = [f"on {', '.join(dict.fromkeys(runs))}"]
    reasons = dict.fromkeys(why for where, why in refused.items() if where not in runs)
    said += [f"not elsewhere: {why}" for why in reasons]
    yield Verdict("runs", "ok", "; ".join(said))


def check_acts(bench: Bench) -> Iterator[Verdict]:
    """A regularizer or schedule changes what the optimizer alone would do."""
    if bench.subject.is_optimizer:
        yield Verdict("acts", "not applicable", "an optimizer")
        return
    tried = []
    for way, task in bench.places():
        alone = Way(way.components[:1])
        found = bench.walked(way, task)
        for one, other in zip(found, bench.walked(alone, task), strict=True):
            same_shape = one[0].shape == other[0].shape
            if not (same_shape and same(one, other)):
                yield Verdict("acts", "ok", f"changes the trajectory {at(way, task)}")
                return
        tried.append(task.summary)
    if bench.acts:
        yield Verdict("acts", "ok", "at other hyperparameters than the defaults")
        return
    schedule = bench.subject.component.kind == "schedule"
    yield Verdict(
        "acts",
        "note" if schedule else "problem",
        f"the same bits as without it, on {', '.join(dict.fromkeys(tried))}",
        "" if schedule else "See that the suite calls it: hooks are overridden by their names.",
    )


def check_silent(bench: Bench) -> Iterator[Verdict]:
    """Nothing is printed: the log of a trial holds 1 MB."""
    printed = bench.printed.strip()
    if printed:
        seen = f"{len(printed.splitlines())} lines, the first: {printed.splitlines()[0][:80]}"
        yield Verdict("silent", "problem", seen, "Remove what prints during training.")
        return
    yield Verdict("silent", "ok", "prints nothing")


def check_batches(bench: Bench) -> Iterator[Verdict]:
    """Batches of other sizes, the last one of a single example."""
    sizes = (16, 5, 16, 1, 16)
    walk = bench.walk(change_batch=lambda n, b: tuple(t[: sizes[n % 5]] for t in b))
    with placed(*bench.home, ", batches of 16, 5 and 1 examples"):
        walk.trajectory(len(sizes))
    if all_finite(walk.module):
        yield Verdict("batch sizes", "ok", "batches of 16, 5 and 1 examples")
        return
    yield Verdict(
        "batch sizes",
        "problem",
        "weights are not finite after a batch of 5 or 1 examples",
        "Let no deviation over a batch of one example divide anything.",
    )


def check_divergence(bench: Bench) -> Iterator[Verdict]:
    """Weights that are NaN raise nothing: the suite then says that the trial diverged."""
    walk = bench.walk().start()
    for _ in range(2):
        walk.step()
    with torch.no_grad():
        for parameter in walk.module.parameters():
            parameter.fill_(float("nan"))
    with placed(*bench.home, ", after the loss became NaN"):
        for _ in range(12):
            walk.step()
    walk.close()
    yield Verdict("loss of NaN", "ok", "no error after the loss became NaN")


def check_tied(bench: Bench) -> Iterator[Verdict]:
    """An embedding that is the head's matrix, too, stays one tensor."""
    task = next(task for task in grounds() if task.name.endswith("words"))
    way = bench.home[0]
    walk = Walk(way, task)
    with placed(way, task):
        walk.start()
        for _ in range(4):
            walk.step()
    walk.close()
    model = cast(Words, walk.module)
    head, embedding = cast(Tensor, model.head.weight), model.embedding.weight
    if head is embedding or torch.equal(head, embedding):
        yield Verdict("tied weights", "ok", "stay tied")
    else:
        yield Verdict(
            "tied weights",
            "problem",
            "an embedding and the head that shares its matrix have become two",
            "Change the values of a parameter in place, and leave shared ones as they are.",
        )
