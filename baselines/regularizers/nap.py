"""NaP: normalization before each nonlinearity, and weights projected to their initial norms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite import Claim, NotApplicable, Objective, Regularizer, TaskInfo, regularizer

from .families.layers import ACTIVATIONS


class NormalizeAndProject(Regularizer):
    """Lyle et al. 2024, normalize-and-project.

    Layer normalization, without scale and offset, before each activation: over the units of a
    layer, for convolutions over channels and pixels. After every step, each hidden matrix or kernel
    is scaled to the Frobenius norm that it had at first, so that the effective learning rate is
    that of the schedule.

    Deviates from the paper: normalizations have no scale and offset to train, which the paper
    offers with a decay; the output layer, embeddings and biases are not projected (what the paper
    does with them could not be read here).
    """

    #: the normalizations are part of the model
    hooks_in_evaluation = True

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        activations = [m for m in model.modules() if isinstance(m, ACTIVATIONS)]
        if not activations:
            raise NotApplicable("NaP needs activation modules to normalize the inputs of")
        self._one_dimensional = any(isinstance(m, nn.Conv1d) for m in model.modules())
        for module in activations:
            module.register_forward_pre_hook(self._normalize)

    def _normalize(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x, *others = inputs
        # (N, C, H, W), and (N, C, L) of convolutions; else units are the last dimension
        maps = x.ndim > 3 or (x.ndim == 3 and self._one_dimensional)
        shape = x.shape[1:] if maps else x.shape[-1:]
        return (F.layer_norm(x, shape), *others)

    def start(self, model: nn.Module, objective: Objective) -> None:
        hidden = [p for p in objective.parameters if p.role in ("hidden", "conv") and p.ndim > 1]
        self._norms: list[tuple[nn.Parameter, Tensor]] = [(p, p.detach().norm()) for p in hidden]

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for p, norm in self._norms:
            p.mul_(norm / p.norm().clamp(min=1e-12))


regularizer(
    "nap",
    NormalizeAndProject,
    summary="Normalizes before each activation and keeps the norm of each weight matrix.",
    paper="Lyle et al. 2024, Normalization and effective learning rates in reinforcement learning",
    url="https://arxiv.org/abs/2407.01800",
    claims=[
        Claim(
            says="A constant effective learning rate makes networks robust to nonstationarity.",
            task="random_label_memory",
            method="adamw+nap",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: improves robustness to nonstationarity in synthetic "
            "benchmarks of plasticity loss",
            place="abstract",
        ),
        Claim(
            says="On stationary tasks it is as good as the network without it, or a little better.",
            task="lm_markov_short",
            method="adamw+nap",
            rival="adamw",
            measure="score",
            expect="equal",
            number="no number in the abstract: recovers and in some cases slightly improves the "
            "base model, ResNets and transformers, on stationary benchmarks",
            place="abstract",
        ),
    ],
)
