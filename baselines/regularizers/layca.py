"""Layca: every layer rotates by the same angle per step, and keeps its norm."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Objective, Regularizer, regularizer, search

from .families.tangent import tangential


class Layca(Regularizer):
    """Carbonnelle and De Vleeschouwer 2018, algorithm 1, around any optimizer.

    For each matrix or kernel w, the step is projected onto the plane orthogonal to w and scaled to
    the length rate ||w||; the result is scaled to the norm that the layer had at first. The rate
    takes the place of the learning rate, and schedules apply to it.

    Deviates from the paper: biases and norms get the optimizer's own step; the authors' code leaves
    them as they were initialized, and offers this as an option. Embeddings count as layers.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._norms: list[Tensor] = []

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._norms = [p.detach().norm() for p in objective.parameters]

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        for p, delta, norm in zip(parameters, deltas, self._norms, strict=True):
            if p.ndim < 2 or norm == 0:
                continue
            old = p - delta
            step = tangential(delta, old)
            length = step.norm()
            if length == 0:
                continue
            new = old + step * (self.rate * self.lr_factor * old.norm() / length)
            delta.copy_(new * (norm / new.norm()) - old)


regularizer(
    "layca",
    Layca,
    summary="Rotates every layer by the same angle per step at a constant norm.",
    paper="Carbonnelle and De Vleeschouwer 2018, Layer rotation: a surprisingly powerful indicator "
    "of generalization in deep networks?",
    url="https://arxiv.org/abs/1806.01603",
    search={"rate": search.log_uniform(1e-4, 0.1, default=3**-4)},
    claims=[
        Claim(
            says="Rotating all layers far and by the same angle generalizes better.",
            task="cifar10_resnet18",
            method="sgd+layca",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: trainings in which all layers reach a cosine "
            "distance of 1 from their start consistently outperform others",
            place="abstract",
        ),
        Claim(
            says="Rotating all layers far and by the same angle is better than AdamW.",
            task="cifar10_mini",
            method="adamw+layca",
            rival="adamw",
            measure="score",
            expect="better",
            number="consistently better, by up to 30 % test accuracy, where all layers reach a "
            "cosine distance of 1",
            place="abstract",
        ),
    ],
)
