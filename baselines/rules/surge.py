"""The surge: Adam's best learning rate rises and then falls as the batch grows."""

from __future__ import annotations

import math

from suite import Size, rule


def surge(size: Size, base: Size, known: Size, factor: float) -> float:
    """The best rate is in proportion to 1 / (sqrt(N / B) + sqrt(B / N)) for batches of B.

    It is largest at B = N, the batch at which gradients are as large as their noise. Nobody knows N
    beforehand: it is fitted to the factor that was measured at one size, and the rate at another
    size follows. A factor that no N gives is taken as the nearest one: the law lies between
    sqrt(B), for N without end, and 1 / sqrt(B).

    Deviates from the paper: N is fitted to a best rate, and not to the steps and examples that
    training to one loss takes.
    """
    steepest = math.sqrt(known.batch_size / base.batch_size)
    low, high = sorted((steepest, 1 / steepest))
    if factor >= high or factor <= low:
        exponent = 0.5 if (factor >= high) == (steepest > 1) else -0.5
        return (size.batch_size / base.batch_size) ** exponent

    def of(noise: float, batch: int) -> float:
        return 1 / (math.sqrt(noise / batch) + math.sqrt(batch / noise))

    # factor (sqrt(N / K) + sqrt(K / N)) = sqrt(N / B) + sqrt(B / N), which is linear in N.
    b, k = math.sqrt(base.batch_size), math.sqrt(known.batch_size)
    noise = (b - factor * k) / (factor / k - 1 / b)
    return of(noise, size.batch_size) / of(noise, base.batch_size)


rule(
    "surge",
    surge,
    summary="Adam's best learning rate first rises and then falls with the batch.",
    paper="Li et al. 2024, Surge Phenomenon in Optimal Learning Rate and Batch Size Scaling",
    url="https://arxiv.org/abs/2405.14578",
    place="abstract; the law for signs of gradients",
    method="adam",
    hyperparameter="lr",
    bounds=(1e-4, 1e-1),
    fitted=True,
    sizes=["lm_markov_short_batch_8", "lm_markov_short", "lm_markov_short_batch_128"],
)
