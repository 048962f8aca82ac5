"""Early dropout: dropout in the first part of training only."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search

_ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Tanh)


class EarlyDropout(Regularizer):
    """Dropout after every activation until `until` of the budget, none after that.

    In the paper's default the rate falls linearly to zero (`shape` "linear"), over 50 of 300
    epochs; "constant" is its ablation.
    """

    def __init__(self, rate: float, until: float, shape: str) -> None:
        self.rate = rate
        self.until = until
        self.shape = shape

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        activations = [m for m in model.modules() if isinstance(m, _ACTIVATIONS)]
        if not activations:
            raise NotApplicable("early dropout needs activation modules to drop the outputs of")
        for module in activations:
            module.register_forward_hook(self._drop)

    @property
    def current_rate(self) -> float:
        """The present probability of dropping an activation."""
        if self.progress >= self.until:
            return 0.0
        return self.rate * (1 - self.progress / self.until if self.shape == "linear" else 1.0)

    def _drop(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if not module.training or self.current_rate == 0:
            return output
        return F.dropout(output, self.current_rate)


regularizer(
    "early_dropout",
    EarlyDropout,
    summary="Drops activations during the first part of training, then no more.",
    paper="Liu et al. 2023, Dropout Reduces Underfitting",
    url="https://arxiv.org/abs/2303.01500",
    search={
        "rate": search.uniform(0.01, 0.5, default=0.1),
        "until": search.uniform(0.05, 0.5, default=50 / 300),
        "shape": search.choice("linear", "constant", default="linear"),
    },
    claims=[
        Claim(
            says="Dropout at the beginning only lowers the loss of models that underfit.",
            task="lm_markov",
            rival="adamw",
            measure="score",
            expect="lower",
            number="lower final training loss than without dropout; no number",
            place="abstract",
        ),
    ],
)
