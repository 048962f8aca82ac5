"""Counted operations: what a model or a method really computes, in whatever way it does so.

torch's counter sees every matrix product, convolution and attention, wherever it comes from
(parts of a model, `vmap`, double backward), and slows a small step by an order of magnitude.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from suite.training.evaluator import ModuleHooks


def _matrix_vector(matrix: Any, vector: Any, *rest: Any, **named: Any) -> int:
    return 2 * int(matrix[0]) * int(matrix[1])


def _added_matrix_vector(added: Any, matrix: Any, vector: Any, *rest: Any, **named: Any) -> int:
    return 2 * int(matrix[0]) * int(matrix[1])


def _dot(one: Any, other: Any, *rest: Any, **named: Any) -> int:
    return 2 * int(one[0])


#: products that torch's counter omits, and that small problems consist of
_MORE = {
    torch.ops.aten.mv: _matrix_vector,
    torch.ops.aten.addmv: _added_matrix_vector,
    torch.ops.aten.dot: _dot,
}


def counter() -> FlopCounterMode:
    """A context that counts floating-point operations; `get_total_flops()` returns them."""
    return FlopCounterMode(display=False, custom_mapping=_MORE)


@contextmanager
def counted_threads() -> Iterator[Callable[[], int]]:
    """Inside, new threads count what they compute: a counter sees the thread that entered it.

    Gives a function that returns the operations of all of them so far.
    """
    counters: list[FlopCounterMode] = []
    run = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def counted(thread: threading.Thread) -> None:
        with counter() as own:
            counters.append(own)
            run(thread)

    threading.Thread._bootstrap_inner = counted  # type: ignore[attr-defined]
    try:
        yield lambda: sum(int(each.get_total_flops()) for each in counters)
    finally:
        threading.Thread._bootstrap_inner = run  # type: ignore[attr-defined]


def forward_operations(model: nn.Module, hooks: ModuleHooks, inputs: Tensor | None) -> int:
    """Operations of one forward pass of a model, which is left unchanged; 0 without inputs.

    In evaluation mode, without gradients and without a method's hooks: nothing random is drawn and
    no statistics change.
    """
    if inputs is None:
        return 0
    modules = list(model.modules())
    modes = [module.training for module in modules]
    model.eval()
    hooks.switch_off(modules)
    try:
        with torch.no_grad(), counter() as operations:
            model(inputs)
    finally:
        hooks.switch_on()
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
    return int(operations.get_total_flops())
