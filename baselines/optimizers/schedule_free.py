"""Schedule-free AdamW: pytorch-optimizer's, with every hyperparameter given."""

from pytorch_optimizer import ScheduleFreeAdamW
from torch import nn

from suite import Claim, TaskInfo, optimizer, search

from .families.loops import at_once


def build(
    parameters: list[nn.Parameter], lr: float, weight_decay: float, beta1: float, info: TaskInfo
) -> ScheduleFreeAdamW:
    """Defazio et al. 2024, Algorithm 1 in the form of the authors' code.

    y = (1 - beta1) z + beta1 x; with g the gradient at y and v the average of g^2 with decay 0.999,
    z <- z - rate * (g / (sqrt(v / (1 - 0.999^t)) + 1e-8) + weight_decay * y);
    x <- x + (z - x) rate^2 / (sum of rate^2 so far). The loop switches between y, to train, and x,
    to evaluate. The rate rises linearly over the first 5 % of the steps, as in the paper's runs.

    Deviates from the paper: its Algorithm 1 multiplies the rate by sqrt(1 - 0.999^t) in the decay
    and in the weights of the average as well; the authors' code, the library and this do not.
    """
    return ScheduleFreeAdamW(
        parameters,
        lr=lr,
        betas=(beta1, 0.999),
        weight_decay=weight_decay,
        r=0.0,
        weight_lr_power=2.0,
        warmup_steps=info.steps // 20,
        decoupling_c=0,
        ams_bound=False,
        eps=1e-8,
        maximize=False,
        foreach=at_once(parameters),
    )


optimizer(
    "schedule_free",
    build,
    summary="AdamW that averages its iterates instead of lowering its learning rate.",
    paper="Defazio et al. 2024, The Road Less Scheduled",
    url="https://arxiv.org/abs/2405.15682",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=2.5e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta1": search.choice(0.9, 0.95, 0.98, default=0.9),
    },
    claims=[
        Claim(
            says="Schedule-free Adam is better than Adam with the same settings.",
            task="fashion_mnist",
            rival="adam",
            measure="score",
            expect="better",
            number="Fashion-MNIST, 10 epochs, best test accuracy: 0.932 against 0.909; with a "
            "warm-up of 1,000 steps",
            place="README of bitsofbits/schedule_free_optimizers",
            source="bitsofbits, schedule_free_optimizers, a reproduction on GitHub",
        ),
        Claim(
            says="Without a schedule it is at least as good as AdamW with a linear decay.",
            task="lm_markov_short",
            rival="adamw@linear_decay",
            measure="score",
            expect="better",
            number="state-of-the-art performance compared to schedules; won AlgoPerf's "
            "self-tuning track; no number",
            place="abstract",
        ),
        Claim(
            says="Without a schedule it reaches what the best schedules reach.",
            task="lm_markov_short",
            rival="adamw@cosine",
            measure="score",
            expect="better",
            number="state-of-the-art performance compared to schedules; no number",
            place="abstract",
        ),
        Claim(
            says="Without a schedule it reaches what the best schedules reach, on images too.",
            task="digits",
            rival="adamw@cosine",
            measure="score",
            expect="better",
            number="a wide family of problems, from convex ones to large-scale deep "
            "learning; no number",
            place="abstract",
        ),
    ],
)
