"""Norm loss: the incoming weights of each unit are drawn to length one."""

from __future__ import annotations

from torch import Tensor

from suite import Claim, regularizer, search

from .families.weights import WeightPenalty, has_unit_rows, row_norms


class NormLoss(WeightPenalty):
    """Georgiou et al. 2021: strength times the sum of (1 - ||w_i||)^2 over all units and filters.

    A soft form of the oblique manifold, on which every row has length one. Linear and convolutional
    layers, the output layer too.

    Deviates from the paper: it takes the place of weight decay there, and here the optimizer's
    weight decay stays what it is.
    """

    _chosen = staticmethod(has_unit_rows)

    def _term(self, name: str, w: Tensor) -> Tensor:
        return (1 - row_norms(w)).square().sum()


regularizer(
    "norm_loss",
    NormLoss,
    summary="Draws the incoming weights of each unit to length one.",
    paper="Georgiou et al. 2021, Norm Loss: An efficient yet effective regularization method for "
    "deep neural networks",
    url="https://arxiv.org/abs/2103.06583",
    search={"strength": search.log_uniform(1e-5, 1e-1, default=1e-2)},
    claims=[
        Claim(
            says="Norm loss is at least as good as weight decay.",
            task="cifar10_resnet18",
            method="sgd+norm_loss",
            rival="sgd+l2",
            measure="score",
            expect="better",
            number="no number in the abstract: ResNets and wide ResNets on CIFAR-10, CIFAR-100 and "
            "ImageNet are competitive with the state of the art, in some cases superior",
            place="abstract",
        ),
    ],
)
