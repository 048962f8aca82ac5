"""Zeroth-order SGD: several random directions, the sign alone, or only steps that help."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, TaskInfo, optimizer, search

from .families.zeroth_order import draw_seed, loss_under, move


class ZOSGD(Optimizer):
    """Zhang et al. 2024, section 3, as in the authors' ZO-Bench; compared by Feng et al. 2025.

    Each of q directions z ~ N(0, I) has the slope d = (L(w + e z) - L(w - e z)) / (2 e), and
    g is the mean of d z. The step is -lr g ("plain", with q = 1 it is MeZO), the mean of sign(d) z
    in the place of g ("sign"), or whichever of -lr g, +lr g and no step has the lowest loss on the
    batch ("conserve").

    Deviates from the paper: "sign" is the authors' code; in the paper it is the sign of g.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        epsilon: float,
        queries: int,
        variant: str,
        info: TaskInfo,
    ) -> None:
        super().__init__(params, {"lr": lr})
        self._epsilon = epsilon
        self._queries = queries
        self._variant = variant
        self._generator = info.generator

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: 2/3 per example and query; "conserve" costs 1 more."""
        shared = draw_seed(self._generator)  # losses that are compared have the same dropout
        before = loss_under(objective, shared) if self._variant == "conserve" else None
        seeds = [draw_seed(self._generator) for _ in range(self._queries)]
        slopes, losses = [], []
        for seed in seeds:
            self._move(seed, self._epsilon)
            plus = loss_under(objective, shared)
            self._move(seed, -2 * self._epsilon)
            minus = loss_under(objective, shared)
            self._move(seed, self._epsilon)
            slope = float(plus - minus) / (2 * self._epsilon)
            slopes.append(float((slope > 0) - (slope < 0)) if self._variant == "sign" else slope)
            losses += [plus, minus]
        self._step(seeds, slopes, 1.0)
        if before is None:
            return torch.stack(losses).mean()
        down = loss_under(objective, shared)
        self._step(seeds, slopes, -2.0)
        up = loss_under(objective, shared)
        self._step(seeds, slopes, 1.0)
        if not before <= min(down, up):
            self._step(seeds, slopes, 1.0 if down <= up else -1.0)
        return before

    def _step(self, seeds: list[int], slopes: list[float], factor: float) -> None:
        """Take the step `factor` times; a negative factor goes back."""
        for seed, slope in zip(seeds, slopes, strict=True):
            share = -factor * slope / len(seeds)
            move(self.param_groups, seed, [share * group["lr"] for group in self.param_groups])

    def _move(self, seed: int, distance: float) -> None:
        move(self.param_groups, seed, [distance] * len(self.param_groups))


optimizer(
    "zo_sgd",
    ZOSGD,
    summary="Zeroth-order gradients of several directions, their signs, or only useful steps.",
    paper="Zhang et al. 2024, Revisiting Zeroth-Order Optimization for Memory-Efficient LLM "
    "Fine-Tuning: A Benchmark",
    url="https://arxiv.org/abs/2402.11592",
    search={
        # The paper's 1e-7 to 1e-6 fine-tune billions of weights; small models want larger steps.
        "lr": search.log_uniform(1e-6, 1e-1, default=1e-3),
        "epsilon": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "queries": search.integer(1, 4, default=1),
        "variant": search.choice("plain", "sign", "conserve", default="conserve"),
    },
    claims=[
        Claim(
            says="Forward passes alone are enough to mitigate forgetting.",
            task="split_digits_task",
            rival="sgd",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="forward passes alone can be sufficient to mitigate forgetting; no number",
            place="abstract",
            source="Feng et al. 2025, ZeroFlow: Overcoming Catastrophic Forgetting is Easier "
            "than You Think, arXiv 2501.01045",
        ),
    ],
)
