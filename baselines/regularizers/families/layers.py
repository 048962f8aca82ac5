"""Linear and convolutional layers: which can be set or reparametrized one by one, and how."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from suite import NotApplicable

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d

ACTIVATIONS = (
    nn.ReLU,
    nn.GELU,
    nn.SiLU,
    nn.LeakyReLU,
    nn.ELU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
)


def weight_layers(model: nn.Module) -> list[Layer]:
    """All linear and convolutional layers that are trained, in their order.

    Layers that share their weight with another module are left out.
    """
    modules = list(model.modules())
    owners = Counter[Tensor](p for m in modules for p in m.parameters(recurse=False))
    found = [
        m
        for m in modules
        if isinstance(m, Layer)
        and is_trained(m)
        and (is_reparametrized(m) or owners[m.weight] == 1)
    ]
    if not found:
        raise NotApplicable("needs a linear or convolutional layer with weights of its own")
    return found


def is_trained(layer: nn.Module) -> bool:
    """Whether a layer's weight is trained, or a factor of it."""
    if is_reparametrized(layer):
        return any(p.requires_grad for p in layer.parametrizations.weight.parameters())
    return layer.weight.requires_grad


def orthogonal(
    shape: torch.Size, like: Tensor, gain: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """A random matrix with orthonormal rows or columns; drawn on the CPU, where generators are.

    Decompositions know no half precision: it is drawn in single precision then.
    """
    start = torch.empty(shape, dtype=torch.promote_types(like.dtype, torch.float32))
    return nn.init.orthogonal_(start, gain, generator=generator).to(like)


def is_reparametrized(layer: nn.Module) -> bool:
    """Whether a layer's weight is computed from factors."""
    return parametrize.is_parametrized(layer, "weight")


def is_head(layer: nn.Module) -> bool:
    """Whether a task has marked the layer as its output layer."""
    return bool(getattr(layer, "is_head", False))


@torch.no_grad()
def set_weight(layer: nn.Module, weight: Tensor) -> None:
    """Set a weight; a reparametrized one through its factors."""
    if is_reparametrized(layer):
        layer.weight = weight
    else:
        layer.weight.copy_(weight)


@torch.no_grad()
def set_normal(layer: nn.Module, deviation: float, generator: torch.Generator) -> None:
    """Normal weights of mean 0, drawn on the CPU; the bias becomes zero."""
    drawn = torch.randn(layer.weight.shape, generator=generator, dtype=layer.weight.dtype)
    set_weight(layer, drawn.to(layer.weight.device) * deviation)
    zero_bias(layer)


@torch.no_grad()
def zero_bias(layer: nn.Module) -> None:
    """Set a layer's bias to zero, if it has one that is trained."""
    bias = getattr(layer, "bias", None)
    if bias is not None and bias.requires_grad:
        bias.zero_()
