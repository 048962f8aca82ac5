"""Coherence: how many examples one example's gradient helps."""

from __future__ import annotations

from suite import Claim, Probe, diagnostic

from .families.gradients import example_gradients


def coherence_alpha(probe: Probe) -> dict[str, float | None]:
    """alpha = ||E g_i||^2 / E ||g_i||^2 over single examples, and m-coherence, m alpha.

    The paper's alpha: 1 / m if the gradients of m examples are orthogonal, 1 if
    they are equal. Of the first 32 examples of the probing batch.
    """
    gradients = example_gradients(probe).double()
    mean = float(gradients.square().sum(1).mean())
    if not mean > 0:
        return {"alpha": None, "examples": None}
    alpha = float(gradients.mean(0).square().sum()) / mean
    return {"alpha": alpha, "examples": alpha * len(gradients)}


diagnostic(
    "coherence_alpha",
    coherence_alpha,
    paper="Chatterjee and Zielinski 2022, On the Generalization Mystery in Deep Learning",
    url="https://arxiv.org/abs/2203.10036",
    unit={"alpha": "ratio", "examples": "examples"},
    cost=0.6,
    claims=[
        Claim(
            says="The more the gradients of examples agree, the better the network generalizes.",
            task="noisy_labels_short",
            measure="correlation",
            quantity="coherence_alpha_alpha, score",
            expect="higher",
            value=0.0,
            number="coherence is far larger on real than on random labels",
            place="abstract",
        ),
    ],
)
