"""MARS-Lion: the sign of a momentum of corrected gradients."""

from __future__ import annotations

from torch import Tensor

from suite import Claim, optimizer, search

from .families.mars import MARS
from .families.moments import Group, State


class MARSLion(MARS):
    """Yuan et al. 2024, algorithm 3, approximate.

    c and m as in `families/mars.py`: c = g + gamma * b1 / (1 - b1) * (change of g), clipped to norm
    1; w <- w - lr * (sign(m) + weight_decay * w).

    Deviates from the paper: as mars_adamw does; the default rate is a tenth of that one's, as
    Lion's of AdamW's: the authors tuned the AdamW form only.
    """

    def preconditioned(self, m: Tensor, c: Tensor, state: State, group: Group) -> Tensor:
        return m.sign()


optimizer(
    "mars_lion",
    MARSLion,
    summary="The sign of a momentum of gradients that their change corrects.",
    paper="Yuan et al. 2024, MARS: Unleashing the Power of Variance Reduction for Training Large "
    "Models",
    url="https://arxiv.org/abs/2411.10438",
    search={
        "lr": search.log_uniform(1e-5, 1e-2, default=3e-4),
        "weight_decay": search.log_uniform(1e-2, 30.0, default=1.0),
        "gamma": search.log_uniform(2.5e-3, 0.25, default=0.025),
    },
    claims=[
        Claim(
            says="The MARS family trains language models to a lower loss than AdamW.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="GPT-2: MARS consistently outperforms AdamW by a large margin",
            place="abstract",
        )
    ],
)
