"""Lion: pytorch-optimizer's, with every hyperparameter given: its defaults may change."""

from pytorch_optimizer import Lion
from torch import nn

from suite import Claim, optimizer, search

from .families.loops import at_once


def lion(parameters: list[nn.Parameter], lr: float, weight_decay: float) -> Lion:
    """Chen et al. 2023, algorithm 2. Deviates from the paper: nothing."""
    built = Lion(
        parameters,
        lr=lr,
        weight_decay=weight_decay,
        betas=(0.9, 0.99),
        weight_decouple=True,
        fixed_decay=False,
        foreach=at_once(parameters),
        maximize=False,
    )
    for group in built.param_groups:
        group["decoupled_weight_decay"] = True  # hooks of the update leave the decay alone
    return built


optimizer(
    "lion",
    lion,
    summary="The sign of an interpolation of gradient and momentum, with decoupled weight decay.",
    paper="Chen et al. 2023, Symbolic Discovery of Optimization Algorithms",
    url="https://arxiv.org/abs/2302.06675",
    search={
        "lr": search.log_uniform(1e-5, 1e-2, default=3e-4),
        "weight_decay": search.log_uniform(1e-2, 30.0, default=1.0),
    },
    claims=[
        Claim(
            says="Sign descent learns all classes at one rate, however rare they are.",
            task="digits_longtail",
            rival="sgd",
            measure="column",
            quantity="few_accuracy",
            expect="higher",
            number="the loss of every class falls as exp(-c t) for sign descent, as 1/(p "
            "t) for gradient descent",
            place="abstract; theorem for a linear softmax, as a summary quotes it",
            source="Kunstner et al. 2024, Heavy-Tailed Class Imbalance and Why Adam "
            "Outperforms Gradient Descent on Language Models",
        ),
        Claim(
            says="Lion performs comparably to AdamW or better.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="not_worse",
            number="performs comparably or favorably to AdamW; no number in the abstract",
            place="abstract",
            source="Chen et al. 2024, Lion Secretly Solves Constrained Optimization: As "
            "Lyapunov Predicts",
        ),
        Claim(
            says="Weight decay bounds each weight: |w| <= 1 / weight_decay.",
            task="large_solution",
            measure="bound",
            quantity="largest_weight * weight_decay",
            expect="lower",
            value=1.0,
            number="minimizes the loss under the constraint |w| <= 1 / lambda for every weight",
            place="abstract",
            source="Chen et al. 2024, Lion Secretly Solves Constrained Optimization: As "
            "Lyapunov Predicts",
        ),
    ],
)
