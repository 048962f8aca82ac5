"""Compare samplers: a scrambled Sobol sequence against Optuna's TPE, after 6 and after 8 trials.

    python -m scripts.compare_samplers

Trial 0, the defaults, is counted, and is the same for both. TPE has its declared start-up of 8
random trials, so that this compares an even sequence with independent random points. A task's
spread is the standard deviation over replicates of a method's test score, pooled over methods and
samplers. Differences are paired by method and replicate; positive: Sobol is better.
"""

from __future__ import annotations

import math

import click

from scripts.sampled_studies import METHODS, REPLICATES, TASKS, Studies, all_studies, mean, variance
from suite.studies.protocol import Sampler


def _after(studies: Studies, sampler: Sampler, trials: int, what: str) -> list[float]:
    """The published number of each replicate after so many trials; more is better."""
    found = [studies.published[sampler, replicate][trials - 1] for replicate in range(REPLICATES)]
    scores = [each.validation if what == "validation" else mean(list(each.test)) for each in found]
    return [studies.sign() * score for score in scores]


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--task", "tasks", multiple=True, default=TASKS, help="default: all five")
@click.option("--method", "methods", multiple=True, default=METHODS, help="default: all four")
def main(jobs: int, tasks: tuple[str, ...], methods: tuple[str, ...]) -> None:
    """Run what is missing, and print the tables."""
    found = all_studies(jobs, tasks, methods)
    for trials in (6, 8):
        for what in ("validation", "test"):
            _print(found, trials, what)


def _print(found: list[Studies], trials: int, what: str) -> None:
    click.echo(f"\nBest of {trials} trials, {what} score:\n")
    click.echo("| task | method | Sobol | TPE | sd Sobol | sd TPE | difference / spread |")
    click.echo("|---|---|---|---|---|---|---|")
    of_all: list[float] = []
    by_method: list[float] = []
    for task in dict.fromkeys(studies.task for studies in found):
        of_task = [studies for studies in found if studies.task == task]
        scores = {s.method: [_after(s, r, trials, what) for r in ("sobol", "tpe")] for s in of_task}
        spread = math.sqrt(mean([variance(column) for pair in scores.values() for column in pair]))
        for studies in of_task:
            sobol, tpe = scores[studies.method]
            differences = [(a - b) / spread for a, b in zip(sobol, tpe, strict=True)]
            of_all += differences
            by_method.append(mean(differences))
            sign = studies.sign()
            click.echo(
                f"| {task} | {studies.method} | {sign * mean(sobol):.4g} | {sign * mean(tpe):.4g} "
                f"| {math.sqrt(variance(sobol)):.2g} | {math.sqrt(variance(tpe)):.2g} "
                f"| {_with_error(differences)} |"
            )
    better = sum(difference > 0 for difference in of_all)
    worse = sum(difference < 0 for difference in of_all)
    click.echo(
        f"\nAll: {_with_error(of_all)} spreads; over the pairs of task and method "
        f"{_with_error(by_method)}. Sobol is better in {better} of {len(of_all)} studies, worse in "
        f"{worse}."
    )


def _with_error(values: list[float]) -> str:
    return f"{mean(values):+.2f} ± {math.sqrt(variance(values) / len(values)):.2f}"


if __name__ == "__main__":
    main()
