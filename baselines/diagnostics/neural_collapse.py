"""Neural collapse: within-class variance, the means' simplex, and the classifier's alignment."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import NotApplicable, Probe, diagnostic

from .families.features import compared, features, last


def neural_collapse(probe: Probe) -> dict[str, float | None]:
    """NC1 = Tr(S_W pinv(S_B)) / K, NC2 = distance of the means to a simplex, NC3 to the classifier.

    Of the features that enter the last layer, of K classes with at least two examples in the
    probing batch; S_W and S_B are the covariances within classes and of the class means. NC2 is
    ||M^T M / ||M^T M|| - (I - 1/K) / sqrt(K - 1)||, with centered class means in the columns of M
    (norms are Frobenius'). NC3 is ||W / ||W|| - M^T / ||M|||| with the last layer's matrix W, None
    where that is not (K, features). All are 0 in full collapse.
    """
    if probe.classes is None:
        raise NotApplicable("the targets of this task are no classes")
    targets = compared(probe)[1]
    hidden = last(probe).double()
    if targets.is_floating_point() or targets.ndim != 1 or len(targets) != len(hidden):
        raise NotApplicable("an example has more than one class, as that of a language model")
    known, counts = targets.unique(return_counts=True)
    known = known[counts > 1]
    count = len(known)
    if count < 2:
        raise NotApplicable("the probing batch has fewer than two classes of two examples")
    groups = [hidden[targets == label] for label in known]
    means = torch.stack([group.mean(0) for group in groups])
    centered = means - means.mean(0)
    # S_B = M M^T / K, so that pinv(S_B) = K P P^T with the pseudoinverse P of M^T.
    inverse = torch.linalg.pinv(centered)
    spreads = [((group - group.mean(0)) @ inverse).square().sum(1).mean() for group in groups]
    return {
        "nc1": float(sum(spreads)) / count,
        "nc2": _distance_to_simplex(centered),
        "nc3": _distance_to_classifier(probe, known, centered),
    }


def _distance_to_simplex(centered: Tensor) -> float | None:
    count = len(centered)
    gram = centered @ centered.T
    if not gram.norm() > 0:
        return None
    simplex = torch.eye(count, dtype=gram.dtype, device=gram.device) - 1.0 / count
    return float((gram / gram.norm() - simplex / (count - 1) ** 0.5).norm())


def _distance_to_classifier(probe: Probe, known: Tensor, centered: Tensor) -> float | None:
    module = probe.model.get_submodule(list(features(probe))[-1])
    if not isinstance(module, nn.Linear) or module.weight.shape != (
        probe.classes,
        centered.shape[1],
    ):
        return None
    weight = module.weight.detach().double()[known]
    weight = weight - weight.mean(0)
    if not (weight.norm() > 0 and centered.norm() > 0):
        return None
    return float((weight / weight.norm() - centered / centered.norm()).norm())


diagnostic(
    "neural_collapse",
    neural_collapse,
    paper="Papyan, Han and Donoho 2020, Prevalence of neural collapse; Tirer, Huang and Niles-Weed "
    "2023, Perturbation Analysis of Neural Collapse",
    url="https://arxiv.org/abs/2210.16658",
    unit={"nc1": "ratio of variances", "nc2": "distance", "nc3": "distance"},
    cost=0.5,
)
