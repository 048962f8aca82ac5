"""Large steps, then decay: a long time near the largest stable step, and a late drop."""

from suite import Claim, schedule, search

#: each drop of the rate, and the share of the budget at which the second one comes
DROP, SECOND = 0.1, 0.9


def large_step_then_decay(progress: float, start: float, hold: float) -> float:
    """Andriushchenko et al. 2023, as in the authors' `piecewise_XXepochs`.

    The rate rises linearly from `start` to 1 over the share `hold` of the budget, so that it can
    end above what the initial weights bear; it drops to 0.1 there, and to 0.01 at nine tenths.

    Deviates from the paper: the authors' rate rises equally fast whatever `hold` is, and ends the
    higher the longer it rises; here it ends at the optimizer's rate.
    """
    if progress < hold:
        return start + (1 - start) * progress / hold
    return DROP if progress < SECOND else DROP**2


schedule(
    "large_step_then_decay",
    large_step_then_decay,
    summary="Raises the learning rate to its largest value for long, then drops it late.",
    paper="Andriushchenko et al. 2023, SGD with Large Step Sizes Learns Sparse Features",
    url="https://arxiv.org/abs/2210.05337",
    search={
        "start": search.log_uniform(0.05, 1.0, default=0.5),
        "hold": search.uniform(0.1, 0.8, default=0.5),
    },
    claims=[
        Claim(
            says="Large steps for long, with a late drop, generalize better than small ones.",
            task="diagonal_linear_net",
            method="sgd@large_step_then_decay",
            rival="sgd",
            measure="score",
            expect="better",
            number="the longer large steps keep SGD high in the valleys, the sparser the "
            "representations; no number",
            place="abstract",
        ),
        Claim(
            says="Large steps for long, with a late drop, generalize better than small ones.",
            task="cifar10_resnet18",
            method="sgd@large_step_then_decay",
            rival="sgd",
            measure="score",
            expect="better",
            number="no explicit regularization: the effect comes from the schedule of large "
            "steps alone; no number",
            place="abstract",
        ),
    ],
)
