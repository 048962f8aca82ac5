"""Schedule-free AdamW: pytorch-optimizer's, with every hyperparameter given."""

from pytorch_optimizer import ScheduleFreeAdamW
from torch import nn

from suite import Claim, TaskInfo, optimizer, search


def build(
    parameters: list[nn.Parameter], lr: float, weight_decay: float, beta1: float, info: TaskInfo
) -> ScheduleFreeAdamW:
    """Warm-up takes 5 % of the steps, as in the paper's runs; the loop switches train and eval."""
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
        foreach=True,
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
            says="Without a schedule it reaches what the best schedules reach.",
            task="lm_markov",
            rival="adamw@cosine",
            measure="score",
            expect="lower",
            number="state-of-the-art performance compared to schedules; no number",
            place="abstract",
        ),
        Claim(
            says="Without a schedule it reaches what the best schedules reach, on images too.",
            task="digits",
            rival="adamw@cosine",
            measure="score",
            expect="lower",
            number="a wide family of problems, from convex ones to large-scale deep "
            "learning; no number",
            place="abstract",
        ),
        Claim(
            says="Schedule-Free AdamW improves on Adam with the same settings.",
            task="fashion_mnist",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="0.932 against 0.909 on Fashion-MNIST in 10 epochs, one run",
            place="README",
            source="bitsofbits/schedule_free_optimizers",
        ),
    ],
)
