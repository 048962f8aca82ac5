"""Linear decay: warm-up, then a straight line to zero."""

from suite import Claim, schedule, search


def linear_decay(progress: float, warmup: float) -> float:
    """Rises for the share `warmup` of the budget, then falls to 0 at its end.

    Deviates from the paper: its theorem has no warm-up; its experiments have.
    """
    if progress < warmup:
        return progress / warmup
    return (1 - progress) / (1 - warmup)


schedule(
    "linear_decay",
    linear_decay,
    summary="Warms up, then lowers the learning rate linearly to zero.",
    paper="Defazio et al. 2023, Optimal Linear Decay Learning Rate Schedules and Further "
    "Refinements",
    url="https://arxiv.org/abs/2310.07831",
    search={"warmup": search.uniform(0.0, 0.2, default=0.05)},
    claims=[
        Claim(
            says="Linear decay matches or outperforms cosine annealing.",
            task="cifar10_mini",
            method="sgd@linear_decay",
            rival="sgd@cosine",
            measure="score",
            expect="better",
            number="10 problems and language models: matches or outperforms all common default "
            "schedules, cosine included; no number",
            place="abstract",
        ),
        Claim(
            says="Linear decay matches or outperforms cosine annealing.",
            task="lm_shakespeare_mini",
            method="adamw@linear_decay",
            rival="adamw@cosine",
            measure="score",
            expect="better",
            number="10 problems and language models: matches or outperforms all common default "
            "schedules, cosine included; no number",
            place="abstract",
        ),
        Claim(
            says="Linear decay matches or outperforms cosine on images.",
            task="digits",
            method="adamw@linear_decay",
            rival="adamw@cosine",
            measure="score",
            expect="better",
            number="10 problems and language models: matches or outperforms all common default "
            "schedules, cosine included; no number",
            place="abstract",
        ),
        Claim(
            says="Linear decay matches or outperforms cosine in language models.",
            task="lm_markov_short",
            method="adamw@linear_decay",
            rival="adamw@cosine",
            measure="score",
            expect="better",
            number="10 problems and language models: matches or outperforms all common default "
            "schedules, cosine included; no number",
            place="abstract",
        ),
    ],
)
