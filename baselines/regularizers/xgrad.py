"""XGrad: the gradient is computed where the optimizer's next step is predicted to end."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search

from .families.elsewhere import evaluate_at


class XGrad(Regularizer):
    """Guan et al. 2023, algorithm 1, around any optimizer.

    The gradient of each batch is that at the prediction w - s lr d, with d the direction that the
    optimizer's last step took, without decoupled weight decay; it is used at w. The loss returned
    is that at the prediction. In the first step nothing is predicted.

    Deviates from the paper: d is read from the last step and not from the optimizer's state, which
    gives the same for SGD with momentum, Adam and AdamW, and lets any optimizer be used.
    """

    def __init__(self, s: int) -> None:
        self.s = s
        self._last: dict[nn.Parameter, Tensor] = {}
        #: what the schedules multiplied the learning rate by in the last step
        self._last_factor = 1.0

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        if not self._last_factor:
            return evaluate()
        ahead = self.s * self.lr_factor / self._last_factor
        predicted = {p: p.detach() + ahead * delta for p, delta in self._last.items()}
        return evaluate_at(predicted, evaluate)

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        pairs = zip(parameters, deltas, strict=True)
        self._last = {p: delta.clone() for p, delta in pairs}
        self._last_factor = self.lr_factor


regularizer(
    "xgrad",
    XGrad,
    summary="Computes gradients at the weights that the next step is predicted to reach.",
    paper="Guan et al. 2023, XGrad: Boosting Gradient-Based Optimizers With Weight Prediction",
    url="https://arxiv.org/abs/2305.18240",
    search={"s": search.choice(1, 2, 3, default=1)},
    claims=[
        Claim(
            says="AdamW attains a higher accuracy with weight prediction.",
            task="cifar10_mini",
            method="adamw+xgrad",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: higher model accuracy than the original optimizers",
            place="abstract",
        ),
        Claim(
            says="SGD attains a higher accuracy with weight prediction.",
            task="cifar10_resnet18",
            method="sgd+xgrad",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: higher model accuracy than the original optimizers",
            place="abstract",
        ),
    ],
)
