"""LIR: the initial deviation of weights falls with the square root of the layer's number."""

from __future__ import annotations

import math

import torch
from torch import nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search

from .families.layers import is_head, is_trained, set_normal, set_weight


class LIRInit(Regularizer):
    """Owen et al. 2025, layer index rescaling: weights ~ N(0, std^2 / l) in layer l = 1, 2, ...

    A layer is a block of the network, with all its linear layers. The output layer and embeddings
    have the deviation std. Biases are zero.

    Deviates from the paper: the deviation of 0.006, of a network of a billion weights, is tuned,
    and its default is larger. In a network without blocks each hidden linear layer is one. An
    embedding that is the output layer, too, is drawn once.
    """

    def __init__(self, std: float) -> None:
        self.std = std

    @torch.no_grad()
    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        numbers = _numbers(model)
        if not any(numbers.values()):
            raise NotApplicable("LIR needs hidden linear layers")
        for layer, number in numbers.items():
            if not is_trained(layer):
                continue
            set_normal(layer, self.std / math.sqrt(number or 1), info.generator)
        for module in model.modules():
            if isinstance(module, nn.Embedding) and is_trained(module):
                drawn = torch.randn(module.weight.shape, generator=info.generator)
                set_weight(module, (drawn * self.std).to(module.weight))


def _numbers(model: nn.Module) -> dict[nn.Linear, int]:
    """The layer number of each linear layer, from 1; 0 outside of blocks."""
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    blocks = max(lists, key=len, default=nn.ModuleList())
    numbers = {
        layer: number
        for number, block in enumerate(blocks, start=1)
        for layer in block.modules()
        if isinstance(layer, nn.Linear)
    }
    if not numbers:
        numbers = {m: i for i, m in enumerate([m for m in linear if not is_head(m)], start=1)}
    return {layer: numbers.get(layer, 0) for layer in linear}


regularizer(
    "lir_init",
    LIRInit,
    summary="Starts with normal weights whose deviation falls with the layer's number.",
    paper="Owen et al. 2025, Variance Control via Weight Rescaling in LLM Pre-training",
    url="https://arxiv.org/abs/2503.17500",
    search={"std": search.log_uniform(3e-3, 0.3, default=0.05)},
    claims=[
        Claim(
            says="Control of the initial variance by the layer's index improves pre-training.",
            task="lm_markov_short",
            method="adamw+lir_init",
            rival="adamw",
            measure="score",
            expect="better",
            number="up to 4.6 % on common pre-training benchmarks, together with target variance "
            "rescaling",
            place="abstract",
        ),
    ],
)
