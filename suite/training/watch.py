"""What enters and leaves chosen layers in a forward and backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from suite.components.parameters import Layer


@dataclass
class Seen:
    """The latest forward pass through a layer, without a graph."""

    inputs: Tensor
    outputs: Tensor
    #: the gradient of the loss with respect to `outputs`; None before the backward pass
    gradients: Tensor | None = None


@contextmanager
def watching(layers: Sequence[Layer]) -> Iterator[dict[str, Seen]]:
    """Inside, the dict gets an entry for each layer by its name in every forward pass."""
    seen: dict[str, Seen] = {}

    def hook(name: str, inputs: tuple[Any, ...], output: Tensor) -> None:
        found = seen[name] = Seen(inputs[0].detach(), output.detach())
        if output.requires_grad:

            def keep(gradient: Tensor) -> None:
                found.gradients = gradient.detach()

            output.register_hook(keep)

    handles = [
        layer.module.register_forward_hook(_named(hook, layer.name), always_call=False)
        for layer in layers
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _named(hook: Any, name: str) -> Any:
    def called(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, torch.Tensor) and inputs:
            hook(name, inputs, output)

    return called
