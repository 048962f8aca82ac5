"""Schedule-free AdamW: pytorch-optimizer's, with every hyperparameter given."""

from pytorch_optimizer import ScheduleFreeAdamW
from torch import nn

from suite import TaskInfo, optimizer, search


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
)
