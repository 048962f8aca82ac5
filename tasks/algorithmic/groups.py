"""Tables of groups: composition that does not commute, and squares that find frequencies.

Power et al. 2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets",
learn composition in S5. Tian 2024, "Composing Global Optimizers to Reasoning Tasks via Algebraic
Objects in Neural Nets" (CoGO), and Tian 2025, "Provable Scaling Laws of Feature Emergence from
Learning Dynamics of Grokking" (Li2), read what 2-layer networks with squares learn of a group.
"""

from __future__ import annotations

import functools

from torch import Tensor, nn

from suite import Split, task

from .group_features import feature_metrics, isotypic_projections
from .networks import PairNetwork, Quadratic, TwoEmbeddings
from .tables import TableProblem, cyclic, dihedral, direct_product, grokking, symmetric

GROUPS = {
    "cyclic_37": lambda: cyclic(37),
    "cyclic_71": lambda: cyclic(71),
    "dihedral_19": lambda: dihedral(19),
    "s3_x_cyclic_7": lambda: direct_product(symmetric(3), cyclic(7)),
    "s5": lambda: symmetric(5),
}


@functools.cache
def frequencies(group: str) -> Tensor:
    """The projections on a group's isotypic components."""
    return isotypic_projections(GROUPS[group]())


class GroupComposition(TableProblem):
    """Learn a group's table with cross-entropy."""

    def __init__(
        self, group: str, network: PairNetwork, train: float = 0.5, full_batch: bool = True
    ) -> None:
        self.group = group
        super().__init__(network, train, full_batch)

    def table(self) -> Tensor:
        return GROUPS[self.group]()


def centered_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared distance of scores (N, classes) to one-hot targets, both less their mean.

    Mean over examples, sum over classes; the same for scores that differ by a constant.
    """
    one_hot = nn.functional.one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
    error = (outputs - outputs.mean(-1, keepdim=True)) - (one_hot - one_hot.mean(-1, keepdim=True))
    return error.square().sum(-1).mean()


class GroupFeatures(GroupComposition):
    """Learn a group's table with squares and a squared error, and report what the nodes learned.

    `feature_purity` and `feature_diversity` are those of `group_features.feature_metrics`, read
    from the left operand's weights. CoGO: with weight decay nearly every node ends with one
    frequency. Li2: how many frequencies are found depends on the optimizer.
    """

    criterion = staticmethod(centered_squared_error)

    def __init__(self, group: str, network: Quadratic, train: float) -> None:
        super().__init__(group, network, train)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        first = next(m for m in model.modules() if isinstance(m, nn.Linear))
        weights = first.weight[:, : self.symbols]
        projections = frequencies(self.group).to(weights)
        return {**super().evaluate(model, split), **feature_metrics(weights, projections)}


composition = GroupComposition("dihedral_19", TwoEmbeddings(64), train=0.7)
task(
    "dihedral_composition",
    composition,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Grokking: compose symmetries of a 19-gon (38 elements) from 70 % of the table.",
    source="Power et al. 2022, S5; a smaller group that does not commute either",
    **grokking(composition, steps=1500),
)

addition = GroupFeatures("cyclic_37", Quadratic(128), train=0.45)
task(
    "modular_addition_quadratic",
    addition,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Squares learn (a + b) mod 37 from 45 % of the table; frequencies of the nodes.",
    source="Tian 2024, CoGO; smaller modulus, accuracy as the score",
    **grokking(addition, steps=400, evaluations=80),
)

product = GroupFeatures("s3_x_cyclic_7", Quadratic(128), train=0.5)
task(
    "product_group_quadratic",
    product,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Squares learn the group S3 x Z7 (42 elements) from half of its table.",
    source="Tian 2025, Li2: product and non-abelian groups; smaller, accuracy as the score",
    **grokking(product, steps=400, evaluations=80),
)
