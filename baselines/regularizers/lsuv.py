"""LSUV: orthonormal weights, scaled until each layer's outputs have variance one on a batch."""

from __future__ import annotations

import torch
from torch import nn

from suite import Claim, NotApplicable, Objective, Regularizer, TaskInfo, regularizer

from .families.layers import is_trained, orthogonal, set_weight, zero_bias

_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class LSUV(Regularizer):
    """Mishkin and Matas 2016, algorithm 1: tolerance 0.1, at most 10 passes for a layer.

    Biases begin at zero. Layers are taken in the order in which the model holds them.

    Deviates from the paper: nothing. The authors' PyTorch code compares the standard deviation with
    the tolerance and shifts biases for a mean of zero, which the paper does not.
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
        layers = [
            layer
            for layer in objective.layers()
            if isinstance(layer.module, _KINDS) and is_trained(layer.module)
        ]
        for layer in layers:
            weight = layer.module.weight
            set_weight(layer.module, orthogonal(weight.shape, weight))
            zero_bias(layer.module)
        for layer in layers:
            for _ in range(self.passes):
                with objective.watch([layer]) as seen:
                    objective.loss()
                if layer.name not in seen:  # used by its weights only, as in torch's attention
                    break
                variance = seen[layer.name].outputs.var(unbiased=False)
                if abs(variance - 1) < self.tolerance or variance == 0:
                    break
                set_weight(layer.module, layer.module.weight / variance.sqrt())


regularizer(
    "lsuv",
    LSUV,
    summary="Starts with orthonormal layers whose outputs have unit variance.",
    paper="Mishkin and Matas 2016, All you need is a good init",
    url="https://arxiv.org/abs/1511.06422",
    claims=[
        Claim(
            says="LSUV trains networks to an accuracy as good as or better than other starts.",
            task="cifar10_mini",
            method="adamw+lsuv",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: test accuracy better or equal to standard methods; "
            "MNIST, CIFAR-10/100 and ImageNet",
            place="abstract",
        ),
    ],
)
