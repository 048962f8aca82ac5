"""Orthogonal initialization: every layer begins as a multiple of an orthogonal matrix."""

from __future__ import annotations

import torch
from torch import nn

from suite import Claim, Regularizer, TaskInfo, regularizer, search

from .families.layers import orthogonal, set_weight, weight_layers, zero_bias


class OrthogonalInit(Regularizer):
    """Saxe et al. 2014: W is gain times a random matrix with orthonormal rows or columns.

    From the QR decomposition of a Gaussian matrix, with the signs of R's diagonal; kernels are
    matrices of filters. Biases are zero. A gain of 1 is critical for tanh (Day et al. 2023).

    Deviates from the paper: nothing; the output layer is orthogonal as well.
    """

    def __init__(self, gain: float) -> None:
        self.gain = gain

    @torch.no_grad()
    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        for layer in weight_layers(model):
            weight = layer.weight
            set_weight(layer, orthogonal(weight.shape, weight, self.gain, info.generator))
            zero_bias(layer)


regularizer(
    "orthogonal_init",
    OrthogonalInit,
    summary="Starts with orthogonal weight matrices.",
    paper="Saxe et al. 2014, Exact solutions to the nonlinear dynamics of learning in deep linear "
    "neural networks",
    url="https://arxiv.org/abs/1312.6120",
    search={"gain": search.log_uniform(0.3, 3.0, default=1.0)},
    claims=[
        Claim(
            says="Orthogonal starts generalize better than Gaussian ones in deep networks.",
            task="delayed_robustness_mini",
            method="adamw+orthogonal_init",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="no number in the abstract: superior performance of deep orthogonal networks "
            "under full-batch gradient descent on MNIST and CIFAR-10",
            place="abstract",
            source="Day et al. 2023, Feature Learning and Generalization in Deep Networks with "
            "Orthogonal Weights, https://arxiv.org/abs/2310.07765",
        ),
    ],
)
