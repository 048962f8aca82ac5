"""Whether an optimizer's state is whole, and free of graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from suite.checking.bench import Bench, of_optimizers, placed
from suite.checking.verdict import Verdict
from suite.checking.walk import Saved, Walk, same

#: steps before the state is taken: no multiple of a usual interval
_BEFORE = 7
_CURE = (
    "Keep everything that a step reads, counts of steps as well, in `self.state[p]` or the groups, "
    "or override state_dict and load_state_dict."
)
#: nodes of a graph that are counted, at most
_MOST = 20_000


@of_optimizers("state_dict", "a regularizer keeps its state in its instance")
def check_state(bench: Bench) -> Iterator[Verdict]:
    """`state_dict` taken during training, in a new instance, goes on to the same bits."""
    title = "state_dict"
    way, task = bench.home
    expected = bench.walked(way, task)
    first = bench.walk().start()
    for _ in range(_BEFORE):
        first.step()
        first.show()
    with placed(way, task, f", state_dict after {_BEFORE} steps"):
        saved = Saved(first)
    first.close()
    second = Walk(way, task, batches=first.batches)
    with placed(way, task, f", after load_state_dict of the state of step {_BEFORE}"):
        saved.load(second)
        for number in range(_BEFORE, len(expected)):
            second.step()
            if not same(second.show(), expected[number]):
                second.close()
                seen = (
                    f"taken after {_BEFORE} steps and loaded into a new instance, it goes on to "
                    f"other bits in step {number + 1}{_attributes(first.optimizer)}"
                )
                yield Verdict(title, "problem", seen, _CURE)
                return
    second.close()
    yield Verdict(title, "ok", f"taken after {_BEFORE} steps, it goes on to the same bits")


def _attributes(optimizer: torch.optim.Optimizer) -> str:
    """What an optimizer keeps in attributes of its own, for the message."""
    own = set(vars(optimizer)) - set(vars(torch.optim.SGD([torch.zeros(1)], lr=0.1)))
    kept = [n for n in sorted(own) if isinstance(vars(optimizer)[n], (int, float, dict, list))]
    return f" (it keeps {', '.join(kept)} in attributes)" if kept else ""


def check_graph(bench: Bench) -> Iterator[Verdict]:
    """What is kept between steps holds no graph that grows."""
    walk = bench.walk().start()
    sizes = []
    for number in range(12):
        walk.step()
        if number in (5, 11):
            sizes.append(_graph_nodes(_kept(walk)))
    walk.close()
    if sizes[1] > sizes[0]:
        seen = f"kept tensors hold graphs of {sizes[0]} nodes after 6 steps, {sizes[1]} after 12"
        cure = "Detach what is kept between steps, or compute it under torch.no_grad()."
        yield Verdict("kept graphs", "problem", seen, cure)
    else:
        yield Verdict("kept graphs", "ok", "no graph grows from step to step")


def _kept(walk: Walk) -> list[Any]:
    kept: list[Any] = [walk.optimizer.state, vars(walk.optimizer)]
    for regularizer in walk.parts.regularizers:
        kept += [value for name, value in vars(regularizer).items() if name != "objective"]
    return [*kept, *walk.module.parameters(), *(p.grad for p in walk.module.parameters())]


def _graph_nodes(kept: list[Any]) -> int:
    """Nodes of the graphs of all tensors in nested containers."""
    waiting, seen, nodes = list(kept), set[int](), set[Any]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, torch.Tensor):
            if item.grad_fn is not None:
                nodes.add(item.grad_fn)
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set)):
            waiting += list(item)
        elif isinstance(item, torch.optim.Optimizer):
            waiting += [item.state, vars(item)]
    todo = list(nodes)
    while todo and len(nodes) < _MOST:
        for node, _ in todo.pop().next_functions:
            if node is not None and node not in nodes:
                nodes.add(node)
                todo.append(node)
    return len(nodes)
