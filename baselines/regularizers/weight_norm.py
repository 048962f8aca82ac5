"""Weight normalization: length and direction of weight vectors are trained separately."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer

from .families.layers import Layer, is_reparametrized, weight_layers


class WeightNorm(Regularizer):
    """Eq. 2: each unit's weight vector is w = g v / ||v||; the outputs stay the same.

    All linear and convolutional layers, the output layer too. Embeddings stay as they are: a row
    is looked up, not multiplied with inputs, so it is not a unit's weight vector. So do matrices
    that two modules share, and those with a row of zeros, which has no direction.

    Deviates from the paper: lengths and biases are not initialized from a batch of data (section
    3); the outputs begin as the model's own initialization makes them.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [layer for layer in weight_layers(model) if not is_reparametrized(layer)]
        chosen = [layer for layer in layers if _rows_have_directions(layer)]
        if not chosen:
            raise NotApplicable("weight normalization needs a linear or convolutional layer")
        for module in chosen:
            parametrizations.weight_norm(module)


def _rows_have_directions(module: Layer) -> bool:
    return bool((torch.linalg.vector_norm(module.weight.flatten(1), dim=1) > 0).all())


regularizer(
    "weight_norm",
    WeightNorm,
    summary="Reparametrizes weight matrices into row lengths and row directions.",
    paper="Salimans and Kingma 2016, Weight Normalization: A Simple Reparameterization to "
    "Accelerate Training of Deep Neural Networks",
    url="https://arxiv.org/abs/1602.07868",
    search={},
    claims=[
        Claim(
            says="Weight normalization speeds the convergence of SGD up.",
            task="digits",
            method="sgd+weight_norm",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: better conditioning, and SGD converges faster; "
            "image recognition, generative models, reinforcement learning",
            place="abstract",
        ),
    ],
)
