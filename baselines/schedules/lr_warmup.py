"""Warm-up: the learning rate rises linearly at first, and stays."""

from suite import Claim, schedule, search


def lr_warmup(progress: float, warmup: float) -> float:
    """Gilmer et al. 2021, section 4: min(1, s / W), where W is the share `warmup` of the budget.

    It is multiplied by other schedules of a method: `--schedule lr_warmup,step_decay`.

    Deviates from the paper: nothing.
    """
    return min(1.0, progress / warmup)


schedule(
    "lr_warmup",
    lr_warmup,
    summary="Raises the learning rate linearly over the first part of the run.",
    paper="Gilmer et al. 2021, A Loss Curvature Perspective on Training Instability in Deep "
    "Learning",
    url="https://arxiv.org/abs/2110.04369",
    search={"warmup": search.log_uniform(0.005, 0.5, default=0.1)},
    claims=[
        Claim(
            says="A warm-up takes the weights to flatter regions, which tolerate a higher rate.",
            task="digits_batchnorm",
            method="sgd@lr_warmup",
            rival="sgd",
            measure="hyperparameter",
            quantity="lr",
            expect="higher",
            number="out of high curvature and into flatter regions that tolerate a higher "
            "learning rate; no number",
            place="abstract",
        ),
        Claim(
            says="Warm-up can improve stability just as much as normalization layers.",
            task="cifar10_mini",
            method="sgd@lr_warmup",
            rival="sgd",
            measure="score",
            expect="better",
            number="as much as batch norm, layer norm, MetaInit, GradInit and Fixup; no number",
            place="abstract",
        ),
    ],
)
