"""A bound of convex optimization as a rule: the best learning rate of a longer run."""

from __future__ import annotations

import math

from suite import Size, rule


def convex_bound(size: Size, base: Size) -> float:
    """With a linear decay the best rate is in proportion to 1 / sqrt(T) for runs of T steps.

    The bound on the last iterate is D^2 / (2 lr A) + lr C, with A and C sums over the shape of the
    schedule; it is least at lr = D / sqrt(2 A C). For a line to 0 the sum A of the shape grows in
    proportion to T, and C tends to a constant.

    Deviates from the paper: it transfers between schedules and horizons of a schedule with a
    cooldown; here the shape stays and the horizon changes.
    """
    return math.sqrt(base.steps / size.steps)


rule(
    "convex_bound",
    convex_bound,
    summary="The best learning rate of a linear decay falls with the root of the run's length.",
    paper="Schaipp et al. 2025, The Surprising Agreement Between Convex Optimization Theory and "
    "Learning-Rate Scheduling for Large Model Training",
    url="https://arxiv.org/abs/2501.18965",
    place="abstract (i): longer training with its own best rate; the bound with a linear cooldown",
    method="adam@linear_decay",
    hyperparameter="lr",
    bounds=(1e-4, 1e-1),
    sizes=["lm_markov_short", "lm_markov_short_budget_4x"],
)
