"""Local losses: a linear classifier on what every layer passes on, and no gradient further down."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from suite import NotApplicable, Objective, TaskInfo

#: the entry of the state of a layer's weight: the classifier of what enters the layer
PROJECTION = "projection"


@dataclass
class LocalGradients:
    """What one forward pass gives."""

    loss: Tensor
    #: of all trained parameters, in their order; the last block's are of the task's loss
    gradients: list[Tensor]
    #: by the weight of the layer whose inputs are classified
    projections: dict[nn.Parameter, Tensor]
    #: of all trained parameters, in their order: whether it is in the last block
    last: list[bool]


class LocalLosses:
    """Cuts a network before each of its hidden layers, so that blocks learn by themselves.

    A block is a layer with all that follows it up to the next one: its activation, pooling or
    norm. Its outputs a are classified by a M', and the cross entropy of that is the block's loss.
    The last block's classifier is the network's output layer, with the task's loss. Around a skip
    connection the gradients of a later loss still pass.
    """

    def __init__(self, model: nn.Module, info: TaskInfo) -> None:
        roles = {getattr(p, "role", None) for p in model.parameters() if p.requires_grad}
        if info.loss == "mse" or info.classes is None:
            raise NotApplicable("local losses classify: they need a task with classes")
        if "head" not in roles:
            raise NotApplicable("local losses need an output layer, and the model names none")
        self._layers = [module for module in model.modules() if _is_hidden(module)]
        if not self._layers:
            raise NotApplicable("local losses need a hidden layer, and the model has none")
        self._classes = info.classes
        self._generator = info.generator

    def gradients(
        self, objective: Objective, state: MutableMapping[Any, dict[str, Any]]
    ) -> LocalGradients:
        """Local gradients of the current batch; costs 1 per example."""
        targets = objective.batch[1]
        if targets.ndim != 1 or targets.is_floating_point():
            raise NotApplicable("local losses need one class for each example")
        losses: list[Tensor] = []
        leaves: dict[nn.Parameter, Tensor] = {}

        def cut(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            inputs = arguments[0]
            if not inputs.requires_grad:  # nothing that is trained comes before
                return arguments
            weight, features = layer.weight, inputs.flatten(1)
            if PROJECTION not in state[weight]:
                state[weight][PROJECTION] = self._projection(features)
            leaves[weight] = state[weight][PROJECTION].detach().requires_grad_()
            scores = features @ leaves[weight].T
            losses.append(cross_entropy(scores, targets))
            return inputs.detach(), *arguments[1:]

        handles = [layer.register_forward_pre_hook(cut) for layer in self._layers]
        try:
            loss, gradients = objective.gradient()
        finally:
            for handle in handles:
                handle.remove()
        last = [True] * len(gradients)
        if losses:
            wanted = [*objective.parameters, *leaves.values()]
            ones = [torch.ones_like(value) for value in losses]
            found = torch.autograd.grad(losses, wanted, ones, allow_unused=True)
            for i, local in enumerate(found[: len(gradients)]):
                if local is not None:
                    gradients[i], last[i] = gradients[i] + local, False
            rest = found[len(gradients) :]
            return LocalGradients(loss, gradients, dict(zip(leaves, rest, strict=True)), last)
        return LocalGradients(loss, gradients, {}, last)

    def _projection(self, features: Tensor) -> Tensor:
        """Normal entries of variance 1 / features."""
        shape = self._classes, features.shape[1]
        drawn = torch.randn(shape, generator=self._generator, dtype=features.dtype)
        return (drawn / shape[1] ** 0.5).to(features.device)


def _is_hidden(module: nn.Module) -> bool:
    if not isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        return False
    weight = module.weight
    return isinstance(weight, nn.Parameter) and getattr(weight, "role", None) != "head"
