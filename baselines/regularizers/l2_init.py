"""L2 Init: a quadratic penalty towards the initial weights."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Objective, regularizer, search

from .families.weights import WeightPenalty


class L2Init(WeightPenalty):
    """Kumar et al. 2023: strength ||w - w0||^2 is added to the loss.

    w0 are the initial weights; all parameters, without the factor 1/2.

    Deviates from the paper: nothing.
    """

    def start(self, model: nn.Module, objective: Objective) -> None:
        super().start(model, objective)
        weights = dict(model.named_parameters())
        self._initial = {name: weights[name].detach().clone() for name in self._names}

    def _term(self, name: str, w: Tensor) -> Tensor:
        return (w - self._initial[name]).square().sum()


regularizer(
    "l2_init",
    L2Init,
    summary="Pulls the weights towards their initial values.",
    paper="Kumar et al. 2023, Maintaining Plasticity in Continual Learning via Regenerative "
    "Regularization",
    url="https://arxiv.org/abs/2308.11958",
    search={"strength": search.log_uniform(1e-5, 1e-1, default=1e-3)},
    claims=[
        Claim(
            says="L2 Init consistently mitigates loss of plasticity.",
            task="random_label_memory",
            method="adamw+l2_init",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: most consistently mitigates plasticity loss among "
            "the approaches compared",
            place="abstract",
        ),
        Claim(
            says="L2 Init keeps plasticity better than the penalty towards the origin.",
            task="random_label_memory",
            method="adamw+l2_init",
            rival="adamw+l2",
            measure="score",
            expect="better",
            number="no number in the abstract: most consistently mitigates plasticity loss "
            "compared with earlier approaches; L2 differs in the origin only",
            place="abstract",
        ),
        Claim(
            says="L2 Init keeps plasticity better than the penalty towards the last weights.",
            task="permuted_digits_short",
            method="adamw+l2_init",
            rival="adamw+ewc",
            measure="score",
            expect="better",
            number="no number in the abstract: most consistently mitigates plasticity loss "
            "compared with earlier approaches; EWC is for forgetting, not for plasticity",
            place="abstract; related work for EWC",
            from_memory=True,
        ),
    ],
)
