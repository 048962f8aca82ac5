"""TSLA: label smoothing for the first epochs, none for the others."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class TSLA(Regularizer):
    """Xu et al. 2020, algorithm 1: two-stage label smoothing.

    In the first stage the loss of an example is (1 - theta) times its cross entropy plus theta
    times the mean cross entropy of all classes; in the second it is the cross entropy alone. The
    second stage begins with an epoch, the last one at or before the share `drop` of all.

    Deviates from the paper: theta and the share are tuned.
    """

    def __init__(self, theta: float, drop: float) -> None:
        self.theta = theta
        self.drop = drop

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.loss != "cross_entropy":
            raise NotApplicable("label smoothing needs the cross entropy of classes as the loss")
        epochs = info.epochs or 1.0
        # With less than an epoch, or none, the stage ends within it.
        whole = int(self.drop * epochs) / epochs
        self._share = whole if whole > 0 else self.drop

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        loss = default(outputs, targets)
        if self.progress >= self._share:
            return loss
        return (1 - self.theta) * loss - self.theta * outputs.log_softmax(-1).mean()


regularizer(
    "tsla",
    TSLA,
    summary="Smooths labels in the first epochs only.",
    paper="Xu et al. 2020, Towards Understanding Label Smoothing",
    url="https://arxiv.org/abs/2006.11653",
    search={
        "theta": search.uniform(0.05, 0.9, default=0.4),
        "drop": search.uniform(0.2, 0.95, default=0.7),
    },
    claims=[
        Claim(
            says="Smoothing in the early epochs only is better than smoothing in all.",
            task="cifar100_resnet18",
            method="sgd+tsla",
            rival="sgd+label_smoothing",
            measure="score",
            expect="better",
            number="no number in the abstract: smoothing in the early epochs only, effective in "
            "comparison with baselines with ResNets",
            place="abstract",
        ),
        Claim(
            says="Smoothing that is dropped in later training is better than smoothing all along.",
            task="digits",
            method="adamw+tsla",
            rival="adamw+label_smoothing",
            measure="score",
            expect="better",
            number="no number in the abstract: benefits from smoothing in the first stage and "
            "essentially converges faster in the second",
            place="abstract",
        ),
        Claim(
            says="Smoothing that is dropped in later training is better than none.",
            task="digits",
            method="adamw+tsla",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: benefits from smoothing in the first stage",
            place="abstract",
        ),
    ],
)
