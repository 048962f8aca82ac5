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
    return probe.once("features", _features)


def _features(probe: Probe) -> dict[str, Tensor]:
    found = entering(probe, probe.batch[0])
    if not found:
        raise NotApplicable("the model has no second layer of matrices or filters")
    return {name: rows(tensor) for name, tensor in found.items()}


def entering(probe: Probe, inputs: Tensor) -> dict[str, Tensor]:
    """By layer, the tensor that enters it for these inputs, as it is.

    The first layer of all gets the inputs, or what a fixed rule makes of them, except where they
    are symbols, which an embedding learns.
    """
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
            probe.model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


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
    tensor = entering(probe, probe.batch[0])[name]
    return tensor.flatten(1, -2).mean(1) if tensor.ndim > 2 else tensor


def entropy_rank(matrix: Tensor) -> float:
    """exp of the entropy of the singular values' shares (Roy and Vetterli 2007); 0 of a zero."""
    values = torch.linalg.svdvals(matrix.double())
    if not values.sum() > 0:
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())
