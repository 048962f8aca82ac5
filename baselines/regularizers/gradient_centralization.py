"""Gradient centralization: the gradient of each unit's weights has the mean 0."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search


class GradientCentralization(Regularizer):
    """Yong et al. 2020, eq. 1: from the gradient of each row or filter its mean is subtracted.

    `of` says what is centralized: the gradient, as in the paper's algorithms 1 and 2, or the
    optimizer's update, which the authors' code recommends for adaptive methods (`gc_loc=False`).
    `layers` are all matrices and filters, or filters only (`gc_conv_only`).

    Deviates from the paper: nothing. The paper's weight decay of SGD is centralized with the
    gradient; here that holds for `of="update"`. Embeddings are matrices with a row for each token.
    """

    def __init__(self, of: str, layers: str) -> None:
        self.of = of
        self.layers = layers

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        if self.of == "gradient":
            for p in parameters:
                if p.grad is not None:
                    self._centralize(p.grad)

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        if self.of == "update":
            for delta in deltas:
                self._centralize(delta)

    def _centralize(self, tensor: Tensor) -> None:
        if tensor.ndim > (2 if self.layers == "filters" else 1):
            tensor.sub_(tensor.mean(dim=tuple(range(1, tensor.ndim)), keepdim=True))


regularizer(
    "gradient_centralization",
    GradientCentralization,
    summary="Subtracts the mean from the gradient of each unit's weights.",
    paper="Yong et al. 2020, Gradient Centralization: A New Optimization Technique for Deep Neural "
    "Networks",
    url="https://arxiv.org/abs/2004.01461",
    search={
        "of": search.choice("gradient", "update", default="gradient"),
        "layers": search.choice("all", "filters", default="all"),
    },
    claims=[
        Claim(
            says="Gradient centralization speeds up training and generalizes better.",
            task="digits_batchnorm",
            method="sgd+gradient_centralization",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: more efficient and stable training, better "
            "generalization",
            place="abstract",
        ),
        Claim(
            says="Gradient centralization improves image classification.",
            task="cifar100_resnet18",
            method="sgd+gradient_centralization",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: can consistently improve the performance of DNN "
            "learning",
            place="abstract",
        ),
    ],
)
