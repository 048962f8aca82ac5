"""What to write when an optimizer of a library fails for a reason that its error does not say.

Libraries are written for a loop that calls `loss.backward()` and `optimizer.step()`, for a list of
their own groups, or for several processes. Their errors name the operation that failed, not the
line of a submission that prevents it.
"""

from __future__ import annotations

import functools
import linecache
import re
import traceback
from collections.abc import Callable

from suite.training.refused_shape import advice_on_shape

#: characters of a reason, advice included
LONGEST_REASON = 2_000

_BY_ROLE = (
    "Give it the parameters that it can train and another optimizer the rest: "
    'matrices = [p for p in params if p.role == "hidden" and p.ndim == 2], others are all others, '
    "and build returns suite.Combined(Method(matrices, lr=lr), torch.optim.AdamW(others, lr=...))"
)
_IN_BUILD = (
    "Register a function instead of the class: def build(params, lr): return Method(params, ...). "
    "If it has arguments named info, model or named_parameters, it gets the suite.TaskInfo, the "
    "model, or a list of (name, parameter)"
)
_MATRICES = (
    r"only (supports?|works|handles?)[^.]*(2-?D|matri)|[Ee]xpected? (a )?(2-?D|matrix)|"
    r"must be (a )?(2-?D|matrix|matrices)|at least 2 dimensions|"
    r"2D parameters|^AssertionError: assert .*(ndim|shape|dim\(\))"
)
_OTHER_SHAPES = (
    r"mat1 and mat2 shapes|doesn't match the broadcast shape|must match the size of tensor"
)
#: for these, the class and the parameter are named where both are known
_ON_SHAPES = (_MATRICES, _OTHER_SHAPES)

#: where it is raised ("build", "step" or "" for anywhere), what the reason looks like, the advice
_ADVICE: tuple[tuple[str, str, str], ...] = (
    (
        "",
        r"does not require grad and does not have a grad_fn|does not have grad_fn|create_graph",
        "Gradients have no graph here. Register the optimizer with create_graph=True: gradients "
        "can then be differentiated, and each evaluation costs 3. Or ask for the product itself in "
        "a subclass's step: objective.hvp(vector)",
    ),
    (
        "",
        r"Tensor\.__contains__ only supports",
        "The optimizer takes parameter groups with entries of its own, such as use_muon, and no "
        "list of parameters. Make them in build: "
        'chosen = [p for p in params if p.role == "hidden" and p.ndim == 2]; '
        "rest = [p for p in params if not any(p is c for c in chosen)]; "
        'return Method([{"params": chosen, "use_muon": True, "lr": lr}, '
        '{"params": rest, "use_muon": False, "lr": ...}])',
    ),
    ("", _MATRICES, _BY_ROLE),
    (
        "step",
        _OTHER_SHAPES,
        "If it cannot train parameters of every shape, such as filters of a convolution: "
        + _BY_ROLE[0].lower()
        + _BY_ROLE[1:],
    ),
    (
        "build",
        r"(too many|not enough) values to unpack|cannot unpack",
        "If it takes pairs of a name and a parameter, register a function with an argument of this "
        "name: def build(params, lr, named_parameters): return Method(named_parameters, lr=lr)",
    ),
    ("build", r"missing \d+ required|got multiple values for argument", _IN_BUILD),
    (
        "build",
        r"unexpected keyword argument",
        "Every name in search is an argument of build. " + _IN_BUILD,
    ),
    (
        "build",
        r"empty parameter list",
        "Some models have no parameter of a role: make a group or an optimizer only of parameters "
        "that exist",
    ),
    (
        "",
        r"process group|init_process_group|MASTER_ADDR|RANK expected",
        "This class is for several processes, and the suite trains in one. Use the library's class "
        "for a single device, if it has one",
    ),
    (
        "",
        r"no parameter group of the optimizer has '",
        "Keep it in the groups, super().__init__(params, {name: value}), and read it there in "
        "every step; or use the method without a schedule",
    ),
    (
        "",
        r"no attribute '(train|eval)'|\b(train|eval)\(\) (takes|got|missing)",
        "The suite calls train() and eval() of an optimizer that has them around each evaluation. "
        "Override both with `pass` in a subclass if there is nothing to switch",
    ),
    (
        "",
        r"dense gradients",
        "All gradients are dense here: the method cannot be compared in this suite",
    ),
    (
        "step",
        r"^NotImplementedError: $",
        "The optimizer has no step to call: it trains in a way of its own, such as in its backward "
        "pass. Write its update as step(self, closure) of a subclass",
    ),
)


def advised(reason: Callable[[BaseException], str]) -> Callable[[BaseException], str]:
    """A function that makes a reason of an error, with what to write at its end."""

    @functools.wraps(reason)
    def with_advice(error: BaseException) -> str:
        text = reason(error)
        try:
            advice = advice_for(error, f"{type(error).__name__}: {error}{asserted(error)}")
        except Exception:  # an error whose text cannot be made has no advice
            return text
        if not advice:
            return text
        return f"{text[: LONGEST_REASON - len(advice) - 2].rstrip('.')}. {advice}"

    return with_advice


def advice_for(error: BaseException, text: str) -> str:
    """One or two sentences that say what to write; empty if nothing is known."""
    stage = _stage(error)
    if not stage:
        return ""
    for where, pattern, advice in _ADVICE:
        if where in ("", stage) and re.search(pattern, text):
            of_shape = pattern in _ON_SHAPES and advice_on_shape(error, text)
            return of_shape or advice
    return advice_on_shape(error, text)


def _stage(error: BaseException) -> str:
    """Whether a method was built or stepped, or did something else, when the error was raised."""
    names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    if "_build_optimizer" in names:
        return "build"
    return "step" if names & {"take", "build", "_train", "_make_steps"} else ""


def asserted(error: BaseException) -> str:
    """The assertion that failed, if the error has no text."""
    frames = traceback.extract_tb(error.__traceback__)
    if str(error) or not frames:
        return ""
    line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()
    code = line.partition(" #")[0].strip()
    return code[:200] if code.startswith("assert ") else ""
