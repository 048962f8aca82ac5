"""The quadratic synchronization rule: fewer meetings of workers at a smaller learning rate."""

from __future__ import annotations

from suite import Size, rule


def quadratic_synchronization(size: Size, base: Size) -> float:
    """The best number of local steps between two meetings is in proportion to 1 / lr^2.

    Deviates from the paper: there the learning rate decays during a run and the number of steps
    follows it, from a least number on; here each size has a constant rate, and so one number.
    """
    return (float(base.sets["lr"]) / float(size.sets["lr"])) ** 2


rule(
    "quadratic_synchronization",
    quadratic_synchronization,
    summary="The best number of local steps of Local SGD is in proportion to 1 / lr^2.",
    paper="Gu et al. 2024, A Quadratic Synchronization Rule for Distributed Deep Learning",
    url="https://arxiv.org/abs/2310.14423",
    place="abstract",
    method="sgd+local_sgd",
    hyperparameter="local_steps",
    sizes=[
        ("noisy_labels_short", {"lr": 0.5}),
        ("noisy_labels_short", {"lr": 0.4}),
        ("noisy_labels_short", {"lr": 0.6}),
    ],
)
