"""Iterate EMA: the model is evaluated with a moving average of its weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from suite import Regularizer, regularizer, search


class IterateEMA(Regularizer):
    """The average is a <- decay a + (1 - decay) w after every step, for evaluation only.

    It is divided by 1 - decay^t, the sum of its factors (Kingma and Ba 2015, section 3),
    so that early evaluations do not depend on the initial weights. Running statistics (buffers of
    floating-point numbers) are averaged like weights: those of the current weights do not fit the
    average.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._steps = 0
        self._average: dict[str, Tensor] = {}

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._steps += 1
        # The recursion of the corrected average; its first factor is 1, which copies the weights.
        factor = (1 - self.decay) / (1 - self.decay**self._steps)
        for name, tensor in _tensors(model).items():
            if self._steps == 1:
                self._average[name] = tensor.clone()
            else:
                self._average[name].lerp_(tensor, factor)

    def averaged(self, model: nn.Module) -> nn.Module:
        return _WithTensors(model, self._average) if self._steps else model


class _WithTensors(nn.Module):
    """A model that computes with other tensors than its own."""

    def __init__(self, model: nn.Module, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self._model = model
        self._tensors = tensors

    def forward(self, *inputs: Any) -> Any:
        return torch.func.functional_call(self._model, self._tensors, inputs)


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and floating-point buffers by name."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach() for name, tensor in named if tensor.is_floating_point()}


regularizer(
    "iterate_ema",
    IterateEMA,
    summary="Evaluates an exponential moving average of the weights.",
    paper="Morales-Brotons et al. 2024, Exponential Moving Average of Weights in Deep Learning: "
    "Dynamics and Benefits",
    url="https://arxiv.org/abs/2411.18704",
    search={"decay": search.choice(0.9, 0.96, 0.98, 0.99, 0.995, 0.998, default=0.99)},
)
