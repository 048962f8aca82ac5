"""Warm-up, stable, decay: a constant learning rate that falls at the end only."""

import math

from suite import Claim, schedule, search

#: what is left of the rate at the end of the exponential decay
EXPONENTIAL_END = 0.1


def wsd(progress: float, warmup: float, cooldown: float, shape: str) -> float:
    """Hu et al. 2024, section 4.2: s / W, then 1, then f of the decay's own progress x.

    W is the share `warmup` of the budget, and the decay takes the share `cooldown` at its end. f is
    1 - x ("linear") or 1 - sqrt(x) ("sqrt") as in Hägele et al. 2024, section 3, who recommend the
    latter; (1 + cos(pi x)) / 2 ("cosine"); or 0.1^x ("exponential"), the form of Hu et al. With
    "linear" it is the schedule of Schaipp et al. 2025, arXiv 2501.18965.

    Deviates from the paper: all lengths are shares of the budget; the exponential decay of Hu et
    al. halves the rate in a number of steps, here it ends at a tenth.
    """
    if progress < warmup:
        return progress / warmup
    decayed = (progress - (1 - cooldown)) / cooldown
    if decayed <= 0:
        return 1.0
    if shape == "linear":
        return max(0.0, 1 - decayed)
    if shape == "sqrt":
        return max(0.0, 1 - decayed**0.5)
    if shape == "cosine":
        return (1 + math.cos(math.pi * min(decayed, 1.0))) / 2
    return EXPONENTIAL_END**decayed


schedule(
    "wsd",
    wsd,
    summary="Warms up, keeps the learning rate constant, and lowers it over the last part.",
    paper="Hu et al. 2024, MiniCPM: Unveiling the Potential of Small Language Models with Scalable "
    "Training Strategies",
    url="https://arxiv.org/abs/2404.06395",
    search={
        "warmup": search.uniform(0.0, 0.2, default=0.05),
        "cooldown": search.uniform(0.05, 0.5, default=0.2),
        "shape": search.choice("linear", "sqrt", "cosine", "exponential", default="sqrt"),
    },
    claims=[
        Claim(
            says="A constant rate with a cooldown reaches the loss of a cosine.",
            task="lm_markov_short",
            method="adamw@wsd",
            rival="adamw@cosine",
            measure="score",
            expect="equal",
            number="scales predictably and reliably similar to cosine; no number",
            place="abstract",
            source="Hägele et al. 2024, arXiv 2405.18392",
        ),
        Claim(
            says="A constant rate with a cooldown reaches the loss of a cosine.",
            task="lm_fineweb_30m",
            method="adamw@wsd",
            rival="adamw@cosine",
            measure="score",
            expect="equal",
            number="scales predictably and reliably similar to cosine; no number",
            place="abstract",
            source="Hägele et al. 2024, arXiv 2405.18392",
        ),
        Claim(
            says="The cooldown takes away a term that the loss of a constant rate keeps.",
            task="sgd_ema_linreg",
            method="sgd@wsd",
            rival="sgd",
            measure="score",
            expect="better",
            number="the benefit of a cooldown shows in a bound of non-smooth convex problems: "
            "it lacks logarithms",
            place="abstract",
            source="Schaipp et al. 2025, arXiv 2501.18965",
        ),
    ],
)
