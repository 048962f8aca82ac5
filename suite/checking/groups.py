"""Whether rates are read from the parameter groups, where schedules change them, at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from suite.checking.bench import Bench, of_optimizers, placed
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk, copies, same

_BEFORE, _AFTER = 3, 5
_READ = (
    "Read it from the group at each step, `group[{key!r}]`: a value that was kept when the "
    "optimizer was built is none that a schedule can change."
)


@of_optimizers("rates", "groups are the optimizer's")
def check_rates(bench: Bench) -> Iterator[Verdict]:
    """A rate that changes during training takes another trajectory."""
    yield _check_rate(bench, "lr", lambda group: group["lr"] * 0.5)
    groups = bench.walk().optimizer.param_groups
    if any("weight_decay" in group for group in groups):
        yield _check_rate(bench, "weight_decay", lambda group: group["weight_decay"] * 3 + 0.1)


def _check_rate(bench: Bench, key: str, changed: Callable[[dict[str, Any]], Any]) -> Verdict:
    title = f"{key} at each step"
    walk = bench.walk()
    expected = bench.walked(*bench.home)
    walk.start()
    found = []
    for number in range(_BEFORE + _AFTER):
        if number == _BEFORE:
            groups = [group for group in walk.optimizer.param_groups if key in group]
            if not groups:
                walk.close()
                seen = f"no parameter group has {key!r}: no schedule can change it"
                cure = f"Keep it in the groups: super().__init__(params, {{{key!r}: ...}})."
                return Verdict(title, "warning", seen, cure)
            for group in groups:
                group[key] = changed(group)
        walk.step()
        found.append(walk.show())
    walk.close()
    after = zip(found[_BEFORE:], expected[_BEFORE:], strict=False)
    if any(not same(one, other) for one, other in after):
        return Verdict(title, "ok", f"a change of {key} in step {_BEFORE + 1} acts")
    seen = f"a change of group[{key!r}] in step {_BEFORE + 1} changes no bit of {_AFTER} steps"
    return Verdict(title, "problem", seen, _READ.format(key=key))


class _Acts(NamedTuple):
    """On what a change of the second group's rate acts."""

    own: bool
    others: bool
    #: whether the second group's parameters move at all
    trained: bool


@of_optimizers("several groups", "groups are the optimizer's")
def check_groups(bench: Bench) -> Iterator[Verdict]:
    """The rate of one parameter group acts on that group, and on no other."""
    title = "several groups"
    try:
        acts = _rate_acts(bench, 0.5)
    except (AssertionError, NotImplementedError, ValueError) as error:
        if "group" not in str(error):
            raise
        yield Verdict(title, "warning", f"refuses them: {error}", "Say so in the docstring.")
        return
    if acts is None:
        yield Verdict(title, "not applicable", "no group has a rate")
    elif not acts.trained:
        seen = "the parameters of a second group do not move"
        cure = "Step over `self.param_groups`, not over a list that was kept from before."
        yield Verdict(title, "problem", seen, cure)
    elif acts.own:
        also = "and, by what the step decides for all, on others" if acts.others else "alone"
        yield Verdict(title, "ok", f"the rate of a group acts on that group {also}")
    else:
        zero = _rate_acts(bench, 0.0)
        only = zero is not None and zero.own
        what = "another group" if acts.others else "no group"
        seen = f"half the rate of the second group acts on {what}" + ", a rate of 0 does" * only
        cure = (
            'Use each group\'s own rate, group["lr"], or raise a ValueError that says which groups '
            "the method cannot have."
        )
        yield Verdict(title, "warning" if only else "problem", seen, cure)


def _rate_acts(bench: Bench, factor: float) -> _Acts | None:
    """Compare two walks in two groups, in one of which the second group's rate changes."""
    walks = [_in_groups(bench) for _ in range(2)]
    if walks[0].optimizer.param_groups[-1].get("lr") is None:
        return None
    with placed(*bench.home, ", where the parameters are in two groups"):
        for number in range(3):
            if number == 2:
                before = copies(walks[0].module)
                walks[1].optimizer.param_groups[-1]["lr"] *= factor
            for walk in walks:
                _step_alone(walk)
    for walk in walks:
        walk.close()
    second = {id(p) for p in walks[0].optimizer.param_groups[-1]["params"]}
    one, other = (list(walk.module.parameters()) for walk in walks)
    differs = {id(p): not torch.equal(p, q) for p, q in zip(one, other, strict=True)}
    return _Acts(
        own=any(differs[i] for i in second),
        others=any(found for i, found in differs.items() if i not in second),
        trained=any(
            not torch.equal(p, was) for p, was in zip(one, before, strict=True) if id(p) in second
        ),
    )


def _step_alone(walk: Walk) -> None:
    """A step that draws the random numbers that the other walk's draws."""
    torch.manual_seed(walk.count)
    walk.step()


def _in_groups(bench: Bench) -> Walk:
    """A walk whose parameters are in two groups at least."""
    walk = bench.walk().start()
    optimizer = walk.optimizer
    if len(optimizer.param_groups) > 1:
        return walk
    for owner in {id(o): o for o in (*getattr(optimizer, "optimizers", ()), optimizer)}.values():
        groups = owner.param_groups
        whole = groups[0]
        parameters: list[nn.Parameter] = whole["params"]
        if len(parameters) < 2:
            continue
        half = len(parameters) // 2
        whole["params"] = parameters[:half]
        second = {**whole, "params": parameters[half:]}
        groups.append(second)
        if owner is not optimizer:
            optimizer.param_groups.append(second)
        return walk
    return walk


@of_optimizers("decoupled decay", "decay is the optimizer's")
def check_decay(bench: Bench) -> Iterator[Verdict]:
    """`decoupled_weight_decay` in the groups says what happens to a weight without gradient."""
    title = "decoupled decay"
    space = bench.subject.component.search.get("weight_decay")
    values = (
        {} if space is None else {"weight_decay": max(bench.subject.other_values("weight_decay"))}
    )

    idle = nn.Linear(6, 5, bias=False)

    def add_idle(model: nn.Module) -> None:
        model.idle = idle

    walk = bench.walk(change_model=add_idle, values=values)
    weight = idle.weight
    groups = [g for g in walk.optimizer.param_groups if any(p is weight for p in g["params"])]
    group = groups[0] if groups else {}
    if not group.get("weight_decay"):
        walk.close()
        yield Verdict(title, "not applicable", "a hidden matrix has no weight decay in its group")
        return
    walk.start()
    exact, in_proportion = True, True
    for _ in range(4):
        before = weight.detach().double().clone()
        rate = float(group["lr"]) * float(group["weight_decay"])
        walk.step()
        now = weight.detach().double()
        share = float(1 - (now * before).sum() / before.square().sum())
        least = 1e-6 * float(before.abs().max())
        exact = exact and _near(now, before * (1 - rate), 1e-2 * rate * before.abs().max() + least)
        in_proportion = in_proportion and share > 0 and _near(now, before * (1 - share), least)
    walk.close()
    stated = bool(group.get("decoupled_weight_decay"))
    if stated and not exact:
        how = "by another share than" if in_proportion else "not by"
        yield Verdict(
            title,
            "warning" if in_proportion else "problem",
            "the group says decoupled_weight_decay, and a weight without gradient shrinks "
            f"{how} lr * weight_decay",
            "Take lr * weight_decay * w away with the group's values, or leave the statement out.",
        )
    elif exact and not stated:
        yield Verdict(
            title,
            "warning",
            "a weight without gradient shrinks by lr * weight_decay, and the group does not say so",
            'If the decay is decoupled, set group["decoupled_weight_decay"] = True: hooks of the '
            "update then leave it alone.",
        )
    else:
        said = "decoupled, as the group says" if stated else "not decoupled, and not said to be"
        yield Verdict(title, "ok", said)


def _near(found: Tensor, expected: Tensor, distance: Tensor | float) -> bool:
    return bool((found - expected).abs().max() <= distance)
