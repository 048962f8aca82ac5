"""Step decay: the learning rate is divided by a constant at a few points."""

from suite import Claim, schedule, search


def step_decay(progress: float, begin: float, drops: int, factor: float) -> float:
    """He et al. 2016, section 4.2: the rate times `factor` at the share `begin`, and again later.

    Each drop after the first comes when half of what was left is over. The defaults are the paper's
    drops by 10 at 32,000 and 48,000 of 64,000 steps: at 1/2 and 3/4.

    Deviates from the paper: nothing.
    """
    left, passed = 1 - begin, 0
    while passed < drops and progress >= 1 - left:
        left, passed = left / 2, passed + 1
    return float(factor**passed)


schedule(
    "step_decay",
    step_decay,
    summary="Divides the learning rate by a constant at a half and at three quarters of the run.",
    paper="He et al. 2016, Deep Residual Learning for Image Recognition",
    url="https://arxiv.org/abs/1512.03385",
    search={
        "begin": search.uniform(0.2, 0.8, default=0.5),
        "drops": search.integer(1, 4, default=2),
        "factor": search.log_uniform(0.05, 0.5, default=0.1),
    },
    claims=[
        Claim(
            says="Linear decay matches or outperforms a stepwise schedule.",
            task="cifar10_resnet18",
            method="sgd@linear_decay",
            rival="sgd@step_decay",
            measure="score",
            expect="better",
            number="10 problems and language models: matches or outperforms all commonly used "
            "default schedules; no number",
            place="abstract",
            source="Defazio et al. 2023, arXiv 2310.07831",
        ),
    ],
)
