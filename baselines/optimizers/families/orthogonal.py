"""Orthogonalization: the nearest matrix with singular values of 1, or nearly so.

G = U S V^H becomes U V^H, by five steps of a Newton-Schulz iteration or by the decomposition
itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .matrices import Decoupled, Group, exact, finite, flat

#: a, b, c of x -> a x + b x^3 + c x^5: Jordan et al. 2024; singular values end in [0.7, 1.2]
QUINTIC = (3.4445, -4.7750, 2.0315)
STEPS = 5
#: From this size of the smaller side on, a GPU multiplies matrices in bfloat16, as the author does.
BFLOAT16_FROM = 128
#: From this size of the smaller side on, matrices of equal shape come one at a time.
ALONE_FROM = 512


def newton_schulz(matrices: Tensor, steps: int = STEPS) -> Tensor:
    """Matrices (n, rows, columns), or one, with their singular values moved towards 1."""
    a, b, c = QUINTIC
    x = matrices
    if in_bfloat16(x):
        x = x.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:  # products of the smaller side are cheaper
        x = x.mH
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    product, add_product = (torch.bmm, torch.baddbmm) if x.ndim > 2 else (torch.mm, torch.addmm)
    square = x.new_empty(*x.shape[:-1], x.shape[-2])
    polynomial, other = torch.empty_like(square), x.new_empty(x.shape)
    for _ in range(steps):
        product(x, x.mH, out=square)
        add_product(square, square, square, beta=b, alpha=c, out=polynomial)
        add_product(x, polynomial, x, beta=a, out=other)
        x, other = other, x
    return (x.mH if tall else x).resolve_conj().to(matrices.dtype)


def in_bfloat16(matrices: Tensor) -> bool:
    """Whether the iteration rounds to bfloat16: large real matrices on a GPU.

    A CPU takes up to 5 times as long in bfloat16 as in single precision, unless it has instructions
    that few have and that the suite does not use.
    """
    large = min(matrices.shape[-2:]) >= BFLOAT16_FROM
    return large and matrices.is_floating_point() and matrices.device.type != "cpu"


def orthogonalized(tensors: list[Tensor], steps: int = STEPS) -> list[Tensor]:
    """Each tensor orthogonalized by Newton-Schulz, filters as matrices (out, rest)."""
    return in_batches(tensors, lambda matrices: newton_schulz(matrices, steps))


def in_batches(tensors: list[Tensor], function: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """A function of matrices (n, rows, columns), called once for small tensors of equal shape.

    On a CPU this is up to 4 times as fast as one after the other for matrices of 32 rows, and a
    tenth faster for those of 256.
    """
    alike: dict[tuple, list[int]] = defaultdict(list)
    for i, tensor in enumerate(tensors):
        shape = flat(tensor).shape
        alone = i if min(shape) >= ALONE_FROM else None
        alike[(*shape, tensor.dtype, tensor.device, alone)].append(i)
    found = list(tensors)
    for places in alike.values():
        matrices = [flat(tensors[i]) for i in places]
        # A batch of one may take far longer than a matrix.
        several = len(matrices) > 1
        results = function(torch.stack(matrices)) if several else [function(matrices[0])]
        for i, result in zip(places, results, strict=True):
            found[i] = result.view(tensors[i].shape)
    return found


def polar(matrices: Tensor) -> Tensor:
    """U V^H of matrices (..., rows, columns), by singular value decomposition.

    Directions in which a matrix is 0 are not determined; they stay 0.
    """
    u, s, vh = torch.linalg.svd(finite(exact(matrices)), full_matrices=False)
    kept = s > s[..., :1] * max(matrices.shape[-2:]) * torch.finfo(s.dtype).eps
    return ((u * kept[..., None, :]) @ vh).to(matrices.dtype)


def aspect(rows: int, columns: int) -> float:
    """Jordan's factor: a tall matrix takes longer steps."""
    return max(1.0, rows / columns) ** 0.5


def rms_to_rms(weight: Tensor) -> float:
    """The largest spectral norm of a layer that keeps root mean squares: sqrt(out / in) / kernel.

    The kernel counts the places of a filter, which add up.
    """
    rows, columns = weight.shape[:2]
    return (rows / columns) ** 0.5 * columns / flat(weight).shape[1]


def rms(tensor: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """The root mean square along `dim`, or of all entries."""
    if dim is None:
        return tensor.abs().square().mean().sqrt()
    return tensor.abs().square().mean(dim, keepdim=True).sqrt()


class Muon(Decoupled):
    """Jordan et al. 2024: momentum, orthogonalized.

    m <- b m + (1 - b) g,  o = NewtonSchulz5(b m + (1 - b) g),
    w <- (1 - lr weight_decay) w - lr scale(rows, columns) o.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        scale: Callable[[int, int], float] = aspect,
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum)
        self.scale = scale

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        beta = group["momentum"]
        averages = self.momentum(parameters, beta, name="momentum_buffer")
        steps = orthogonalized(nesterov(parameters, averages, beta))
        return [step.mul_(self.scale(*flat(step).shape)) for step in steps]


def nesterov(parameters: list[nn.Parameter], averages: list[Tensor], beta: float) -> list[Tensor]:
    """Nesterov's form of momentum: averages that have seen this step's gradients twice."""
    return list(torch._foreach_lerp([p.grad for p in parameters], averages, beta))
