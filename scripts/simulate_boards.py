"""Simulate boards and count how often the leaderboard's statistics are wrong.

    python -m scripts.simulate_boards
    python -m scripts.simulate_boards --measure results

prints the tables of docs/statistics.md. A simulated board has methods of which all true means and
spreads are known; it goes through the same functions as a real one. Spreads between replicates are
drawn from those measured on our tasks, in `scripts/spreads.json`; `--measure` writes that file anew
from a folder of results.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from leaderboard.references import load, scaled
from leaderboard.statistics import Comparisons, Prior, detectable_difference, pool
from leaderboard.statistics.comparisons import ONE, compare
from scripts.simulated_worlds import (
    NOISES,
    Floats,
    World,
    bimodal,
    censored_worlds,
    true_spreads,
    worlds,
)
from suite.results.frames import read_folder

SPREADS = Path(__file__).with_name("spreads.json")
#: a task counts as measured with the spreads of this many methods
MEASURED_METHODS = 10
#: boards with the same truth
REPEATED = 20
#: Methods whose true means differ by less are alike: any verdict between them counts as wrong.
#: The true means of clipped scores are known to about this.
ALIKE = 1e-3
#: a track of five families with three tasks each
TRACK_TASKS = 15


@dataclass
class Counts:
    """What went wrong on some simulated boards, as shares of boards or of intervals."""

    boards: int = 0
    #: intervals of means that hold the true one
    covered: float = 0.0
    #: median length of an interval
    length: float = 0.0
    #: A/A pairs called a tie among all methods, and as the only comparison
    tied: float = 0.0
    tied_alone: float = 0.0
    #: boards with any wrong verdict; with any rank range that does not hold the true rank
    wrong: float = 0.0
    wrong_rank: float = 0.0
    #: boards where the truly best method is said not to be the best
    best_lost: float = 0.0
    #: share of the methods that may be best
    may_be_best: float = 0.0
    #: share of different pairs that are told apart
    found: float = 0.0

    def add(self, found: Comparisons, true: Floats) -> None:
        """Count a board whose methods m0, m1, ... have these true means."""
        order = [int(name[1:]) for name in found.methods]
        sign = 1.0 if found.higher_is_better else -1.0
        mean = true[order]
        apart = sign * (mean[:, None] - mean[None, :])
        apart[np.abs(apart) < ALIKE] = 0.0
        intervals = np.array([found.means[name] for name in found.methods])
        self.boards += 1
        self.covered += float(((intervals[:, 1] <= mean) & (mean <= intervals[:, 2])).mean())
        self.length += float(np.median(intervals[:, 2] - intervals[:, 1]))
        pair = found.pair("m0", "m1")
        self.tied += pair.verdict == "tied"
        self.tied_alone += pair.p > 0.05
        said = np.where(found.adjusted_p <= 0.05, sign * np.sign(found.values), 0.0)
        self.wrong += bool(((said != 0) & (said != np.sign(apart))).any())
        better, worse = (apart < 0).sum(axis=1), (apart > 0).sum(axis=1)
        ranks = list(found.ranks.values())
        self.wrong_rank += any(
            rank.low > 1 + better[i] or rank.high < len(mean) - worse[i]
            for i, rank in enumerate(ranks)
        )
        # Of several equally good ones always the same, whatever the board shows.
        best = f"m{int(np.argmax(sign * true))}"
        self.best_lost += best not in found.may_be_best
        self.may_be_best += len(found.may_be_best) / len(mean)
        different = apart > 0
        self.found += float((said[different] > 0).mean()) if different.any() else 0.0

    def share(self, name: str) -> float:
        """A count as a share of the boards."""
        return float(getattr(self, name)) / self.boards


def simulate(
    source: Iterator[World],
    rng: np.random.Generator,
    *,
    boards: int,
    replicates: int,
    higher_is_better: bool = True,
) -> Counts:
    """Count over simulated boards, of which each world gives several."""
    counts = Counts()
    while counts.boards < boards:
        world = next(source)
        tasks, methods = world.locations.shape
        weights = np.full(tasks, 1 / tasks) if tasks > 1 else ONE
        true = weights @ world.means()
        for _ in range(min(REPEATED, boards - counts.boards)):
            found = compare(
                world.board(rng, replicates),
                weights,
                [f"m{i}" for i in range(methods)],
                higher_is_better=higher_is_better,
                bounds=world.clip,
                among=None,
            )
            counts.add(found, true)
    return counts


def former_rule(
    rng: np.random.Generator, replicates: int, pairs: int = 4000
) -> tuple[float, float]:
    """Protocol 1: identical methods called different, and intervals of the mean that hold it.

    A percentile bootstrap over seeds, of the paired difference and of the mean; normal scores.
    """
    values = rng.normal(size=(pairs, replicates))
    drawn = rng.integers(replicates, size=(pairs, 1000, replicates))
    resampled = np.take_along_axis(values[:, None, :], drawn, axis=2).mean(axis=2)
    low, high = np.percentile(resampled, (2.5, 97.5), axis=1)
    holds = float(((low <= 0) & (high >= 0)).mean())
    return 1 - holds, holds


def measure(results: Path) -> dict[str, list[float]]:
    """Task to the deviations of its methods on the task's scale, methods without any left out.

    Between replicates; between evaluation runs for results of protocol 1, which have one replicate.
    """
    references = load()
    found: dict[str, list[float]] = {}
    for item in read_folder(results)[0]:
        reference = references.get(item.result.task.name)
        if reference is None or not item.result.protocol.ranked:
            continue
        runs = [[run.test_score for run in each.evaluation] for each in item.result.replicates]
        kept = [[score for score in scores if score is not None] for scores in runs]
        scores = kept[0] if len(kept) == 1 else [float(np.mean(each)) for each in kept if each]
        if len(scores) > 1:
            deviation = float(np.std([scaled(reference, score) for score in scores], ddof=1))
            found.setdefault(item.result.task.name, []).append(round(deviation, 6))
    return {
        task: sorted(value for value in found[task] if value > 0)
        for task in sorted(found)
        if sum(value > 0 for value in found[task]) > 1
    }


def load_spreads(path: Path = SPREADS) -> dict[str, list[float]]:
    """The measured spreads of the tasks that many methods have run."""
    content: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8"))["deviations"]
    return {task: values for task, values in content.items() if len(values) >= MEASURED_METHODS}


def task_priors(path: Path = SPREADS) -> dict[str, Prior]:
    """The prior of the variances of differences of each measured task.

    From the spreads of its methods: two independent methods differ with twice the variance.
    """
    content: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8"))["deviations"]
    return {task: pool(2 * np.square(values), 2) for task, values in content.items()}


COLUMNS = {
    "covered": "intervals that hold the mean",
    "tied": "A/A pair ties",
    "tied_alone": "ties as the only pair",
    "wrong": "boards with a wrong verdict",
    "best_lost": "best method lost",
    "may_be_best": "methods that may be best",
    "found": "pairs told apart",
}


def print_row(name: str, counts: Counts) -> None:
    """One row of a Markdown table."""
    cells = [f"{100 * counts.share(column):.1f} %" for column in COLUMNS]
    click.echo(f"| {name} | {' | '.join(cells)} |")


def print_head(title: str) -> None:
    """The head of a Markdown table."""
    click.echo(f"\n{title}\n\n| scores | {' | '.join(COLUMNS.values())} |")
    click.echo("|---" * (len(COLUMNS) + 1) + "|")


@dataclass(frozen=True)
class Setting:
    """The boards of one table."""

    tasks: int
    methods: int
    boards: int
    #: deviation of the true means
    between: float = 0.0
    common: float = 0.0
    noises: tuple[str, ...] = tuple(NOISES)

    @property
    def title(self) -> str:
        """What is simulated, in words."""
        where = "One task" if self.tasks == 1 else f"A track of {self.tasks} tasks"
        truth = f"true means with a deviation of {self.between}" if self.between else "all alike"
        shared = f", {self.common:.0%} of the variance common to all" if self.common else ""
        return f"{where}, {self.methods} methods, {truth}{shared}; {self.boards} boards a row"


def settings(boards: int) -> list[Setting]:
    """The tables: identical methods with normal scores on many boards, the rest on fewer."""
    few, others = max(boards // 4, 1), tuple(name for name in NOISES if name != "normal")
    two = ("normal", "skewed")
    return [
        Setting(1, 40, boards, noises=("normal",)),
        Setting(1, 40, few, noises=others),
        Setting(1, 40, few // 2, between=0.3),
        Setting(1, 40, few // 2, common=0.5, noises=two),
        Setting(1, 6, few, noises=two),
        Setting(1, 2, few, noises=two),
        Setting(TRACK_TASKS, 20, boards, noises=("normal",)),
        Setting(TRACK_TASKS, 20, few, noises=others),
        Setting(TRACK_TASKS, 20, few // 2, between=0.3),
    ]


@click.command()
@click.option("--boards", default=2000, help="Simulated boards in the longest rows.")
@click.option("--measure", "results", type=click.Path(path_type=Path), help="Measure spreads anew.")
@click.option("--spreads", "path", type=click.Path(path_type=Path), default=SPREADS)
def main(boards: int, results: Path | None, path: Path) -> None:
    """Print how often the leaderboard's statistics are wrong on simulated boards."""
    if results is not None:
        content = {
            "command": f"python -m scripts.simulate_boards --measure {results}",
            "deviations": measure(results),
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return
    print_former(np.random.default_rng(0))
    spreads = load_spreads(path)
    for setting in settings(boards):
        print_head(setting.title)
        for replicates in (3, 5):
            for name in setting.noises:
                rng = np.random.default_rng(0)
                source = worlds(
                    rng,
                    NOISES[name],
                    tasks=setting.tasks,
                    methods=setting.methods,
                    spreads=spreads,
                    between=setting.between,
                    common=setting.common,
                )
                counts = simulate(source, rng, boards=setting.boards, replicates=replicates)
                print_row(f"{name}, {replicates} replicates", counts)
    print_head(f"Times to target, censored at the budget, 40 methods; {boards // 4} boards a row")
    for replicates in (3, 5):
        rng = np.random.default_rng(0)
        source = censored_worlds(rng, methods=40)
        counts = simulate(
            source, rng, boards=boards // 4, replicates=replicates, higher_is_better=False
        )
        print_row(f"{replicates} replicates", counts)
    print_junk(spreads, boards // 8)
    print_power(task_priors(path), 40)


JUNK: dict[str, tuple[int, Callable[[np.random.Generator, int, int], Floats]]] = {
    "none": (0, lambda rng, count, replicates: np.empty((0, replicates))),
    "one with 5 times the spread": (1, lambda rng, *shape: 0.6 + 0.1 * rng.normal(size=shape)),
    "one that fails in 15 % of replicates": (
        1,
        lambda rng, *shape: 0.6 + 0.3 * bimodal(0.15)(rng, shape) * math.sqrt(0.1375),
    ),
    "8 that fail utterly in 30 %": (
        8,
        lambda rng, *shape: 0.3 + 0.02 * rng.normal(size=shape) - 20 * (rng.random(shape) < 0.3),
    ),
    "8 that learn nothing": (8, lambda rng, *shape: 1e-4 * rng.normal(size=shape)),
    "40 that learn nothing": (40, lambda rng, *shape: 1e-4 * rng.normal(size=shape)),
}


def print_junk(spreads: Mapping[str, Sequence[float]], boards: int) -> None:
    """What submitted junk gains for itself, and changes between 40 others of equal means.

    Spreads of the others are those of the first task, scaled to a median of 0.02.
    """
    measured = true_spreads(next(iter(spreads.values())))
    measured = measured * 0.02 / np.median(measured)
    click.echo(f"\nJunk added to 40 methods on one task; {boards} boards a row\n")
    click.echo(
        "| added | replicates | its interval holds its mean | better than a good one, alone "
        "| better than any, in the table | half width of a difference between two good ones |"
    )
    click.echo("|---|---|---|---|---|---|")
    for replicates in (3, 5):
        for name, (count, draw) in JUNK.items():
            rng = np.random.default_rng(0)
            held, alone, table, widths = [], [], [], []
            for _ in range(boards):
                good = 0.6 + rng.choice(measured, (40, 1)) * rng.normal(size=(40, replicates))
                rows = np.concatenate([good, draw(rng, count, replicates)])
                found = compare(
                    rows[None],
                    ONE,
                    [f"m{i}" for i in range(len(rows))],
                    higher_is_better=True,
                    bounds=(-math.inf, math.inf),
                    among=None,
                )
                pair = found.pair("m0", "m1")
                widths.append((pair.high - pair.low) / 2)
                if count == 1:
                    mine, pair = found.means["m40"], found.pair("m40", "m0")
                    held.append(mine.low <= 0.6 <= mine.high)
                    alone.append(pair.p <= 0.05 and pair.value > 0)
                    table.append(any(found.verdict("m40", f"m{i}") == "better" for i in range(40)))
            shares = [f"{100 * np.mean(x):.1f} %" if x else "" for x in (held, alone, table)]
            click.echo(
                f"| {name} | {replicates} | {' | '.join(shares)} | {np.median(widths):.3f} |"
            )


def print_former(rng: np.random.Generator) -> None:
    """How wrong the rule of protocol 1 was."""
    for seeds in (3, 5):
        wrong, held = former_rule(rng, seeds)
        click.echo(
            f"Protocol 1, {seeds} seeds: {100 * wrong:.0f} % of identical methods called "
            f"different, {100 * held:.0f} % of intervals hold the mean."
        )


def print_power(priors: Mapping[str, Prior], methods: int) -> None:
    """The difference that is found with 80% power on each task, on the task's scale."""
    click.echo("\nDifference on the task's scale that a typical pair shows with 80% power\n")
    click.echo("| task | 3 replicates | 5 | 3, among all pairs | 5, among all pairs |")
    click.echo("|---|---|---|---|---|")
    pairs = methods * (methods - 1) // 2
    for task, prior in priors.items():
        cells = [
            detectable_difference(prior, replicates, comparisons=comparisons)
            for comparisons in (1, pairs)
            for replicates in (3, 5)
        ]
        click.echo(f"| {task} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")


if __name__ == "__main__":
    main()
