"""Fixed-point forward gradients: signs of differences of two losses, with weights on a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, TaskInfo, optimizer, search

from .families.zeroth_order import draw_seed, loss_under

#: bits of a perturbation; it is quantized over this many standard deviations
PROBE_BITS, PROBE_RANGE = 8, 4.0
#: weights may grow to so many times their largest initial value
HEADROOM = 4.0


class FixedPointForwardGradient(Optimizer):
    """Feng et al. 2024 (Qualcomm), section 3: sign-m-SPSA with quantized weights.

    Weights are integers of `bits` bits times a step of their tensor, D = 4 max |w| / 2^(bits - 1)
    at the start. Of m directions z, normal and rounded to 8 bits over four standard deviations, the
    losses at w + e z and w - e z, both rounded to the grid, give one sign each. The step is
    w <- round(w - lr / m * sum sign(L+ - L-) z), on the grid: smaller steps are lost.

    Deviates from the paper: activations, losses and the model's arithmetic stay floating-point, as
    they belong to the task: of 16-bit weights and 8-bit activations (w16a8) only the weights and
    perturbations are quantized. Its momentum-guided sampling, sharpness-aware and sparse updates
    are not used. Tensors that start at 0 take the coarsest step of the others. Grid and rounding
    are written from descriptions of the paper, of which the authors have published no code.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        epsilon: float,
        queries: int,
        bits: int,
        info: TaskInfo,
    ) -> None:
        super().__init__(params, {"lr": lr})
        self._epsilon = epsilon
        self._queries = queries
        self._largest = 2 ** (bits - 1) - 1
        self._generator = info.generator
        trained = [p for p in params if p.requires_grad and p.numel()]
        ranges = {p: float(p.detach().abs().max()) for p in trained}
        for p in trained:
            largest = ranges[p] or max(ranges.values()) or 1.0
            self.state[p]["grid"] = HEADROOM * largest / self._largest
            self._place(p, self._integers(p))

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 2/3 per example and direction."""
        rates = {p: group["lr"] for group in self.param_groups for p in group["params"]}
        trained = [p for p in objective.parameters if "grid" in self.state.get(p, {})]
        integers = [self._integers(p) for p in trained]
        sums = [torch.zeros_like(integer) for integer in integers]
        shared = draw_seed(self._generator)  # both losses of a pair have the same dropout
        losses = []
        for _ in range(self._queries):
            probes = [self._probe(p) for p in trained]
            for sign in (1, -1):
                for p, z, integer in zip(trained, probes, integers, strict=True):
                    self._place(p, integer + sign * self._epsilon / self._grid(p) * z)
                losses.append(loss_under(objective, shared))
            sign = (losses[-2] - losses[-1]).sign()
            for total, z in zip(sums, probes, strict=True):
                total.add_(sign * z)
        for p, total, integer in zip(trained, sums, integers, strict=True):
            self._place(p, integer - rates[p] / self._queries / self._grid(p) * total)
        return torch.stack(losses).mean()

    def _grid(self, p: nn.Parameter) -> float:
        return self.state[p]["grid"]

    def _integers(self, p: nn.Parameter) -> Tensor:
        wide = torch.promote_types(p.dtype, torch.float32)
        return (p.detach().to(wide) / self._grid(p)).round_()

    def _place(self, p: nn.Parameter, integers: Tensor) -> None:
        """Set a weight to the grid's point nearest to so many of its steps."""
        nearest = integers.round().clamp_(-self._largest, self._largest)
        p.data.copy_(nearest * self._grid(p))

    def _probe(self, p: nn.Parameter) -> Tensor:
        drawn = torch.randn(p.shape, generator=self._generator, dtype=p.dtype)
        levels = 2 ** (PROBE_BITS - 1) - 1
        step = PROBE_RANGE / levels
        return ((drawn / step).round_().clamp_(-levels, levels) * step).to(p.device)


optimizer(
    "fixed_point_forward_gradient",
    FixedPointForwardGradient,
    summary="Signs of two losses' differences along random directions, with weights of few bits.",
    paper="Feng et al. 2024, Stepping Forward on the Last Mile",
    url="https://arxiv.org/abs/2411.04036",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "epsilon": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "queries": search.integer(1, 4, default=1),
        "bits": search.choice(8, 16, default=16),
    },
    claims=[
        Claim(
            says="Fixed-point forward gradients come close to backpropagation.",
            task="digits",
            rival="sgd",
            measure="score",
            expect="equal",
            number="feasible and practical for adapting models on devices, a smaller gap "
            "to backpropagation; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="Weights of 8 bits are too coarse to converge, those of 16 bits are not.",
            task="digits",
            measure="hyperparameter",
            quantity="bits",
            expect="equal",
            value=16,
            number="16; weights of 8 bits do not converge, those of 16 bits do",
            place="the paper",
            from_memory=True,
        ),
    ],
)
