"""Kumar's initialization: the variance of weights follows from the activation at zero."""

from __future__ import annotations

import math

from torch import nn

from suite import NotApplicable, Regularizer, TaskInfo, regularizer

from .families.layers import ACTIVATIONS, Layer, set_normal, weight_layers

#: g(0) and g'(0)
AT_ZERO = {
    nn.Tanh: (0.0, 1.0),
    nn.Sigmoid: (0.5, 0.25),
    nn.GELU: (0.0, 0.5),
    nn.SiLU: (0.0, 0.5),
    nn.ELU: (0.0, 1.0),
    nn.Softplus: (math.log(2), 0.5),
}


class KumarInit(Regularizer):
    """Kumar 2017: weights ~ N(0, v) with v = 1 / (n g'(0)^2 (1 + g(0)^2)) for n inputs.

    g is the activation that follows the layer; without one, g(x) = x. For the ReLU, which has no
    derivative at 0, v = 2 / n (section 4, as He et al. 2015), for a leaky one 2 / (n (1 + a^2)).
    Biases are zero.

    Deviates from the paper: g is the activation module that follows in the order in which the model
    holds its modules, before the next layer; where activations differ, g(0) should be that of the
    layer's inputs.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = weight_layers(model)
        following = _activations(model, layers)
        if not any(following.values()):
            raise NotApplicable("Kumar's initialization needs activation modules")
        for layer in layers:
            deviation = (_gain(following[layer]) / layer.weight[0].numel()) ** 0.5
            set_normal(layer, deviation, info.generator)


def _activations(model: nn.Module, layers: list[Layer]) -> dict[Layer, nn.Module | None]:
    """The activation between each layer and the next one."""
    found: dict[Layer, nn.Module | None] = dict.fromkeys(layers)
    last = None
    for module in model.modules():
        if module in found:
            last = module
        elif isinstance(module, ACTIVATIONS) and last is not None and found[last] is None:
            found[last] = module
    return found


def _gain(activation: nn.Module | None) -> float:
    """n times the variance of the weights."""
    if activation is None:
        return 1.0
    if isinstance(activation, nn.LeakyReLU):
        return 2.0 / (1 + activation.negative_slope**2)
    if isinstance(activation, nn.ReLU):
        return 2.0
    value, slope = next(at for kind, at in AT_ZERO.items() if isinstance(activation, kind))
    return 1 / (slope**2 * (1 + value**2))


regularizer(
    "kumar_init",
    KumarInit,
    summary="Starts with normal weights whose variance suits the activation at zero.",
    paper="Kumar 2017, On weight initialization in deep neural networks",
    url="https://arxiv.org/abs/1704.08863",
)
