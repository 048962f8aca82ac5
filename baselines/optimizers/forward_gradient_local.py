"""Forward gradients along guesses from local losses, instead of along random directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, TaskInfo, optimizer, search

from .families.local_losses import PROJECTION, LocalLosses


class ForwardGradientLocal(Optimizer):
    """Fournier et al. 2023, section 3, in weight space with the global target.

    v is a guess of the gradient. With guess "local" it is the gradient of local losses, linear
    classifiers of what each block passes on, and the estimate is g = (v' grad f) v / ||v||^2; with
    "random" it is standard normal, and g = (v' grad f) v. The slope v' grad f comes from one
    forward pass. The last block and the local classifiers have gradients of their own. The step is
    SGD's with momentum: u <- 0.9 u + g, w <- w - lr u.

    Deviates from the paper: one slope for all blocks together, as one pass in forward mode gives;
    the authors compute the projection of each tensor by backpropagation. Local classifiers are
    linear on all outputs of a block: their linear ones average over positions.
    """

    MOMENTUM = 0.9

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        guess: str,
        model: nn.Module,
        info: TaskInfo,
    ) -> None:
        self._local = LocalLosses(model, info)
        super().__init__(params, {"lr": lr})
        self._guess = guess
        self._generator = info.generator

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 2 per example, or 1 if the model has one block only."""
        found = self._local.gradients(objective, self.state)
        steps = self._estimates(objective, found.gradients, found.last)
        steps = dict(zip(objective.parameters, steps, strict=True))
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if p in found.projections:
                    projection = state[PROJECTION]
                    velocity = state.setdefault("projection_velocity", torch.zeros_like(projection))
                    velocity.mul_(self.MOMENTUM).add_(found.projections[p])
                    projection.sub_(velocity, alpha=group["lr"])
                if p in steps:
                    velocity = state.setdefault("velocity", torch.zeros_like(p))
                    velocity.mul_(self.MOMENTUM).add_(steps[p])
                    p.sub_(velocity, alpha=group["lr"])
        return found.loss

    def _estimates(
        self, objective: Objective, gradients: list[Tensor], last: list[bool]
    ) -> list[Tensor]:
        if all(last):
            return gradients
        guesses = [
            torch.zeros_like(g) if is_last else g if self._guess == "local" else self._normal(g)
            for g, is_last in zip(gradients, last, strict=True)
        ]
        _, slope = objective.jvp(guesses)
        if self._guess == "local":
            slope = slope / (sum(v.square().sum() for v in guesses) + 1e-16)
        return [
            g if is_last else slope * v
            for g, v, is_last in zip(gradients, guesses, last, strict=True)
        ]

    def _normal(self, like: Tensor) -> Tensor:
        drawn = torch.randn(like.shape, generator=self._generator, dtype=like.dtype)
        return drawn.to(like.device)


optimizer(
    "forward_gradient_local",
    ForwardGradientLocal,
    summary="Slopes in forward mode along the gradients of local losses.",
    paper="Fournier et al. 2023, Can Forward Gradient Match Backpropagation?",
    url="https://arxiv.org/abs/2306.06968",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "guess": search.choice("local", "random", default="local"),
    },
    claims=[
        Claim(
            says="Guesses from local losses drastically improve on random ones.",
            task="cifar10_mini",
            rival="forward_gradient",
            measure="score",
            expect="better",
            number="drastically improves on random noise, a standard vision network; no "
            "number in the abstract",
            place="abstract",
        ),
        Claim(
            says="Guesses from local losses drastically improve on random ones.",
            task="digits",
            rival="forward_gradient",
            measure="score",
            expect="better",
            number="drastically improves on random noise, a standard vision network; no "
            "number in the abstract",
            place="abstract",
        ),
    ],
)
