"""Units of a network: who they are, how active they are, and how one starts anew.

Used by methods that replace units: ReDo, continual backpropagation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Layer = nn.Linear | nn.Conv1d | nn.Conv2d
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU)
_BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
_Pooling = nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveMaxPool2d | nn.AdaptiveAvgPool2d
#: modules that may be between two layers: a unit stays the same unit
_UNIT_WISE = (nn.Dropout, nn.Identity, nn.Flatten, _Pooling, _BatchNorm)


@dataclass
class Units:
    """The units of a layer in one forward pass."""

    layer: Layer
    #: E|h| of each unit, shape (units,); empty before the activation
    activity: Tensor = field(default_factory=lambda: torch.empty(0))
    #: batch norms between the layer and its activation
    norms: list[_BatchNorm] = field(default_factory=list)
    #: the layers that take the units as inputs
    readers: list[Layer] = field(default_factory=list)


class Trace:
    """Follows the units of each layer through the next forward passes in training mode.

    A layer's output is recognized by its memory, which views and in-place activations share. So
    neither names nor the order of definition matter, and a module may be used many times. Several
    passes in one step are all followed; the last one counts.
    """

    def __init__(self, model: nn.Module) -> None:
        self._holds: dict[int, Units] = {}
        self._active: dict[nn.Module, Units] = {}
        self._alive: list[Tensor] = []  # memory in use is not allocated again
        watched = (Layer, *ACTIVATIONS, *_UNIT_WISE)
        modules = [m for m in model.modules() if isinstance(m, watched)]
        self._hooks = [m.register_forward_hook(self._follow) for m in modules]

    def take(self) -> list[Units]:
        """The layers whose activated units other layers read, in the order of the pass.

        Forgets them: what comes next is of other passes.
        """
        found = [units for units in self._active.values() if units.readers]
        for kept in (self._holds, self._active, self._alive):
            kept.clear()
        return found

    def close(self) -> list[Units]:
        """The same, and the last: removes the hooks."""
        for hook in self._hooks:
            hook.remove()
        return self.take()

    def _follow(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # A vectorized pass, as for the points of a population, has no memory of its own.
        if not module.training or torch._C._functorch.is_functorch_wrapped_tensor(output):
            return
        units = self._holds.get(_memory(inputs[0]))
        self._alive += [inputs[0], output]
        if isinstance(module, Layer):
            if units is not None and _reads(module, units):
                units.readers.append(module)
            units = Units(module) if _is_plain(module) else None
        elif isinstance(module, ACTIVATIONS) and units is not None:
            units = Units(units.layer, _activity(units.layer, output), units.norms)
            self._active[units.layer] = units
        elif isinstance(module, _BatchNorm) and units is not None and not len(units.activity):
            units.norms.append(module)
        if units is not None:
            self._holds[_memory(output)] = units


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _is_plain(layer: Layer) -> bool:
    return "weight" in layer._parameters and getattr(layer, "groups", 1) == 1


def _reads(layer: Layer, units: Units) -> bool:
    count = len(units.activity)
    return count > 0 and _is_plain(layer) and layer.weight.shape[1] % count == 0


def _activity(layer: Layer, activations: Tensor) -> Tensor:
    units_last = activations if isinstance(layer, nn.Linear) else activations.movedim(1, -1)
    return units_last.detach().abs().flatten(0, -2).mean(0)


def columns(layer: Layer, reader: Layer, units: Tensor) -> Tensor:
    """Which inputs of `reader` come from the given units: several each if maps are flattened.

    `units` is a mask of shape (units,).
    """
    copies = reader.weight.shape[1] // len(units)
    linear = isinstance(layer, nn.Linear)
    return units.repeat(copies) if linear else units.repeat_interleave(copies)


def outgoing(units: Units) -> Tensor:
    """The sum of the absolute outgoing weights of each unit, shape (units,)."""
    total = torch.zeros_like(units.activity)
    for reader in units.readers:
        each = reader.weight.detach().abs().movedim(1, 0).flatten(1).sum(1)
        linear = isinstance(units.layer, nn.Linear)  # as in `columns`
        total += each.view(-1, len(total)).sum(0) if linear else each.view(len(total), -1).sum(1)
    return total


def drawn(initial: Tensor, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Values from the initial ones of a parameter, with replacement."""
    values = initial.flatten()
    chosen = torch.randint(len(values), tuple(shape), generator=generator)
    return values[chosen.to(values.device)]


def silence(units: Units, chosen: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """The outgoing weights of chosen units become zero. `chosen` is a mask of shape (units,)."""
    for reader in units.readers:
        entries = (slice(None), columns(units.layer, reader, chosen))
        set_entries(reader.weight, entries, 0.0, optimizer)


def set_entries(p: Tensor, entries: Any, values: Any, optimizer: torch.optim.Optimizer) -> None:
    """Entries of a parameter get values, and the optimizer's state of them becomes zero."""
    p[entries] = values
    for part in getattr(optimizer, "optimizers", [optimizer]):
        for name, state in part.state.get(p, {}).items():
            if isinstance(state, Tensor) and state.numel() == p.numel() > 1:
                # Muon keeps the momentum of a filter as a row of a matrix.
                shaped = state.view(p.shape)
                # "z" is schedule-free's second copy of the weights; all others are statistics.
                shaped[entries] = p[entries] if name == "z" else 0.0
