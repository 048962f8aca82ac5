"""UPGD: useful weights are protected, the others are perturbed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.tensors import evaluated, trained


class UPGD(Optimizer):
    """Elsayed and Mahmood 2024, algorithm 1 with the first-order utility of a weight.

    u <- beta u + (1 - beta) (-g w), U = sigmoid(u / (1 - beta^t) / the largest u of all weights),
    and with x of the normal distribution of deviation sigma
    w <- (1 - lr weight_decay) w - lr (g + x) (1 - U), or without protection
    w <- (1 - lr weight_decay) w - lr (g + x (1 - U)), as in the paper's first version (2023).

    Deviates from the paper: as in the authors' code, the largest u has no correction by 1 - beta^t.
    Their published code doubles the rate, so that 1 - U = 1/2 is a step of SGD; the rate here is
    the paper's.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        sigma: float,
        beta: float,
        protecting: bool,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "sigma": sigma, "beta": beta}
        # Hooks of the update leave the decay alone.
        defaults |= {"protecting": protecting, "decoupled_weight_decay": True}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        largest = []
        for p, group, state in trained(self):
            if not state:
                state.update(count=0, utility=torch.zeros_like(p))
            state["count"] += 1
            state["utility"].lerp_(-p.grad * p, 1 - group["beta"])
            largest.append(state["utility"].max())
        if not largest:
            return loss
        most = torch.stack(largest).max()
        for p, group, state in trained(self):
            utility = state["utility"] / (1 - group["beta"] ** state["count"])
            # Where no weight has a utility yet, all are of the same.
            spared = torch.where(most == 0, 0.5, torch.sigmoid(-utility / most))
            noise = torch.randn_like(p).mul_(group["sigma"])
            noise_only = not group["protecting"]
            step = p.grad + noise * spared if noise_only else (p.grad + noise) * spared
            p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])
        return loss


optimizer(
    "upgd",
    UPGD,
    summary="SGD that moves useful weights less and perturbs useless ones.",
    paper="Elsayed and Mahmood 2024, Addressing Loss of Plasticity and Catastrophic Forgetting in "
    "Continual Learning",
    url="https://arxiv.org/abs/2404.00781",
    search={
        "lr": search.log_uniform(1e-3, 1.0, default=0.1),
        "weight_decay": search.log_uniform(1e-4, 1.0, default=1e-3),
        "sigma": search.log_uniform(1e-4, 0.1, default=1e-3),
        "beta": search.choice(0.9, 0.99, 0.999, 0.9999, default=0.999),
        "protecting": search.choice(True, False, default=True),
    },
    claims=[
        Claim(
            says="UPGD keeps improving where other methods lose accuracy over tasks.",
            task="label_permuted_digits",
            rival="sgd",
            measure="score",
            expect="better",
            number="surpasses or is competitive with all methods in all problems; no number in "
            "the abstract",
            place="abstract",
        ),
        Claim(
            says="UPGD keeps improving where Adam loses plasticity.",
            task="label_permuted_digits",
            rival="adamw",
            measure="score",
            expect="better",
            number="surpasses or is competitive with all methods in all problems; no number in "
            "the abstract",
            place="abstract",
        ),
        Claim(
            says="UPGD keeps its plasticity where Adam loses it, with permuted inputs.",
            task="permuted_digits_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="input-permuted MNIST, one example a step: surpasses or is competitive with "
            "all methods in all problems; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="UPGD keeps improving where Adam loses plasticity.",
            task="label_permuted_emnist",
            rival="adamw",
            measure="score",
            expect="better",
            number="label-permuted EMNIST, one example a step: surpasses or is competitive "
            "with all methods in all problems; no number in the abstract",
            place="abstract",
        ),
    ],
)
