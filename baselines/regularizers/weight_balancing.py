"""Weight balancing: strong weight decay, then a class-balanced output layer within a ball."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Objective, Regularizer, TaskInfo, regularizer, search

from .families.long_tail import ClassSizes, output_layer
from .families.weights import row_norms

#: of the effective number of examples (Cui et al. 2019)
BETA = 0.9999
#: where the radius is between the smallest and the largest norm of a class's weights
THRESHOLD = 0.1


class WeightBalancing(Regularizer):
    """Alshammari et al. 2022, sections 3.3 and 4: two stages.

    First the cross entropy plus decay / 2 ||w||^2 of all parameters. In the second stage, the last
    share `second` of the budget, only the output layer is trained: with the class-balanced loss,
    in which examples of class k weigh (1 - beta) / (1 - beta^n_k), scaled to a sum of the number of
    classes, plus head_decay / 2 ||head||^2, and with each class's weights projected after each
    step onto a ball of radius min + 0.1 (max - min) of the norms with which the stage began.

    Deviates from the paper: both stages share one schedule and one optimizer, whose own weight
    decay stays; class sizes are those that the batches of the first stage have shown; the weighted
    loss is the cross entropy (Cui et al. 2019), where the authors' code takes the binary cross
    entropy of the softmax's outputs; statistics of batch norm move on in the second stage.
    """

    def __init__(self, decay: float, head_decay: float, second: float) -> None:
        self.decay = decay
        self.head_decay = head_decay
        self.second = second
        #: of each class, from the second stage on
        self._class_weights: Tensor | None = None

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._sizes = ClassSizes(info)
        self._head = output_layer(model)

    def start(self, model: nn.Module, objective: Objective) -> None:
        layer = next(p.layer_name for p in model.parameters() if p.role == "head")
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._names = list(trained)
        self._of_head = {name for name, p in trained.items() if p.layer_name == layer}
        self._matrices = [p for p in trained.values() if p.role == "head"]
        self._features = [p for name, p in trained.items() if name not in self._of_head]

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self._class_weights is None:
            if self.progress >= 1 - self.second:
                self._begin_second_stage(targets)
            else:
                self._sizes.add(targets)
        return inputs, targets

    def _begin_second_stage(self, targets: Tensor) -> None:
        weights = (1 - BETA) / (1 - BETA ** self._sizes.counts())
        self._class_weights = (weights * len(weights) / weights.sum()).to(targets.device)
        self._held = [p.detach().clone() for p in self._features]
        norms = [row_norms(p.detach()) for p in self._matrices]
        self._radii = [n.min() + THRESHOLD * (n.max() - n.min()) for n in norms]

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        if self._class_weights is None:
            return default(outputs, targets)
        weights = self._class_weights.to(outputs.dtype)
        return (weights[targets] * default.each(outputs, targets)).mean()

    def penalty(self, model: nn.Module) -> Tensor | float:
        first = self._class_weights is None
        decay = self.decay if first else self.head_decay
        if not decay:
            return 0.0
        weights = dict(model.named_parameters())
        chosen = [weights[name] for name in self._names if first or name in self._of_head]
        return decay / 2 * torch.stack([w.square().sum() for w in chosen]).sum()

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self._class_weights is None:
            return
        for p, held in zip(self._features, self._held, strict=True):
            p.copy_(held)
        for p, radius in zip(self._matrices, self._radii, strict=True):
            norms = row_norms(p)
            p.mul_(torch.where(norms > radius, radius / norms, torch.ones_like(norms)))


regularizer(
    "weight_balancing",
    WeightBalancing,
    summary="Strong weight decay, then a class-balanced output layer whose weights are bounded.",
    paper="Alshammari et al. 2022, Long-Tailed Recognition via Weight Balancing",
    url="https://arxiv.org/abs/2203.14197",
    search={
        "decay": search.log_uniform(1e-5, 1e-1, default=5e-3),
        "head_decay": search.log_uniform(1e-4, 1.0, default=0.1),
        "second": search.uniform(0.02, 0.5, default=0.1),
    },
    claims=[
        Claim(
            says="Weight balancing improves the accuracy on long-tailed data.",
            task="digits_longtail",
            method="sgd+weight_balancing",
            rival="sgd",
            measure="score",
            expect="better",
            number="CIFAR-100-LT, factor 100: about 39 % naive without decay, 46.8 % with "
            "well-tuned decay, 51.8 % after the second stage",
            place="README and logs of ShadeAlsha/LTR-weight-balancing",
        ),
    ],
)
