"""References of initializations: the weights with which several networks begin."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from suite.components.parameters import mark_head
from tests.golden.effective import drawn, initialized, layers_of
from tests.objectives import FEATURES, small_model


def deep(activation):
    """Three layers and an activation, on five features."""

    def make():
        torch.manual_seed(1)
        layers = [nn.Linear(FEATURES, 7), activation(), nn.Linear(7, 6, bias=False), activation()]
        return nn.Sequential(*layers, mark_head(nn.Linear(6, 3))).double()

    return make


class Blocks(nn.Module):
    """An input layer, two blocks of two layers each and an output layer."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(FEATURES, 4)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4)) for _ in range(2)
        )
        self.head = mark_head(nn.Linear(4, 3))

    def forward(self, x):
        x = self.enter(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


def blocks():
    torch.manual_seed(2)
    return Blocks().double()


#: g(0) and g'(0) of activations that have a derivative at zero
AT_ZERO = {
    nn.Tanh: (0.0, 1.0),
    nn.Sigmoid: (0.5, 0.25),
    nn.GELU: (0.0, 0.5),
    nn.SiLU: (0.0, 0.5),
    nn.Softplus: (math.log(2), 0.5),
}


def kumar(setting, model):
    """Kumar 2017: v = 1 / (n g'(0)^2 (1 + g(0)^2)), 2 / n for the ReLU, 1 / n without one."""
    generator, modules, found = setting.generator(), list(model), []
    for module, following in zip(modules, [*modules[1:], None], strict=True):
        if not isinstance(module, nn.Linear):
            continue
        outputs, inputs = module.weight.shape
        if following is None:
            variance = 1 / inputs
        elif isinstance(following, nn.ReLU):
            variance = 2 / inputs
        else:
            value, slope = AT_ZERO[type(following)]
            variance = 1 / (inputs * slope**2 * (1 + value**2))
        found.append(math.sqrt(variance) * drawn((outputs, inputs), generator))
        if module.bias is not None:
            found.append(np.zeros(outputs))
    return found


def orthogonal(setting, model):
    """Saxe et al. 2014; the QR decomposition's signs as torch takes them."""
    generator, found = setting.generator(), []
    for layer in layers_of(model):
        rows, columns = layer.weight.shape
        gaussian = drawn((rows, columns), generator)
        tall = gaussian if rows >= columns else gaussian.T
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        found.append(setting.h["gain"] * (q if rows >= columns else q.T))
        if layer.bias is not None:
            found.append(np.zeros(rows))
    return found


def lir(setting, model):
    """Owen et al. 2025: std / sqrt(l) in block l."""
    generator, std, found = setting.generator(), setting.h["std"], []
    for layer, number in zip(layers_of(model), (1, 1, 1, 2, 2, 1), strict=True):
        deviation = std / math.sqrt(number)
        found += [deviation * drawn(layer.weight.shape, generator), np.zeros(len(layer.weight))]
    return found


def lir_without_blocks(setting, model):
    """The same where each hidden layer is one."""
    generator, std, found = setting.generator(), setting.h["std"], []
    for layer, number in zip(layers_of(model), (1, 2, 1), strict=True):
        found.append(std / math.sqrt(number) * drawn(layer.weight.shape, generator))
        if layer.bias is not None:
            found.append(np.zeros(len(layer.weight)))
    return found


def low_rank(setting, model):
    """Liu et al. 2024, by the eigenvectors of W W'."""
    found = []
    for layer in layers_of(model):
        w = layer.weight.detach().numpy()
        rank = max(1, round(setting.h["rank"] * min(w.shape)))
        if not getattr(layer, "is_head", False):
            vectors = np.linalg.eigh(w @ w.T)[1][:, ::-1][:, :rank]
            low = vectors @ vectors.T @ w
            w = low * np.linalg.norm(w) / np.linalg.norm(low)
        found.append(w)
        if layer.bias is not None:
            found.append(layer.bias.detach().numpy())
    return found


def lsuv(setting, model):
    """Mishkin and Matas 2016, algorithm 1: orthonormal, then each layer to unit variance."""
    torch.manual_seed(5)  # torch's own stream, as in a trial
    layers, weights = layers_of(model), []
    for layer in layers:
        gaussian = np.asarray(torch.empty_like(layer.weight).normal_().numpy())
        rows, columns = gaussian.shape
        q, r = np.linalg.qr(gaussian if rows >= columns else gaussian.T)
        q = q * np.sign(np.diag(r))
        weights.append(q if rows >= columns else q.T)
    inputs, _ = setting.batch(0)
    x, found = inputs.numpy(), []
    for i, w in enumerate(weights):
        for _ in range(10):
            variance = (x @ w.T).var()
            if abs(variance - 1) < 0.1:
                break
            w = w / math.sqrt(variance)
        x = np.tanh(x @ w.T)
        found.append(w)
        if layers[i].bias is not None:
            found.append(np.zeros(len(w)))
    return found


REGULARIZERS = {
    "kumar_init": initialized(
        "NumPy: Kumar 2017", "kumar_init", kumar, [*map(deep, AT_ZERO), deep(nn.ReLU)]
    ),
    "orthogonal_init": initialized(
        "NumPy: Saxe et al. 2014",
        "orthogonal_init",
        orthogonal,
        [deep(nn.Tanh), small_model],
        [{"gain": 1.0}, {"gain": 1.5}],
    ),
    "lir_init": [
        initialized("NumPy: Owen et al. 2025", "lir_init", lir, [blocks]),
        initialized(
            "NumPy: Owen et al. 2025, without blocks",
            "lir_init",
            lir_without_blocks,
            [deep(nn.Tanh)],
        ),
    ],
    "low_rank_init": initialized(
        "NumPy: Liu et al. 2024, by eigenvectors",
        "low_rank_init",
        low_rank,
        [deep(nn.Tanh)],
        [{"rank": 0.01}, {"rank": 0.5}],
    ),
    "lsuv": initialized(
        "NumPy: Mishkin and Matas 2016, algorithm 1",
        "lsuv",
        lsuv,
        [deep(nn.Tanh), small_model],
    ),
}
