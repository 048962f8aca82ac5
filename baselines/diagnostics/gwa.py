"""Gradient-weight alignment: do single examples pull the classifier along its weights?"""

from __future__ import annotations

import torch
from torch import nn

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.features import compared, features, last


def gwa(probe: Probe) -> dict[str, float]:
    """Mean of cos(-g_i, W) over examples / (excess kurtosis + 1.2), and the plain mean.

    W is the last layer's matrix and g_i the gradient of example i's cross entropy by it, which is
    (softmax(z_i) - y_i) h_i^T. The correction by the shape of the distribution is that of the
    authors' code: 1.2 is minus the excess kurtosis of a uniform distribution.
    """
    name = list(features(probe))[-1]
    module = probe.model.get_submodule(name)
    if probe.loss_name != "cross_entropy" or not isinstance(module, nn.Linear):
        raise NotApplicable("it needs a linear classifier and a cross entropy")
    logits, targets = compared(probe)
    hidden = last(probe)
    if logits.ndim != 2 or module.weight.shape != (logits.shape[1], hidden.shape[1]):
        raise NotApplicable("the last layer's outputs are not the scores of each example")
    difference = logits.softmax(-1) - nn.functional.one_hot(targets, logits.shape[1])
    weight = module.weight.detach()
    # The gradient is a product of two vectors, so that no matrix of it is needed.
    sizes = difference.norm(dim=1) * hidden.norm(dim=1) * weight.norm()
    along = -((difference @ weight) * hidden).sum(1)
    found = torch.where(sizes > 0, along / sizes, torch.zeros_like(along)).double()
    spread = found - found.mean()
    variance = spread.square().mean()
    if not variance > 0:
        raise NotApplicable("all examples are aligned alike")
    excess = float(spread.pow(4).mean() / variance.square()) - 3.0
    mean = float(found.mean())
    return {"corrected": mean / (excess + 1.2), "mean": mean}


diagnostic(
    "gwa",
    gwa,
    paper="Hölzl et al. 2025, Gradient-Weight Alignment as a Train-Time Proxy for Generalization "
    "in Classification Tasks",
    url="https://arxiv.org/abs/2510.25480",
    unit={"corrected": "cosine / kurtosis", "mean": "cosine"},
    cost=0.4,
    claims=[
        Claim(
            says="Gradients that are aligned with the classifier's weights predict generalization.",
            task="digits",
            measure="correlation",
            quantity="gwa_corrected, score",
            expect="higher",
            value=0.0,
            number="a proxy for generalization that enables model comparison",
            place="abstract",
        ),
        Claim(
            says="Gradients that are aligned with the classifier's weights predict generalization.",
            task="noisy_labels_short",
            measure="correlation",
            quantity="gwa_corrected, score",
            expect="higher",
            value=0.0,
            number="a proxy for generalization that enables model comparison",
            place="abstract",
        ),
    ],
)
