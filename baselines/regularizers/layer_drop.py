"""Layer drop: each step trains the layers from a random one upwards, the others rest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Objective, Regularizer, TaskInfo, regularizer


class LayerDrop(Regularizer):
    """Gruntkowska et al. 2025, algorithm 1 with randomized progressive training, uniform.

    In each step s is drawn from the numbers of the layers; layers below s get no gradient, so that
    the optimizer leaves their weights and state alone. `muon+layer_drop` is Drop-Muon.

    Deviates from the paper: gradients of resting layers are computed and charged all the same, so
    that no time is saved; around Muon steps are Muon's (Nesterov's form, Jordan's factor) without
    the paper's factor ||m||*; layers count in the order of the model.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._generator = info.generator
        self._lowest = 0

    def around_step(self, step: Callable[[], Tensor], objective: Objective) -> Tensor:
        # Once a step, however often the optimizer evaluates gradients in it.
        depths = sorted({p.depth for p in objective.parameters})
        self._lowest = depths[int(torch.randint(len(depths), (), generator=self._generator))]
        return step()

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        for p in parameters:
            if p.depth < self._lowest:
                p.grad = None


regularizer(
    "layer_drop",
    LayerDrop,
    summary="Trains only the layers above a randomly drawn one in each step.",
    paper="Gruntkowska et al. 2025, Drop-Muon: Update Less, Converge Faster",
    url="https://arxiv.org/abs/2510.02239",
    claims=[
        Claim(
            says="With only some layers trained in a step, Muon's accuracy is reached, "
            "and sooner by the clock.",
            task="digits_batchnorm",
            method="muon+layer_drop",
            rival="muon",
            measure="score",
            expect="equal",
            number="the same accuracy as Muon up to 1.4 times faster in wall-clock time, "
            "convolutional networks",
            place="abstract",
        ),
        Claim(
            says="With only some layers trained in a step, the target is reached sooner.",
            task="digits_batchnorm",
            method="muon+layer_drop",
            rival="muon",
            measure="time_to_target",
            expect="better",
            number="up to 1.4 times faster in wall-clock time; here by gradient evaluations, of "
            "which a step with resting layers costs a whole one",
            place="abstract",
        ),
    ],
)
