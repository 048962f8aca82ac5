"""LSUV: orthonormal weights, scaled until each layer's outputs have variance one on a batch."""

from __future__ import annotations

import torch
from torch import nn

from suite import NotApplicable, Objective, Regularizer, TaskInfo, regularizer

_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class LSUV(Regularizer):
    """Mishkin and Matas 2016, algorithm 1: tolerance 0.1, at most 10 passes for a layer.

    Deviates from the paper: nothing. Layers are taken in the order in which the model holds them;
    biases stay as they are.
    """

    tolerance = 0.1
    passes = 10

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if not any(isinstance(module, _KINDS) for module in model.modules()):
            raise NotApplicable("LSUV needs linear layers or convolutions, and the model has none")
        norms = nn.modules.batchnorm._BatchNorm
        if any(isinstance(module, norms) for module in model.modules()):
            raise NotApplicable("LSUV replaces batch norm, which this model has")

    @torch.no_grad()
    def start(self, model: nn.Module, objective: Objective) -> None:
        layers = [layer for layer in objective.layers() if isinstance(layer.module, _KINDS)]
        for layer in layers:
            nn.init.orthogonal_(layer.module.weight)
        for layer in layers:
            for _ in range(self.passes):
                with objective.watch([layer]) as seen:
                    objective.loss()
                variance = seen[layer.name].outputs.var()
                if abs(variance - 1) < self.tolerance or variance == 0:
                    break
                layer.module.weight.div_(variance.sqrt())


regularizer(
    "lsuv",
    LSUV,
    summary="Starts with orthonormal layers whose outputs have unit variance.",
    paper="Mishkin and Matas 2016, All you need is a good init",
    url="https://arxiv.org/abs/1511.06422",
)
