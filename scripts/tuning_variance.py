"""How much of a published number is luck: of tuning, and of evaluation seeds.

    python -m scripts.tuning_variance

From the studies of `compare_samplers.py` (Sobol sequence, ten replicates, two evaluation seeds
each) it estimates the two components of variance: between replicates, which tune anew, and between
evaluation seeds in a replicate. It then simulates boards of R replicates with k trials and n
evaluation seeds each, for splits of about the same cost R (k + n): replicates are drawn again from
the ten, paired between methods. A task's unit is the standard deviation of a replicate of 6 trials
and 1 seed, pooled over methods.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from scripts.sampled_studies import (
    EVALUATIONS,
    METHODS,
    REPLICATES,
    TASKS,
    Studies,
    all_studies,
    mean,
    variance,
)

#: replicates, trials, evaluation seeds
Split = tuple[int, int, int]
SPLITS: dict[str, tuple[Split, ...]] = {
    "quick": ((7, 2, 1), (5, 3, 1), (4, 4, 1), (3, 6, 1), (3, 5, 2), (2, 8, 2), (2, 6, 4)),
    "standard": ((10, 4, 1), (8, 5, 1), (7, 6, 1), (6, 7, 1), (6, 6, 2), (5, 8, 2), (5, 6, 4)),
}
#: trials after which studies are taken as tuned
LONGEST = 8
DRAWS = 1000

#: scores of the replicates, with each evaluation seed; more is better
Table = list[tuple[float, ...]]


def table(studies: Studies, trials: int) -> Table:
    """What every replicate would publish after so many trials."""
    return [
        tuple(studies.sign() * score for score in published[trials - 1].test)
        for published in (studies.published["sobol", r] for r in range(REPLICATES))
    ]


@dataclass(frozen=True)
class Components:
    """Variances: of tuning anew, and of another evaluation seed."""

    tuning: float
    seeds: float

    def of_replicate(self, seeds: int) -> float:
        """The variance of a replicate's score."""
        return self.tuning + self.seeds / seeds

    def share(self, seeds: int) -> float:
        """The part of tuning in it."""
        return self.tuning / self.of_replicate(seeds) if self.of_replicate(seeds) else math.nan


def components(scores: Table) -> Components:
    """The analysis of variance of replicates; a component is not below 0."""
    within = mean([variance(list(row)) for row in scores])
    between = variance([mean(list(row)) for row in scores])
    return Components(max(0.0, between - within / EVALUATIONS), within)


def difference(one: Table, other: Table) -> Table:
    """Method minus method, paired by replicate and evaluation seed."""
    return [
        tuple(a - b for a, b in zip(row, row_of_other, strict=True))
        for row, row_of_other in zip(one, other, strict=True)
    ]


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--task", "tasks", multiple=True, default=TASKS, help="default: all five")
@click.option("--method", "methods", multiple=True, default=METHODS, help="default: all four")
def main(jobs: int, tasks: tuple[str, ...], methods: tuple[str, ...]) -> None:
    """Run what is missing, and print the tables."""
    found = all_studies(jobs, tasks, methods)
    _print_components(found)
    by_task = [[s for s in found if s.task == task] for task in tasks]
    for protocol, splits in SPLITS.items():
        click.echo(f"\nAt about the cost of `{protocol}`:\n")
        click.echo(
            "| R x (k + n) | runs | error of a number | error of a difference | tuning's share "
            "| lost by short tuning | right order |"
        )
        click.echo("|---|---|---|---|---|---|---|")
        for split in splits:
            _print_split(split, by_task)


def _print_components(found: list[Studies]) -> None:
    click.echo("\nVariance of a replicate's score (6 trials + 1 seed; 8 trials + 2 seeds):\n")
    click.echo("| task | method | 6 + 1: sd | tuning | seed | 8 + 2: sd | tuning | seeds |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for studies in found:
        cells = []
        for trials, seeds in ((6, 1), (8, 2)):
            parts = components(table(studies, trials))
            share = parts.share(seeds)
            cells += [
                f"{math.sqrt(parts.of_replicate(seeds)):.2g}",
                f"{share:.0%}",
                f"{1 - share:.0%}",
            ]
        click.echo(f"| {studies.task} | {studies.method} | {' | '.join(cells)} |")


def _print_split(split: Split, by_task: list[list[Studies]]) -> None:
    replicates, trials, seeds = split
    numbers: list[float] = []
    differences: list[float] = []
    shares: list[float] = []
    lost: list[float] = []
    right: list[float] = []
    for of_task in by_task:
        unit = mean([components(table(s, 6)).of_replicate(1) for s in of_task])
        for studies in of_task:
            parts = components(table(studies, trials))
            numbers.append(parts.of_replicate(seeds) / replicates / unit)
            shares.append(parts.share(seeds))
            long, short = (_mean(table(studies, k)) for k in (LONGEST, trials))
            lost.append((long - short) / math.sqrt(unit))
        for one, other in itertools.combinations(of_task, 2):
            apart = difference(table(one, trials), table(other, trials))
            parts = components(apart)
            differences.append(parts.of_replicate(seeds) / replicates / unit)
            truth = _mean(difference(table(one, LONGEST), table(other, LONGEST)))
            right.append(_right(apart, truth, replicates, seeds))
    click.echo(
        f"| {replicates} x ({trials} + {seeds}) | {replicates * (trials + seeds)} "
        f"| {math.sqrt(mean(numbers)):.2f} | {math.sqrt(mean(differences)):.2f} "
        f"| {_mean_of_finite(shares):.0%} | {mean(lost):+.2f} | {mean(right):.1%} |"
    )


def _right(apart: Table, truth: float, replicates: int, seeds: int) -> float:
    """The share of simulated boards that say which of two methods is better."""
    draw = random.Random(0)
    boards = (_mean(_drawn(apart, replicates, seeds, draw.choices)) for _ in range(DRAWS))
    return mean([float(board * truth > 0) for board in boards])


def _drawn(
    apart: Table, replicates: int, seeds: int, choices: Callable[..., list[Any]]
) -> Iterator[list[float]]:
    """Replicates drawn from those that there are, and in each of them evaluation seeds."""
    for row in choices(apart, k=replicates):
        yield choices(row, k=seeds)


def _mean(rows: Iterable[Sequence[float]]) -> float:
    return mean([mean(list(row)) for row in rows])


def _mean_of_finite(values: list[float]) -> float:
    return mean([value for value in values if math.isfinite(value)])


if __name__ == "__main__":
    main()
