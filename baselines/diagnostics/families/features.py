"""Features: what enters the layers of a network after the first, on the probing batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite import NotApplicable, Probe

#: rows that a matrix of features has at most
ROWS = 2048
_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)


def features(probe: Probe) -> dict[str, Tensor]:
    """By layer, what enters it: (rows, units), without a graph.

    Of linear layers and convolutions, in the order of the forward pass, without those that get the
    network's inputs themselves. Rows are examples, or their positions; a convolution's units are
    channels, and its rows positions. Costs 1/3, once an evaluation. Raises NotApplicable if there
    is no such layer.
    """
    found = probe.once("features", lambda p: {n: rows(t) for n, t in _forward(p)[0].items()})
    if not found:
        raise NotApplicable("the model has no second layer of matrices or filters")
    return found


def compared(probe: Probe) -> tuple[Tensor, Tensor]:
    """Outputs without a graph, and targets, as the task compares them.

    Of the same forward pass as `features`.
    """
    return _forward(probe)[1]


def _forward(probe: Probe) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    return probe.once("forward", _passed)


def _passed(probe: Probe) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """By layer, the tensor that enters it, as it is; and what comes out at the end.

    The first layer of all gets the inputs, or what a fixed rule makes of them, except where they
    are symbols, which an embedding learns.
    """
    inputs = probe.batch[0]
    found: dict[str, Tensor] = {}
    called: list[str] = []

    def keep(name: str, channels: bool, module: nn.Module, given: tuple[Any, ...]) -> None:
        called.append(name)
        first = name == called[0] and inputs.is_floating_point()
        if given and isinstance(given[0], Tensor) and not (first or _shared(given[0], inputs)):
            tensor = given[0].detach()
            found[name] = tensor.movedim(1, -1) if channels else tensor

    handles = [
        module.register_forward_pre_hook(
            partial(keep, name, isinstance(module, nn.modules.conv._ConvNd))
        )
        for name, module in probe.model.named_modules()
        if isinstance(module, _LAYERS)
    ]
    try:
        with torch.no_grad():
            outputs = probe.compared()
    finally:
        for handle in handles:
            handle.remove()
    return found, outputs


def leaving(probe: Probe, inputs: Tensor) -> dict[str, Tensor]:
    """By layer, what it makes of these inputs, as it is, in the order of the forward pass."""
    found: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, given: Any, output: Tensor) -> None:
        found[name] = output.detach()

    handles = [
        module.register_forward_hook(partial(keep, name))
        for name, module in probe.model.named_modules()
        if isinstance(module, _LAYERS)
    ]
    try:
        with torch.no_grad():
            probe.model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _shared(given: Tensor, inputs: Tensor) -> bool:
    """Whether a tensor is the inputs, or a view of them."""
    return given.untyped_storage().data_ptr() == inputs.untyped_storage().data_ptr()


def rows(tensor: Tensor) -> Tensor:
    """A tensor with units last as a matrix, of evenly spaced rows if there are too many."""
    flat = tensor.flatten(0, -2)
    return flat[:: max(1, -(-len(flat) // ROWS))]


def last(probe: Probe) -> Tensor:
    """The features that enter the last layer, one row an example: the mean over its positions."""
    name = list(features(probe))[-1]
    tensor = _forward(probe)[0][name]
    return tensor.flatten(1, -2).mean(1) if tensor.ndim > 2 else tensor


def singular_values(matrix: Tensor) -> Tensor:
    """Singular values in double precision, rising, by the smaller Gram matrix.

    Its rounding is 1e-8 of the largest value: below that of float32 features, and many times as
    fast as a decomposition of the matrix itself.
    """
    wide = matrix.double()
    gram = wide.T @ wide if wide.shape[0] >= wide.shape[1] else wide @ wide.T
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()


def entropy_rank(matrix: Tensor) -> float:
    """exp of the entropy of the singular values' shares (Roy and Vetterli 2007); 0 of a zero."""
    return entropy_of(singular_values(matrix))


def entropy_of(values: Tensor) -> float:
    """The same from the singular values."""
    if not values.sum() > 0:
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())
