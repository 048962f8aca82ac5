"""z-loss: the logarithm of the softmax's normalizer is kept near zero."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class ZLoss(Regularizer):
    """Chowdhery et al. 2022, section 5: strength (log Z)^2 is added to the cross entropy.

    log Z is the logarithm of the sum of the exponentials of the scores; the mean is over all
    predictions of a batch. The strength there and in Wortsman et al. 2023 is 1e-4.

    Deviates from the paper: nothing.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.loss != "cross_entropy":
            raise NotApplicable("z-loss is about the softmax of a cross entropy")

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        loss = default(outputs, targets)
        if not self.strength:
            return loss
        return loss + self.strength * outputs.logsumexp(-1).square().mean()


regularizer(
    "z_loss",
    ZLoss,
    summary="Keeps the logarithm of the softmax's normalizer near zero.",
    paper="Chowdhery et al. 2022, PaLM: Scaling Language Modeling with Pathways",
    url="https://arxiv.org/abs/2204.02311",
    search={"strength": search.log_uniform(1e-6, 1e-1, default=1e-4)},
    claims=[
        Claim(
            says="With z-loss larger learning rates train stably.",
            task="lm_markov_short",
            method="adamw+z_loss",
            rival="adamw",
            measure="hyperparameter",
            quantity="lr",
            expect="higher",
            number="no number in the abstract: output logits diverge at high learning rates in "
            "small models, too, and mitigations of large scales are equally effective",
            place="abstract",
            source="Wortsman et al. 2023, Small-scale proxies for large-scale Transformer training "
            "instabilities, https://arxiv.org/abs/2309.14322",
        ),
    ],
)
