"""Amplified slow gradients: what the filters of Grokfast share."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from suite import Regularizer


class SlowGradient(Regularizer):
    """g <- g + amplification * slow(g), for each tensor by itself."""

    def __init__(self, amplification: float) -> None:
        self.amplification = amplification

    @abstractmethod
    def _slow(self, p: nn.Parameter, gradient: Tensor) -> Tensor | None:
        """The slow part of a parameter's gradients up to this one; None if there is none yet."""

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        for p in parameters:
            if p.grad is not None:
                slow = self._slow(p, p.grad)
                if slow is not None:
                    p.grad.add_(slow, alpha=self.amplification)
