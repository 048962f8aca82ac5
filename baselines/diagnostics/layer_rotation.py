"""Layer rotation: the angle between each layer's weights and their initial values."""

from __future__ import annotations

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.gradients import cosine


def layer_rotation(probe: Probe) -> dict[str, float]:
    """1 - cos(w_t, w_0) of each layer's weight tensor: the mean over layers, and both ends.

    Layers are tensors of at least two dimensions; biases and norms are left
    out, as there.
    """
    initial = probe.initial
    found = [
        1.0 - float(cosine(p.detach().flatten(), initial[name].flatten()))
        for name, p in probe.parameters.items()
        if p.ndim >= 2
    ]
    if not found:
        raise NotApplicable("the model has no matrix and no filter")
    return {"mean": sum(found) / len(found), "smallest": min(found), "largest": max(found)}


diagnostic(
    "layer_rotation",
    layer_rotation,
    paper="Carbonnelle and De Vleeschouwer 2019, Layer rotation",
    url="https://arxiv.org/abs/1806.01603",
    unit=dict.fromkeys(("mean", "smallest", "largest"), "1 - cosine"),
    cost=0,
    claims=[
        Claim(
            says="The more all layers rotate away from their initial weights, the better the "
            "network generalizes.",
            task="digits",
            measure="correlation",
            quantity="layer_rotation_smallest, score",
            expect="higher",
            value=0.0,
            number="up to 30 % of test accuracy between trainings that reach a cosine distance of "
            "1 in all layers and others",
            place="abstract",
        ),
        Claim(
            says="The more all layers rotate away from their initial weights, the better the "
            "network generalizes.",
            task="noisy_labels_short",
            measure="correlation",
            quantity="layer_rotation_smallest, score",
            expect="higher",
            value=0.0,
            number="up to 30 % of test accuracy between trainings that reach a cosine distance of "
            "1 in all layers and others",
            place="abstract",
        ),
    ],
)
