"""The 1-norm of the weights, and how many are near 0: whether an L1 penalty does what it says."""

from __future__ import annotations

from suite import Claim, Probe, diagnostic

from .families.curvature import weights

#: weights below it count as 0
SMALL = 1e-3


def ngdm_l1_paradox(probe: Probe) -> dict[str, float]:
    """||w||_1 and the share of weights below 0.001.

    The paper's claim is about several runs: with subgradients, a stronger penalty can end in a
    larger norm. Compare `l1` at several strengths by these columns.
    """
    found = weights(probe).abs()
    return {"norm": float(found.sum()), "near_zero": float((found < SMALL).float().mean())}


diagnostic(
    "ngdm_l1_paradox",
    ngdm_l1_paradox,
    paper="Kumar 2024, GD doesn't make the cut: Three ways that non-differentiability affects "
    "neural network training",
    url="https://arxiv.org/abs/2401.08426",
    unit={"norm": "sum of absolute weights", "near_zero": "share of weights"},
    cost=0,
    claims=[
        Claim(
            says="Generalization comes the later, the larger the norm of the weights is, here the "
            "1-norm.",
            task="modular_addition_short",
            measure="correlation",
            quantity="ngdm_l1_paradox_norm, time_to_target",
            expect="lower",
            value=0.0,
            number="time to generalize falls as weight decay grows",
            place="figure on weight norm and grokking",
            source="Liu, Michaud and Tegmark 2023, Omnigrok: Grokking Beyond Algorithmic Data",
            from_memory=True,
        ),
    ],
)
