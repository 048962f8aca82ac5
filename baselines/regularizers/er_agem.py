"""ER + A-GEM: the joint loss is approximated by replay, and its gradient is projected as well."""

from __future__ import annotations

from torch import nn

from suite import Claim, regularizer, search

from .families.episodic import EpisodicMemory, without_conflict


class ERAGEM(EpisodicMemory):
    """Hess et al. 2023, section 3: replay says what is optimized, a projection how.

    r is the gradient of a random sample of the memory of earlier tasks, and b that of the batch.
    The joint gradient is g = share * b + (1 - share) * r. If g.r < 0, the step uses
    g - (g.r / r.r) r, and g otherwise.

    Deviates from the paper: nothing; r is computed once for both uses, where the authors' code
    passes the sample twice. The memory and the sample are those of `agem`.
    """

    def __init__(self, capacity: int, share: float) -> None:
        super().__init__(capacity)
        self.share = share

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        if self._sample is None:
            return
        _, reference = self.objective.gradient(self._sample)
        found = [(p, r) for p, r in zip(parameters, reference, strict=True) if p.grad is not None]
        joint = [r.lerp(p.grad, self.share) for p, r in found]
        projected = without_conflict(joint, [r for _, r in found])
        for (p, _), g in zip(found, projected, strict=True):
            p.grad.copy_(g)


regularizer(
    "er_agem",
    ERAGEM,
    summary="Replays examples of earlier tasks, and never steps against their gradient.",
    paper="Hess, Tuytelaars and van de Ven 2023, Two Complementary Perspectives to Continual "
    "Learning: Ask Not Only What to Optimize, But Also How",
    url="https://arxiv.org/abs/2311.04898",
    search={
        "capacity": search.choice(50, 100, 200, default=200),
        "share": search.uniform(0.1, 0.9, default=0.5),
    },
    claims=[
        Claim(
            says="A projection beside replay makes the stability gap no smaller, against "
            "what was expected.",
            task="stability_gap_digits",
            method="adamw+er_agem",
            rival="adamw+experience_replay",
            measure="column",
            quantity="min_acc",
            expect="equal",
            number="registered experiments: fails to show clear and consistent benefits of the "
            "projection; no number",
            place="abstract of version 2",
        ),
        Claim(
            says="A projection beside replay does not improve what is known at the end.",
            task="permuted_digits_domains",
            method="adamw+er_agem",
            rival="adamw+experience_replay",
            measure="column",
            quantity="average_accuracy",
            expect="equal",
            number="registered experiments: fails to show clear and consistent benefits of the "
            "projection; no number",
            place="abstract of version 2",
        ),
    ],
)
