"""MARS-AdamW: AdamW on gradients corrected by their change."""

from __future__ import annotations

from torch import Tensor

from suite import Claim, optimizer, search

from .families.few_passes import adam_step
from .families.mars import MARS
from .families.moments import Group, State, average


class MARSAdamW(MARS):
    """Yuan et al. 2024, algorithm 2, approximate.

    c and m as in `families/mars.py`: c = g + gamma * b1 / (1 - b1) * (change of g), clipped to norm
    1; v is the average of c^2; the step is Adam's of m and v, with decoupled decay.

    Deviates from the paper: the same rule for all tensors, with the difference of gradients of two
    batches (the paper's MARS-approx). The authors' code trains vectors by AdamW at another rate,
    and its first difference is g, not 0.
    """

    def preconditioned(self, m: Tensor, c: Tensor, state: State, group: Group) -> Tensor:
        v = average(state, "v", c.square(), group["betas"][1])
        return adam_step(m, v, group["betas"], group["eps"], state["step"])


optimizer(
    "mars_adamw",
    MARSAdamW,
    summary="AdamW on gradients that the change since the last step corrects.",
    paper="Yuan et al. 2024, MARS: Unleashing the Power of Variance Reduction for Training Large "
    "Models",
    url="https://arxiv.org/abs/2411.10438",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=3e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "gamma": search.log_uniform(2.5e-3, 0.25, default=0.025),
    },
    claims=[
        Claim(
            says="MARS trains language models to a lower loss than AdamW.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="GPT-2 small, 50 B tokens: 2.849 against 2.885; large: 2.518 against 2.561",
            place="README of AGI-Arena/MARS",
        ),
        Claim(
            says="MARS trains language models to a lower loss than Muon.",
            task="lm_markov_short",
            rival="muon",
            measure="score",
            expect="better",
            number="GPT-2 small, 50 B tokens: 2.849 against 2.901; large: 2.518 against 2.573",
            place="README of AGI-Arena/MARS",
        ),
    ],
)
