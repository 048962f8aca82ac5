"""LAWN: after a free phase, the norm of every layer's weights stays what it is."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search

from .families.tangent import tangential


class LAWN(Regularizer):
    """Gupta et al. 2021, around any optimizer.

    In the share `free` of training the optimizer works alone. From then on, for each matrix and
    filter w, the gradient is projected onto the plane orthogonal to w, and after the step w is
    scaled to the norm that it had at the end of the free phase. Weight decay then does nothing.

    Deviates from the paper: all layers are constrained, not only those of the final homogeneous
    sub-network, and the warm-ups of both phases are left to schedules. Only the abstract could be
    read; the rule is from memory. Embeddings and vectors are left to the optimizer.
    """

    def __init__(self, free: float) -> None:
        self.free = free
        self._norms: dict[nn.Parameter, Tensor] = {}

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        if self.progress < self.free:
            return
        for p in filter(_is_constrained, parameters):
            self._norms.setdefault(p, p.detach().norm())
            if p.grad is not None:
                p.grad.copy_(tangential(p.grad, p))

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        for p, delta in zip(parameters, deltas, strict=True):
            norm = self._norms.get(p)
            if norm is None or norm == 0:
                continue
            decayed = p - delta
            # The step begins at the weight before decay, which had the norm.
            new = decayed * (norm / decayed.norm()) + delta
            delta.copy_(new * (norm / new.norm()) - decayed)


def _is_constrained(p: nn.Parameter) -> bool:
    return p.ndim >= 2 and p.role in ("hidden", "conv", "head")


regularizer(
    "lawn",
    LAWN,
    summary="Holds the norm of every layer's weights after a free phase.",
    paper="Gupta et al. 2021, Logit Attenuating Weight Normalization",
    url="https://arxiv.org/abs/2108.05839",
    search={"free": search.uniform(0.0, 0.5, default=0.1)},
    claims=[
        Claim(
            says="LAWN improves Adam with large batches.",
            task="large_batch_mini",
            method="adamw+lawn",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: particularly impressive in improving Adam, greatly "
            "improves all optimizers with large batch sizes",
            place="abstract",
        ),
        Claim(
            says="LAWN improves SGD with large batches.",
            task="large_batch_mini",
            method="sgd+lawn",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: greatly improves all optimizers when used with "
            "large batch sizes",
            place="abstract",
        ),
        Claim(
            says="LAWN improves Adam on images with large batches.",
            task="large_batch",
            method="adamw+lawn",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: superior generalization on large-scale image "
            "classification; particularly impressive in improving Adam",
            place="abstract",
        ),
    ],
)
