"""Discover: a momentum for each class takes the noise of sampling classes out of the gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, TaskInfo, regularizer, search

from .families.classes import class_gradients, refuse_without_classes, set_gradient


class Discover(Regularizer):
    """Tondji et al. 2021, a variance reduction with a momentum m_k for each cluster k of the data.

    With b_k the share of cluster k in the batch, p_k its share of all examples and g_k the mean
    gradient of its examples in the batch:

    g <- sum of b_k (g_k - m_k) + sum of p_k m_k,  then  m_k <- decay m_k + (1 - decay) g_k

    for the clusters in the batch. The momenta are control variates, as the table of SAGA; the
    optimizer around them may have a momentum of its own. Clusters are the classes.

    Deviates from the paper: nothing that is known, but only the abstract could be read: the rule is
    from memory. p_k is counted on the batches so far; momenta begin at 0.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._momenta: dict[int, Tensor] = {}
        self._counts: dict[int, float] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        refuse_without_classes("Discover", info)

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        found = class_gradients("Discover", self.objective)
        for label, (share, gradient) in found.items():
            self._counts[label] = self._counts.get(label, 0.0) + share * self.objective.batch_size
            self._momenta.setdefault(label, torch.zeros_like(gradient))
        everything = sum(self._counts.values())
        total = torch.zeros_like(next(iter(self._momenta.values())))
        for label, momentum in self._momenta.items():
            total.add_(momentum, alpha=self._counts[label] / everything)
        for label, (share, gradient) in found.items():
            momentum = self._momenta[label]
            total.add_(gradient - momentum, alpha=share)
            momentum.lerp_(gradient, 1 - self.decay)
        set_gradient(parameters, total)
        return torch.as_tensor(self.objective.last_loss)


regularizer(
    "discover_multimomentum",
    Discover,
    summary="Takes the noise of sampling classes out by a momentum for each class.",
    paper="Tondji et al. 2021, Variance Reduction in Deep Learning: More Momentum is All You Need",
    url="https://arxiv.org/abs/2111.11828",
    search={"decay": search.uniform(0.5, 0.99, default=0.9)},
    claims=[
        Claim(
            says="Multi-momentum converges faster than SGD with momentum on CIFAR.",
            task="cifar10_resnet18",
            method="sgd+discover_multimomentum",
            rival="sgd",
            measure="score",
            expect="better",
            number="faster convergence than vanilla methods on CIFAR and ImageNet; no number",
            place="abstract",
        ),
        Claim(
            says="Multi-momentum is robust to label noise.",
            task="noisy_labels_short",
            method="sgd+discover_multimomentum",
            rival="sgd",
            measure="score",
            expect="better",
            number="robust to label noise; no number",
            place="abstract",
        ),
    ],
)
