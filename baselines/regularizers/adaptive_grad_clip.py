"""AGC: the gradient of each unit is at most a share of the unit's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search

#: the least norm that a unit's weights count with, so that weights of zero can move
EPSILON = 1e-3


class AdaptiveGradClip(Regularizer):
    """Brock et al. 2021, eq. 3: for each unit i of a layer with the weights W and the gradient G,

    G_i <- clipping max(||W_i||, 1e-3) G_i / ||G_i||  if  ||G_i|| > clipping max(||W_i||, 1e-3).

    A unit is a row of a matrix, a filter, or a whole vector. The output layer is not clipped.

    Deviates from the paper: nothing. The paper has no embeddings: a row of them is a unit here.
    """

    def __init__(self, clipping: float) -> None:
        self.clipping = clipping

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        for p in parameters:
            if p.grad is None or p.role == "head":
                continue
            longest = self.clipping * _unit_norms(p).clamp(min=EPSILON)
            p.grad.mul_((longest / _unit_norms(p.grad).clamp(min=1e-6)).clamp(max=1))


def _unit_norms(tensor: Tensor) -> Tensor:
    if sum(size > 1 for size in tensor.shape) <= 1:
        return tensor.norm()
    return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.ndim)), keepdim=True)


regularizer(
    "adaptive_grad_clip",
    AdaptiveGradClip,
    summary="Shortens each unit's gradient to a share of the norm of its weights.",
    paper="Brock et al. 2021, High-Performance Large-Scale Image Recognition Without Normalization",
    url="https://arxiv.org/abs/2102.06171",
    search={"clipping": search.log_uniform(1e-3, 1.0, default=0.01)},
    claims=[
        Claim(
            says="AGC overcomes what is unstable in networks without normalization.",
            task="large_batch_mini",
            method="sgd+adaptive_grad_clip",
            rival="sgd",
            measure="score",
            expect="better",
            number="overcomes the instabilities at large learning rates or strong "
            "augmentations; no number",
            place="abstract",
        ),
    ],
)
