"""The copy of a run's model that measures get."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import nn


class ModelCopy:
    """A copy in evaluation mode, without what a method hooked to the backward pass."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model)
        self._modules = list(self.model.modules())
        for module in self._modules:
            module._backward_hooks.clear()
            module._backward_pre_hooks.clear()
        self.model.eval()
        self.model.requires_grad_(False)
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in trained)
        #: what `_structure` names by its identity stays alive, so that nothing else can have it
        self._held = [self._modules, *self.model.parameters(), *self.model.buffers()]
        self._made = list(self._structure())

    def as_made(self) -> bool:
        """Whether it still has the modules, parameters, modes and hooks that it was made with."""
        return list(self._structure()) == self._made

    def _structure(self) -> Iterator[object]:
        """What a measure may have changed, other than numbers."""
        for module in self._modules:
            yield module.training
            for hooks in (module._forward_hooks, module._forward_pre_hooks):
                yield len(hooks)
            for part in (*module._modules.values(), *module._buffers.values()):
                yield id(part)
            for parameter in module._parameters.values():
                if parameter is not None:
                    yield id(parameter), parameter.shape, parameter.requires_grad
