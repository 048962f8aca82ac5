"""Weight balancing in one stage: decay of weights and features, a fixed output layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Objective, Regularizer, TaskInfo, regularizer, search

from .families.long_tail import ClassSizes, output_layer


class OneStageWeightBalancing(Regularizer):
    """Hasegawa and Sato 2024, section 5: weight balancing in one stage.

    The output layer's weights are fixed as a simplex equiangular tight frame, rows U (I - 11'/K)
    sqrt(K / (K - 1)) with random orthonormal columns U, its bias is trained. The loss is the cross
    entropy plus decay / 2 ||w||^2 of all trained parameters plus features / 2 times the mean
    squared norm of the output layer's inputs. For evaluations, the score of class k is multiplied
    by p_k^-tau with the class's share p_k of the examples (multiplicative logit adjustment).

    Deviates from the paper: shares are those that the batches have shown; the factors are divided
    by their geometric mean, which changes no prediction, so that the loss stays readable; the
    optimizer's own weight decay stays.
    """

    def __init__(self, decay: float, features: float, tau: float) -> None:
        self.decay = decay
        self.features = features
        self.tau = tau
        #: what entered the output layer in the latest forward pass
        self._inputs: Tensor | None = None

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._sizes = ClassSizes(info)
        head = self._head = output_layer(model)
        classes, inputs = head.weight.shape
        if inputs < classes or head.weight.numel() == sum(p.numel() for p in model.parameters()):
            raise NotApplicable("needs features, at least as many as classes, that are trained")
        gaussian = torch.randn(inputs, classes, generator=info.generator, dtype=torch.float64)
        basis = torch.linalg.qr(gaussian).Q
        centered = torch.eye(classes).double() - 1 / classes
        frame = (basis @ centered).T * (classes / (classes - 1)) ** 0.5
        with torch.no_grad():
            head.weight.copy_(frame)
        head.weight.requires_grad_(False)
        head.register_forward_pre_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._inputs = inputs[0]

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._names = [name for name, p in model.named_parameters() if p.requires_grad]
        held = {id(p): name for name, p in model.named_parameters()}
        self._scaled = [held[id(p)] for p in self._head.parameters()]

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        self._sizes.add(targets)
        return inputs, targets

    def penalty(self, model: nn.Module) -> Tensor | float:
        weights = dict(model.named_parameters())
        squares = torch.stack([weights[name].square().sum() for name in self._names]).sum()
        total = self.decay / 2 * squares
        if self._inputs is None:  # the objective looks at penalties before any forward pass
            return total
        return total + self.features / 2 * self._inputs.square().sum(-1).mean()

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        logs = self._sizes.shares().log()
        factors = torch.exp(-self.tau * (logs - logs.mean()))
        scaled = {}
        for name in self._scaled:
            w = weights[name]
            scaled[name] = w * factors.to(w).view(-1, *[1] * (w.ndim - 1))
        return scaled


regularizer(
    "wb_one_stage",
    OneStageWeightBalancing,
    summary="Decay of weights and features, a fixed output layer, scores adjusted by class sizes.",
    paper="Hasegawa and Sato 2024, Exploring Weight Balancing on Long-Tailed Recognition Problem",
    url="https://arxiv.org/abs/2305.16573",
    search={
        "decay": search.log_uniform(1e-5, 1e-1, default=5e-3),
        "features": search.log_uniform(1e-5, 1e-1, default=1e-2),
        "tau": search.uniform(0.0, 3.0, default=1.6),
    },
    claims=[
        Claim(
            says="One stage is more accurate than the two of weight balancing.",
            task="digits_longtail",
            method="sgd+wb_one_stage",
            rival="sgd+weight_balancing",
            measure="score",
            expect="better",
            number="no number in the abstract: training is simplified to one stage while "
            "increasing accuracy",
            place="abstract",
        ),
        Claim(
            says="It improves the accuracy on long-tailed data.",
            task="digits_longtail",
            method="sgd+wb_one_stage",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: weight balancing is known for its high performance, "
            "and one stage increases the accuracy",
            place="abstract",
        ),
    ],
)
