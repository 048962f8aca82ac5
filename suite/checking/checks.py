"""The list of checks, and how one component goes through them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from suite.checking.bench import Bench, raised
from suite.checking.costs import check_charges, check_time
from suite.checking.declaration import check_declaration
from suite.checking.grounds import complex_numbers, grounds, shapes
from suite.checking.groups import check_decay, check_groups, check_rates
from suite.checking.liveness import check_hyperparameters
from suite.checking.parameters import (
    check_bfloat16,
    check_complex,
    check_frozen,
    check_shapes,
    check_without_gradient,
)
from suite.checking.repeats import check_random, check_second_trial
from suite.checking.running import (
    check_acts,
    check_batches,
    check_divergence,
    check_runs,
    check_silent,
    check_tied,
)
from suite.checking.state import check_graph, check_state
from suite.checking.subject import Subject
from suite.checking.verdict import Outcome, Verdict
from suite.checking.walk import random_state_kept
from suite.components.registry import Component
from suite.errors import NotApplicable
from suite.training.meter import TrialEnds


class Check(NamedTuple):
    """One question, and what to write where the component raises an error in answer."""

    title: str
    ask: Callable[[Bench], Iterator[Verdict]]
    cure: str = "See the line that is named."
    #: the outcome if it raises an error
    if_raised: Outcome = "problem"


CHECKS = (
    Check("declaration", check_declaration),
    Check("runs", check_runs),
    Check("hyperparameters", check_hyperparameters, "Declare only values that work."),
    Check("acts", check_acts),
    Check("rates", check_rates),
    Check("several groups", check_groups, "Step over `self.param_groups`, as torch's own do."),
    Check(
        "decoupled decay", check_decay, "Let the gradient of a parameter be 0, its norm as well."
    ),
    Check(
        "state_dict",
        check_state,
        "Keep state in `self.state[p]` and the groups: torch then saves and loads it.",
    ),
    Check("second trial", check_second_trial),
    Check("random numbers", check_random),
    Check("no gradient", check_without_gradient, "Skip parameters whose `.grad` is None."),
    Check("frozen", check_frozen, "Skip parameters whose `requires_grad` is false."),
    Check("shapes", check_shapes, "Treat a tensor of 0, 1 or more dimensions by another rule."),
    Check("tied weights", check_tied, "A tensor that two layers share is one parameter."),
    Check(
        "bfloat16",
        check_bfloat16,
        "Make state with torch.zeros_like(p); cast to float32 around torch.linalg, and back.",
    ),
    Check("complex", check_complex, "Use torch.view_as_real, or leave it so.", "warning"),
    Check("batch sizes", check_batches, "Read the size from the batch, not from `info`."),
    Check(
        "loss of NaN",
        check_divergence,
        "Return the loss at once where `not loss.isfinite()`: the suite then says it diverged.",
    ),
    Check("kept graphs", check_graph),
    Check("charges", check_charges),
    Check("time of a step", check_time),
    Check("silent", check_silent),
)
TITLES = tuple(check.title for check in CHECKS)
#: says nothing that could be wrong
INFORMATION = ("time of a step",)


def check_component(component: Component, *, titles: Collection[str] = TITLES) -> Iterator[Verdict]:
    """The verdicts on a component, each as soon as it is known; on some checks or on all.

    A component that does not run is asked nothing else.
    """
    subject = Subject(component)
    bench = Bench(subject)
    with subject.registered(*grounds(), shapes(), complex_numbers()):
        for check in CHECKS:
            if check.title in titles:
                yield from _asked(check, bench)
            if check.title == "runs" and not _walks(bench):
                return


def _walks(bench: Bench) -> bool:
    """Whether there is a ground that the component walks on."""
    try:
        bench.home  # noqa: B018, it is computed once
    except (TrialEnds, Exception):
        return False
    return True


def _asked(check: Check, bench: Bench) -> list[Verdict]:
    """The answers to one question, whatever happens in the component."""
    found: list[Verdict] = []
    printed = io.StringIO()
    with (
        redirect_stdout(printed),
        redirect_stderr(printed),
        warnings.catch_warnings(),
        random_state_kept(),
    ):
        warnings.simplefilter("ignore")
        try:
            found.extend(check.ask(bench))
        except NotApplicable as error:
            found.append(Verdict(check.title, "not applicable", str(error)))
        except TrialEnds as error:
            cure = "Bound what one step may ask for."
            found.append(Verdict(check.title, "problem", f"in one step, {error}", cure))
        except Exception as error:
            notes = "; ".join(getattr(error, "__notes__", ()))
            seen = f"{notes}: {raised(error)}" if notes else raised(error)
            found.append(Verdict(check.title, check.if_raised, seen, check.cure))
    bench.printed += printed.getvalue()
    return found
