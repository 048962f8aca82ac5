"""Weight compander: weights are a bounded function, steep at zero, of what is trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search

from .families.layers import is_reparametrized, weight_layers


class WeightCompander(Regularizer):
    """Cakaj et al. 2023: w = a arctan(v / b), where v and each layer's a and b are trained.

    Weights are smaller than a pi / 2, and near zero they are a / b times what is trained, so that
    they leave it fast. All linear and convolutional layers; the outputs begin as they were (weights
    outside of the range begin at its edge).

    Deviates from the paper: the initial a and b are tuned. The function is from memory, since the
    paper's text could not be read in full here.
    """

    def __init__(self, a: float, b: float) -> None:
        self.a = a
        self.b = b

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [layer for layer in weight_layers(model) if not is_reparametrized(layer)]
        if not layers:
            raise NotApplicable("weight compander needs a layer that is not yet reparametrized")
        for layer in layers:
            parametrize.register_parametrization(layer, "weight", _Compander(self.a, self.b))


class _Compander(nn.Module):
    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.first = (a, b)

    def forward(self, v: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return a * torch.atan(v / b)

    def right_inverse(self, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, b = (torch.full_like(w[(0,) * w.ndim], value) for value in self.first)
        limit = 0.95 * math.pi / 2
        return b * torch.tan((w / a).clamp(-limit, limit)), a, b


regularizer(
    "weight_compander",
    WeightCompander,
    summary="Trains weights through a bounded function that is steep at zero.",
    paper="Cakaj et al. 2023, Weight Compander: A Simple Weight Reparameterization for "
    "Regularization",
    url="https://arxiv.org/abs/2306.16993",
    search={
        "a": search.log_uniform(0.3, 10.0, default=1.0),
        "b": search.log_uniform(0.1, 10.0, default=0.5),
    },
    claims=[
        Claim(
            says="In addition to standard regularization it improves generalization.",
            task="cifar10_resnet18",
            method="sgd+weight_compander",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: improves performance in addition to standard "
            "regularization methods",
            place="abstract",
        ),
    ],
)
