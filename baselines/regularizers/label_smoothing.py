"""Label smoothing: a share of every label is distributed evenly over the classes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class LabelSmoothing(Regularizer):
    """Section 7: the loss is (1 - epsilon) H(label, p) + epsilon H(uniform, p).

    Outputs are class scores of shape (..., classes); the first term is the task's own loss.

    Deviates from the paper: nothing.
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.classes is None:
            raise NotApplicable("label smoothing needs a task with classes")

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        uniform = -outputs.log_softmax(-1).mean()
        return (1 - self.epsilon) * default(outputs, targets) + self.epsilon * uniform


regularizer(
    "label_smoothing",
    LabelSmoothing,
    summary="Trains towards labels that leave some probability to every class.",
    paper="Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision",
    url="https://arxiv.org/abs/1512.00567",
    search={"epsilon": search.uniform(0.0, 0.4, default=0.1)},
    claims=[
        Claim(
            says="Label smoothing improves the accuracy a little.",
            task="cifar10_resnet18",
            method="sgd+label_smoothing",
            rival="sgd",
            measure="score",
            expect="better",
            number="ImageNet: about 0.2 % of top-1 and top-5 error",
            place="the paper",
            from_memory=True,
        ),
        Claim(
            says="An appropriate label smoothing speeds the convergence up.",
            task="cifar10_mini",
            method="sgd+label_smoothing",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: an appropriate smoothing can help to speed up the "
            "convergence of SGD by reducing the variance",
            place="abstract",
            source="Xu et al. 2020, Towards Understanding Label Smoothing, "
            "https://arxiv.org/abs/2006.11653",
        ),
        Claim(
            says="Label smoothing speeds up convergence, by a smaller variance.",
            task="digits",
            method="adamw+label_smoothing",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: an appropriate smoothing can help to speed up the "
            "convergence by reducing the variance",
            place="abstract",
            source="Xu et al. 2020, Towards Understanding Label Smoothing, "
            "https://arxiv.org/abs/2006.11653",
        ),
    ],
)
