"""GradES: a matrix whose gradient has become small is frozen for the rest of training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Objective, Regularizer, regularizer, search


class GradES(Regularizer):
    """Wen et al. 2025, algorithm 1.

    After the share `grace` of training, a matrix whose gradient's L1 norm is below `threshold` is
    frozen: it gets no gradient any more, so that the optimizer leaves it alone. With
    `of="change"`, as in the paper's later version, the norm is that of the difference to the
    gradient before.

    Deviates from the paper: all matrices and filters but embeddings and heads are watched, for
    attention's and the feed-forward matrices of the paper. Frozen matrices save no time here,
    since backward passes go on, and training does not end when all are frozen. The authors' code
    freezes by the change of the weights.
    """

    def __init__(self, threshold: float, grace: float, of: str) -> None:
        self.threshold = threshold
        self.grace = grace
        self.of = of
        self._last: dict[nn.Parameter, Tensor] = {}
        self._frozen: set[nn.Parameter] = set()

    def start(self, model: nn.Module, objective: Objective) -> None:
        if not any(map(_is_watched, objective.parameters)):
            raise NotApplicable("GradES freezes hidden matrices and filters: there are none")

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        watched = [p for p in parameters if p.grad is not None and _is_watched(p)]
        moving = [p for p in watched if p not in self._frozen]
        if self.progress >= self.grace and moving:
            # One transfer from the device, not one for each tensor.
            norms = torch.stack([self._measured(p).abs().sum() for p in moving]).tolist()
            pairs = zip(moving, norms, strict=True)
            self._frozen |= {p for p, size in pairs if size < self.threshold}
        if self.of == "change":
            self._last = {p: p.grad.clone() for p in moving if p.grad is not None}
        for p in self._frozen:
            p.grad = None

    def _measured(self, p: nn.Parameter) -> Tensor:
        assert p.grad is not None
        if self.of == "change":
            return p.grad - self._last[p] if p in self._last else torch.full_like(p, torch.inf)
        return p.grad


def _is_watched(p: nn.Parameter) -> bool:
    return p.ndim >= 2 and p.role in ("hidden", "conv")


regularizer(
    "grades",
    GradES,
    summary="Freezes each matrix for good once its gradient is small.",
    paper="Wen et al. 2025, GradES: Significantly Faster Training in Transformers with "
    "Gradient-Based Early Stopping",
    url="https://arxiv.org/abs/2509.01842",
    search={
        "threshold": search.log_uniform(1e-3, 100.0, default=1.0),
        "grace": search.uniform(0.05, 0.9, default=0.5),
        "of": search.choice("gradient", "change", default="gradient"),
    },
    claims=[
        Claim(
            says="Freezing each matrix once it has converged improves the accuracy.",
            task="lm_data_constrained_short",
            method="adamw+grades",
            rival="adamw",
            measure="score",
            expect="better",
            number="1.2 % higher average accuracy, 1.57 to 7.22 times faster training",
            place="abstract",
        ),
    ],
)
