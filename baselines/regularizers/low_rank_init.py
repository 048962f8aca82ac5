"""Low-rank initialization: hidden matrices begin with few singular values, at the same norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search

from .families.layers import is_head, set_weight, weight_layers


class LowRankInit(Regularizer):
    """Liu et al. 2024: the initial matrices are truncated to their largest singular values.

    A hidden matrix keeps the share `rank` of its singular values, at least one, and is scaled to
    the Frobenius norm that it had, so that only the effective rank differs.

    Deviates from the paper: the recurrent weights there are here those of all hidden linear and
    convolutional layers (kernels as matrices of filters).
    """

    def __init__(self, rank: float) -> None:
        self.rank = rank

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [layer for layer in weight_layers(model) if not is_head(layer)]
        if not layers:
            raise NotApplicable("low-rank initialization needs a hidden layer")
        for layer in layers:
            set_weight(layer, _truncated(layer.weight.detach(), self.rank))


def _truncated(weight: Tensor, share: float) -> Tensor:
    # Decompositions know no half precision.
    matrix = weight.flatten(1).to(torch.promote_types(weight.dtype, torch.float32))
    rank = max(1, round(share * min(matrix.shape)))
    if rank >= min(matrix.shape):
        return weight
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    low = (u[:, :rank] * s[:rank]) @ v[:rank]
    scale = torch.where(low.norm() > 0, matrix.norm() / low.norm(), torch.ones_like(s[0]))
    return (low * scale).view_as(weight).to(weight)


regularizer(
    "low_rank_init",
    LowRankInit,
    summary="Starts with hidden matrices of low rank at the same norm.",
    paper="Liu et al. 2024, How connectivity structure shapes rich and lazy learning in neural "
    "circuits",
    url="https://arxiv.org/abs/2310.08513",
    search={"rank": search.log_uniform(0.01, 1.0, default=0.1)},
    claims=[
        Claim(
            says="A low initial rank biases learning towards the rich regime, a high one towards "
            "the lazy one.",
            task="lazy_to_rich_grok",
            method="adamw+low_rank_init",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: low-rank initialization biases learning towards "
            "richer learning, high rank towards lazier",
            place="abstract",
        ),
    ],
)
