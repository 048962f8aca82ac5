"""Muon for the hidden layers' weights and AdamW for everything else, as its author recommends."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.matrices import with_adamw
from .families.orthogonal import Muon


def build(
    parameters: list[nn.Parameter], lr: float, adamw_lr: float, weight_decay: float
) -> Optimizer:
    """Muon for hidden matrices and filters, AdamW for the rest; constants are the author's.

    Deviates from the paper: a weight decay of 0.01 by default, which the author's example has and
    his class has not; on a CPU, and where the smaller side is below 128, matrices are multiplied
    in the precision of the parameter, not in bfloat16; matrices of equal shape are multiplied
    together.
    """
    return with_adamw(
        parameters, lambda matrices: Muon(matrices, lr, weight_decay), adamw_lr, weight_decay
    )


optimizer(
    "muon",
    build,
    summary="Orthogonalized momentum for hidden matrices and filters, AdamW for the rest.",
    paper="Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks",
    url="https://kellerjordan.github.io/posts/muon/",
    search={
        "lr": search.log_uniform(1e-3, 1e-1, default=0.02),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
    claims=[
        Claim(
            says="Over a wide range of hyperparameters and model sizes, Muon has no "
            "clear advantage in grokking.",
            task="modular_division",
            method="muon",
            rival="adamw",
            measure="time_to_target",
            expect="equal",
            number="a / b mod 97, half of the table: the advantage disappears over wider sweeps",
            place="blog post of 2025-06-20",
            source="Essential AI 2025, https://www.essential.ai/blog/grokking",
        ),
        Claim(
            says="Muon groks modular arithmetic sooner than AdamW.",
            task="modular_addition_short",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=1.49,
            number="mean grokking epoch 102.89 against 153.09, seven tasks and three softmaxes",
            place="abstract",
            source="Tveit et al. 2025, Muon Optimizer Accelerates Grokking (arXiv 2504.16041)",
        ),
        Claim(
            says="With the defaults of both, Muon groks modular addition sooner than AdamW.",
            task="modular_addition_short",
            rival="adamw",
            untuned="both",
            measure="time_to_target",
            expect="better",
            number="mean grokking epoch 102.89 against 153.09, seven tasks and three softmaxes",
            place="abstract; its rates and decays are not tuned for each task",
            source="Tveit et al. 2025, Muon Optimizer Accelerates Grokking (arXiv 2504.16041)",
        ),
    ],
)
