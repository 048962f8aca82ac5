"""Normalized LR+GD: the step is a weighted mean over examples, however well they are fitted."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, NotApplicable, Objective, TaskInfo, optimizer, search


class NormalizedLogisticGD(Optimizer):
    """Tyurin 2024, Normalized LR+GD: w <- w - lr g / mean of (1 - p_i).

    p_i is the probability that the model gives to the label of example i. In logistic regression
    1 - p_i = 1 / (1 + exp(y_i f_i)) is the weight of example i in the gradient, so that the step is
    a mean over examples with weights that sum to 1, of about the length of the inputs.

    Deviates from the paper: batches, and other models than linear ones, where 1 - p_i is
    1 - exp(-loss of i). The losses of examples cost a forward pass more.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, info: TaskInfo) -> None:
        if info.loss == "mse":
            raise NotApplicable("the examples' weights are probabilities, and squares have none")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 4/3 per example."""
        losses = objective.losses()
        if losses.min() < 0:
            raise NotApplicable("a loss below 0 is not the logarithm of a probability")
        loss = objective()
        weight = -torch.expm1(-losses.double()).mean()
        # Where all examples are fitted to the last bit, nothing is left to learn.
        scale = torch.where(weight > 0, 1 / weight, 0.0)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(p.grad * (group["lr"] * scale).to(p.dtype))
        return loss


optimizer(
    "normalized_logreg_gd",
    NormalizedLogisticGD,
    summary="Gradient descent divided by the mean probability of wrong labels.",
    paper="Tyurin 2024, From Logistic Regression to the Perceptron Algorithm: Exploring Gradient "
    "Descent with Large Step Sizes",
    url="https://arxiv.org/abs/2412.08424",
    search={"lr": search.log_uniform(1e-3, 100.0, default=0.1)},
    claims=[
        Claim(
            says="On separable data, the normalized step has much better guarantees than "
            "logistic regression with gradient descent at a large rate.",
            task="separable_logreg",
            rival="sgd",
            measure="score",
            expect="better",
            number="much better theoretical guarantees; the complexity of gradient descent at "
            "large rates is suboptimal; no number",
            place="abstract",
        ),
    ],
)
