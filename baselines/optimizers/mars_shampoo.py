"""MARS-Shampoo: the orthogonalized momentum of corrected gradients."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import adam_step
from .families.mars import MARS
from .families.moments import Group, State, average
from .families.orthogonal import aspect, newton_schulz


class MARSShampoo(MARS):
    """Yuan et al. 2024, algorithm 4, approximate.

    c and m as in `families/mars.py`: c = g + gamma * b1 / (1 - b1) * (change of g), clipped to norm
    1. A matrix of r rows and c columns moves by lr * sqrt(max(1, r / c)) times U V' of m = U S V',
    which five Newton-Schulz iterations approximate, with decoupled decay. All other tensors move
    by mars_adamw's rule at the rate `adamw_lr`, as in the authors' code.

    Deviates from the paper: as mars_adamw does; iterations have the weights' precision instead of
    bfloat16 on a CPU and where matrices are small. The default rate is a quarter of Muon's:
    embeddings and heads are orthogonalized here too, and the authors tuned the AdamW form only.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        adamw_lr: float,
        weight_decay: float,
        gamma: float,
    ) -> None:
        is_matrix = [p.ndim == 2 and not p.is_complex() for p in parameters]
        pairs = list(zip(parameters, is_matrix, strict=True))
        matrices = {"params": [p for p, chosen in pairs if chosen], "lr": lr}
        others = {"params": [p for p, chosen in pairs if not chosen], "lr": adamw_lr}
        groups = [group for group in (matrices, others) if group["params"]]
        super().__init__(groups, lr, weight_decay, gamma)

    def preconditioned(self, m: Tensor, c: Tensor, state: State, group: Group) -> Tensor:
        if m.ndim == 2:
            rows, columns = m.shape
            return newton_schulz(m).mul_(aspect(rows, columns))
        v = average(state, "v", c.square(), group["betas"][1])
        return adam_step(m, v, group["betas"], group["eps"], state["step"])


optimizer(
    "mars_shampoo",
    MARSShampoo,
    summary="Orthogonalized momentum of gradients that their change corrects.",
    paper="Yuan et al. 2024, MARS: Unleashing the Power of Variance Reduction for Training Large "
    "Models",
    url="https://arxiv.org/abs/2411.10438",
    search={
        "lr": search.log_uniform(1e-3, 1e-1, default=5e-3),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
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
