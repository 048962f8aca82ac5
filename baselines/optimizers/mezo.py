"""MeZO: training with forward passes only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, TaskInfo, optimizer, search

from .families.zeroth_order import draw_seed, loss_under, move


class MeZO(Optimizer):
    """Malladi et al. 2023, Algorithm 1: simultaneous perturbation, regenerated from a seed.

    The direction z is never stored: it is drawn three times from the same seed. Layers with random
    numbers draw the same ones for both losses.

    Deviates from the paper: a default rate for small models, 300 times the paper's.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, epsilon: float, info: TaskInfo
    ) -> None:
        super().__init__(parameters, {"lr": lr})
        self._epsilon = epsilon
        self._generator = info.generator

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step of two losses, at w + epsilon z and w - epsilon z; returns their mean."""
        epsilon, groups = self._epsilon, self.param_groups
        seed, shared = draw_seed(self._generator), draw_seed(self._generator)
        move(groups, seed, [epsilon] * len(groups))
        plus = loss_under(objective, shared)
        move(groups, seed, [-2 * epsilon] * len(groups))
        minus = loss_under(objective, shared)
        slope = float(plus - minus) / (2 * epsilon)
        # Back to w and the step along z in one operation.
        move(groups, seed, [epsilon - group["lr"] * slope for group in groups])
        return (plus + minus) / 2


optimizer(
    "mezo",
    MeZO,
    summary="A finite difference of two losses along one random direction; no backward pass.",
    paper="Malladi et al. 2023, Fine-Tuning Language Models with Just Forward Passes",
    url="https://arxiv.org/abs/2305.17333",
    search={
        # The paper's 1e-6 fine-tunes billions of weights; smaller models tolerate larger steps.
        "lr": search.log_uniform(1e-6, 1e-1, default=3e-4),
        "epsilon": search.log_uniform(1e-4, 1e-1, default=1e-3),
    },
    claims=[
        Claim(
            says="Training by forward passes alone forgets less than training by gradients.",
            task="split_digits_task",
            rival="adamw",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="flatter minima reduce forgetting, at a cost in learning new tasks; no "
            "number in the abstract",
            place="abstract",
            source="Yu et al. 2025, More Than Memory Savings: Zeroth-Order Optimization "
            "Mitigates Forgetting in Continual Learning (arXiv 2510.21019)",
        ),
        Claim(
            says="Training by forward passes alone forgets less when the same classes "
            "come in new images.",
            task="rotated_digits",
            rival="adamw",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="flatter minima reduce forgetting, at a cost in learning new tasks; no "
            "number in the abstract",
            place="abstract",
            source="Yu et al. 2025, More Than Memory Savings: Zeroth-Order Optimization "
            "Mitigates Forgetting in Continual Learning (arXiv 2510.21019)",
        ),
    ],
)
