"""Drop-Muon: each step trains the layers from a random one upwards, the others rest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Combined, TaskInfo, optimizer, search

from .families.matrices import with_adamw
from .families.orthogonal import Muon


class DropMuon(Combined):
    """Gruntkowska et al. 2025, algorithm 1 with randomized progressive training, uniform.

    Draw s from the b layers; layers below s keep weights and momentum; the others take a step.
    """

    def __init__(self, *optimizers: Optimizer, generator: torch.Generator) -> None:
        super().__init__(*optimizers)
        self._generator = generator

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"]]
        depths = sorted({p.depth for p in parameters})
        lowest = depths[int(torch.randint(len(depths), (), generator=self._generator))]
        hidden = [(p, p.grad) for p in parameters if p.depth < lowest]
        for p, _ in hidden:
            p.grad = None  # an optimizer leaves weights without a gradient alone
        super().step()
        for p, gradient in hidden:
            p.grad = gradient
        return loss


def build(
    parameters: list[nn.Parameter],
    lr: float,
    adamw_lr: float,
    weight_decay: float,
    info: TaskInfo,
) -> Optimizer:
    """Muon for hidden matrices and filters, AdamW for the rest, both in the layers drawn.

    Deviates from the paper: gradients of resting layers are computed and charged all the same, so
    that no time is saved; steps as in Muon (Nesterov's form, five steps of Newton-Schulz, Jordan's
    factor) without the paper's factor ||m||*; layers count in the order of the model.
    """
    whole = with_adamw(
        parameters, lambda matrices: Muon(matrices, lr, weight_decay), adamw_lr, weight_decay
    )
    return DropMuon(*whole.optimizers, generator=info.generator)


optimizer(
    "drop_muon",
    build,
    summary="Muon that trains only the layers above a randomly drawn one in each step.",
    paper="Gruntkowska et al. 2025, Drop-Muon: Update Less, Converge Faster",
    url="https://arxiv.org/abs/2510.02239",
    search={
        "lr": search.log_uniform(1e-3, 1e-1, default=0.02),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
    claims=[
        Claim(
            says="With only some layers trained in a step, Muon's accuracy is reached, "
            "and sooner by the clock.",
            task="digits_batchnorm",
            method="drop_muon",
            rival="muon",
            measure="score",
            expect="equal",
            number="the same accuracy as Muon up to 1.4 times faster in wall-clock time, "
            "convolutional networks",
            place="abstract",
        ),
    ],
)
