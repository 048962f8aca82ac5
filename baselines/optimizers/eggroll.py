"""EGGROLL: evolution strategies with perturbations of low rank; no backward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Objective, TaskInfo, optimizer, search


class EGGROLL(Optimizer):
    """Sarkar et al. 2025, with antithetic pairs of perturbations.

    A member of the population moves each matrix by sigma A B' / sqrt(rank) with standard normal
    A (rows x rank) and B (columns x rank), other tensors by sigma times a normal tensor. The step
    is lr / population * sum of F_i E_i, where F is the negative loss, standardized over the
    population, and E_i is the perturbation divided by sigma.

    Deviates from the paper: all members see the same batch; convolution kernels count as matrices
    with one row for each output channel; the paper's other fitness transformations are not used.
    The authors' code multiplies the step by sigma sqrt(population) and adds 1e-5 to the variance of
    the fitness; the rate absorbs the one, and losses may vary less than the other.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        sigma: float,
        info: TaskInfo,
        pairs: int = 8,
        rank: int = 1,
    ) -> None:
        super().__init__(params, {"lr": lr})
        self._sigma = sigma
        self._pairs = pairs
        self._rank = rank
        self._generator = info.generator

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 1/3 per example and member."""
        noises = [self._noise(objective.parameters) for _ in range(self._pairs)]

        def members() -> Iterator[list[Tensor]]:
            for noise in noises:
                for sign in (self._sigma, -self._sigma):
                    yield [sign * e for e in noise]

        losses = objective.losses_at(members())
        fitness = -(losses - losses.mean()) / (losses.std(unbiased=False) + 1e-8)
        # A pair has opposite perturbations: the difference of its fitness weighs the first one's.
        weights = fitness.view(self._pairs, 2)
        weights = (weights[:, 0] - weights[:, 1]) / len(losses)
        rates = {p: group["lr"] for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(objective.parameters):
            step = sum(w * noise[i] for w, noise in zip(weights, noises, strict=True))
            p.add_(step, alpha=rates[p])
        return losses.mean()

    def _noise(self, parameters: list[nn.Parameter]) -> list[Tensor]:
        return [self._perturbation(p) for p in parameters]

    def _perturbation(self, p: nn.Parameter) -> Tensor:
        if p.ndim < 2:
            return self._normal(p.shape, p)
        rows, columns = len(p), p[0].numel()
        a, b = self._normal((rows, self._rank), p), self._normal((columns, self._rank), p)
        return (a @ b.T / self._rank**0.5).view(p.shape)

    def _normal(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        drawn = torch.randn(shape, generator=self._generator, dtype=like.dtype)
        return drawn.to(like.device)


optimizer(
    "eggroll",
    EGGROLL,
    summary="Evolution strategies with low-rank perturbations, evaluated all at once.",
    paper="Sarkar et al. 2025, Evolution Strategies at the Hyperscale",
    url="https://arxiv.org/abs/2511.16652",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "sigma": search.log_uniform(1e-3, 0.3, default=0.03),
    },
)
