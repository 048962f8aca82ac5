"""Polynomial decay, called "poly" by its users."""

from suite import Claim, schedule, search


def polynomial(progress: float, power: float) -> float:
    """Chen et al. 2017, section 4.1.1: (1 - iteration / iterations)^power.

    Deviates from the paper: nothing.
    """
    return (1 - progress) ** power


schedule(
    "polynomial",
    polynomial,
    summary="Lowers the learning rate to zero by a power of what is left of the budget.",
    paper="Chen et al. 2017, DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, "
    "Atrous Convolution, and Fully Connected CRFs",
    url="https://arxiv.org/abs/1606.00915",
    search={"power": search.uniform(0.5, 3.0, default=0.9)},
    claims=[
        Claim(
            says="A polynomial decay of power 0.9 beats a step decay.",
            task="cifar10_mini",
            method="sgd@polynomial",
            rival="sgd@step_decay",
            measure="score",
            expect="better",
            number="1.17 % better intersection over union on PASCAL VOC 2012 at equal iterations",
            place="the paper",
            from_memory=True,
        ),
    ],
)
