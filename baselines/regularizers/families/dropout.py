"""Dropout after activations, at a rate that a subclass reads from the progress."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from suite import NotApplicable, Regularizer, TaskInfo

_ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Tanh)


class ActivationDropout(Regularizer):
    """Each output of an activation is 0 with probability `current_rate`, else / (1 - rate)."""

    @property
    def current_rate(self) -> float:
        """The present probability of dropping an activation."""
        raise NotImplementedError

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        activations = [m for m in model.modules() if isinstance(m, _ACTIVATIONS)]
        if not activations:
            raise NotApplicable("dropout needs activation modules to drop the outputs of")
        for module in activations:
            module.register_forward_hook(self._drop)

    def _drop(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if not module.training or self.current_rate == 0:
            return output
        return F.dropout(output, self.current_rate)
