"""ReDo: dormant units are reset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from suite import NotApplicable, Regularizer, TaskInfo, regularizer, search

_Layer = nn.Linear | nn.Conv1d | nn.Conv2d
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU)
_BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
_Pooling = nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveMaxPool2d | nn.AdaptiveAvgPool2d
#: modules that may be between two layers: a unit stays the same unit
_UNIT_WISE = (nn.Dropout, nn.Identity, nn.Flatten, _Pooling, _BatchNorm)


class ReDo(Regularizer):
    """Algorithm 1: every `period` steps, units whose score is at most `tau` are reset.

    A unit's score is E|h_i| / mean_k E|h_k| over its layer, on the training batch (eq. 1). Its
    incoming weights and bias are drawn from the values that its layer was initialized with, its
    outgoing weights become zero, and so does the optimizer's state of all these entries. A batch
    norm before the activation, which the paper's networks do not have, is reset for the unit too.
    """

    def __init__(self, tau: float, period: int) -> None:
        self.tau = tau
        self.period = period
        self._steps = 0
        self._trace: _Trace | None = None

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [m for m in model.modules() if isinstance(m, _Layer)]
        if not layers or not any(isinstance(m, _ACTIVATIONS) for m in model.modules()):
            raise NotApplicable("ReDo needs linear or convolutional layers and activation modules")
        self._initial = {p: p.detach().clone() for p in model.parameters()}
        self._generator = info.generator

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._steps += 1
        if self._trace is not None:
            layers, self._trace = self._trace.close(), None
            if not layers:
                raise NotApplicable(
                    "ReDo needs two weight layers with an activation module in between, both of "
                    "them with plain weights (not reparametrized or grouped)"
                )
            if self._steps % self.period == 0:
                self._recycle(layers, optimizer)
        # The second step is traced as well, to report at once if the model has no such layers.
        if self._steps == 1 or (self._steps + 1) % self.period == 0:
            self._trace = _Trace(model)

    def _recycle(self, layers: list[_Units], optimizer: torch.optim.Optimizer) -> None:
        found = [(units, units.activity <= self.tau * units.activity.mean()) for units in layers]
        for units, dormant in found:
            for module in (units.layer, *units.norms):
                for p in module.parameters(recurse=False):
                    self._set(p, dormant, self._draw(p, p[dormant].shape), optimizer)
        # Afterwards, as a weight between two dormant units is both incoming and outgoing.
        for units, dormant in found:
            for layer in units.readers:
                columns = _columns(units.layer, layer, dormant)
                self._set(layer.weight, (slice(None), columns), 0.0, optimizer)

    def _draw(self, p: nn.Parameter, shape: torch.Size) -> Tensor:
        """Values from the initial ones of a parameter, with replacement."""
        initial = self._initial[p].flatten()
        chosen = torch.randint(len(initial), shape, generator=self._generator)
        return initial[chosen.to(initial.device)]

    @staticmethod
    def _set(p: Tensor, entries: Any, values: Any, optimizer: torch.optim.Optimizer) -> None:
        p[entries] = values
        for part in getattr(optimizer, "optimizers", [optimizer]):
            for name, state in part.state.get(p, {}).items():
                if isinstance(state, Tensor) and state.numel() == p.numel() > 1:
                    # Muon keeps the momentum of a filter as a row of a matrix.
                    shaped = state.view(p.shape)
                    # "z" is schedule-free's second copy of the weights; all others are statistics.
                    shaped[entries] = p[entries] if name == "z" else 0.0


@dataclass
class _Units:
    """The units of a layer in one forward pass."""

    layer: _Layer
    #: E|h| of each unit, shape (units,); empty before the activation
    activity: Tensor = field(default_factory=lambda: torch.empty(0))
    #: batch norms between the layer and its activation
    norms: list[_BatchNorm] = field(default_factory=list)
    #: the layers that take the units as inputs
    readers: list[_Layer] = field(default_factory=list)


class _Trace:
    """Follows the units of each layer through the next forward passes in training mode.

    A layer's output is recognized by its memory, which views and in-place activations share. So
    neither names nor the order of definition matter, and a module may be used many times. Several
    passes in one step are all followed; the last one counts.
    """

    def __init__(self, model: nn.Module) -> None:
        self._holds: dict[int, _Units] = {}
        self._active: dict[nn.Module, _Units] = {}
        self._alive: list[Tensor] = []  # memory in use is not allocated again
        watched = (_Layer, *_ACTIVATIONS, *_UNIT_WISE)
        modules = [m for m in model.modules() if isinstance(m, watched)]
        self._hooks = [m.register_forward_hook(self._follow) for m in modules]

    def close(self) -> list[_Units]:
        """Remove the hooks; returns the layers whose activated units other layers read."""
        for hook in self._hooks:
            hook.remove()
        self._alive.clear()
        return [units for units in self._active.values() if units.readers]

    def _follow(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not module.training:
            return
        units = self._holds.get(_memory(inputs[0]))
        self._alive += [inputs[0], output]
        if isinstance(module, _Layer):
            if units is not None and _reads(module, units):
                units.readers.append(module)
            units = _Units(module) if _is_plain(module) else None
        elif isinstance(module, _ACTIVATIONS) and units is not None:
            units = _Units(units.layer, _activity(units.layer, output), units.norms)
            self._active[units.layer] = units
        elif isinstance(module, _BatchNorm) and units is not None and not len(units.activity):
            units.norms.append(module)
        if units is not None:
            self._holds[_memory(output)] = units


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _is_plain(layer: _Layer) -> bool:
    return "weight" in layer._parameters and getattr(layer, "groups", 1) == 1


def _reads(layer: _Layer, units: _Units) -> bool:
    count = len(units.activity)
    return count > 0 and _is_plain(layer) and layer.weight.shape[1] % count == 0


def _activity(layer: _Layer, activations: Tensor) -> Tensor:
    units_last = activations if isinstance(layer, nn.Linear) else activations.movedim(1, -1)
    return units_last.detach().abs().flatten(0, -2).mean(0)


def _columns(layer: _Layer, reader: _Layer, units: Tensor) -> Tensor:
    """Which inputs of `reader` come from the given units: several each if maps are flattened."""
    copies = reader.weight.shape[1] // len(units)
    linear = isinstance(layer, nn.Linear)
    return units.repeat(copies) if linear else units.repeat_interleave(copies)


regularizer(
    "redo",
    ReDo,
    summary="Re-initializes units whose activations have become small, at regular intervals.",
    paper="Sokar et al. 2023, The Dormant Neuron Phenomenon in Deep Reinforcement Learning",
    url="https://arxiv.org/abs/2302.12902",
    search={
        "tau": search.log_uniform(1e-3, 0.3, default=0.025),
        "period": search.choice(10, 30, 100, 300, 1000, default=1000),
    },
)
