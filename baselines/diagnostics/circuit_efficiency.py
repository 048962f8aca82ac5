"""Circuit efficiency: how large the right logits are for the size of the weights."""

from __future__ import annotations

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.curvature import weights
from .families.features import compared


def circuit_efficiency(probe: Probe) -> dict[str, float]:
    """Mean of (right logit - mean logit) over the norm of the weights, and the squared norm.

    The paper compares the efficiency of a memorizing and of a generalizing solution; along a run,
    it rises when the latter takes over.

    Deviates from the paper: of the one solution that a run has, on training examples.
    """
    if probe.loss_name != "cross_entropy":
        raise NotApplicable("the loss of this task is not a cross entropy")
    outputs, targets = compared(probe)
    logits, labels = outputs.flatten(0, -2), targets.flatten()
    right = logits.gather(-1, labels[:, None])[:, 0] - logits.mean(-1)
    size = float(weights(probe).norm())
    if not size > 0:
        raise NotApplicable("all weights are 0")
    return {"logit": float(right.mean()) / size, "squared_norm": size**2}


diagnostic(
    "circuit_efficiency",
    circuit_efficiency,
    paper="Varma et al. 2023, Explaining grokking through circuit efficiency",
    url="https://arxiv.org/abs/2309.02390",
    unit={"logit": "logit / norm of weights", "squared_norm": "sum of squared weights"},
    cost=0.4,
    claims=[
        Claim(
            says="Generalization comes the later, the larger the norm of the weights is.",
            task="modular_addition",
            measure="correlation",
            quantity="circuit_efficiency_squared_norm, time_to_target",
            expect="lower",
            value=0.0,
            number="time to generalize falls as weight decay grows",
            place="figure on weight norm and grokking",
            source="Liu, Michaud and Tegmark 2023, Omnigrok: Grokking Beyond Algorithmic Data",
            from_memory=True,
        ),
    ],
)
