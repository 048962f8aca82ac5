"""Inverse square root: the transformer's schedule."""

from suite import Claim, schedule, search


def inverse_sqrt(progress: float, warmup: float) -> float:
    """Vaswani et al. 2017, equation 3, divided by its maximum: min(s / w, sqrt(w / s)).

    The paper warms up in 4,000 of 100,000 steps, the default here.

    Deviates from the paper: the highest rate is the optimizer's, not (d_model w)^-0.5.
    """
    return min(progress / warmup, (warmup / progress) ** 0.5 if progress else 1.0)


schedule(
    "inverse_sqrt",
    inverse_sqrt,
    summary="Warms up linearly, then lowers the learning rate with the square root of time.",
    paper="Vaswani et al. 2017, Attention Is All You Need",
    url="https://arxiv.org/abs/1706.03762",
    search={"warmup": search.log_uniform(0.01, 0.3, default=0.04)},
    claims=[
        Claim(
            says="Linear decay matches or outperforms the inverse square root.",
            task="lm_markov_short",
            method="adamw@linear_decay",
            rival="adamw@inverse_sqrt",
            measure="score",
            expect="better",
            number="10 problems and language models: matches or outperforms all commonly used "
            "default schedules; no number",
            place="abstract",
            source="Defazio et al. 2023, arXiv 2310.07831",
        ),
    ],
)
