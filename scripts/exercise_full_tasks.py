"""Test the full tasks end to end with a reduced budget, and write docs/full-tasks.md.

    python scripts/exercise_full_tasks.py --data-dir DIR

Each task is trained by AdamW with its defaults for a few steps, with its own network, loss, stream
and metrics. Batches and held-out sets are smaller where the data comes from files, so that a CPU
finishes in minutes. That shows that a task works with the available data and learns something, and
how long a step takes; it does not show that its budget or its target is right, which needs a study
and a GPU. Every task runs in a separate process: if one needs more memory than there is, the others
still run. With names of tasks, only their rows of the page are written again.
"""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from suite.cli.options import NameType
from suite.components import registry
from suite.data import catalog
from suite.data.tokens import TokenSet
from suite.errors import MissingData
from suite.home import data_folder
from suite.problems.task import Task
from suite.results.environment import cpu_name
from suite.training.loop import run_trial
from suite.training.trial import Outcome, Trial

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "full-tasks.md"
METHOD = "adamw"
#: tokens for training and held out, where a text would need more than a sample holds
TRAIN_TOKENS, HELD_OUT_TOKENS = 100_000, 4096
_HEAD = """# Smoke tests of the full tasks

<!-- Written by scripts/exercise_full_tasks.py: run it again on other data or another machine. -->

A few steps of every full task, to show which tasks have run on real data. The method is AdamW with
its defaults; each task has its own network, loss, stream and metrics. Where the data comes from
files, batches and sets are smaller, and tasks with slow steps made fewer steps. These are not
results: budgets and targets of tasks without a [calibration](tasks.md) come from the literature and
have not been measured here.

`python scripts/exercise_full_tasks.py --data-dir DIR`, some rows with `--steps`, last on {day}, one
core of an {machine}. Other work may have run at the same time; an idle core takes less.

| task | data | batch | steps | training loss | metric on test data | seconds a step | memory, MB |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Reduction:
    """How much smaller a task is made: values are only reduced."""

    steps: int
    batch_size: int
    sequences: int
    held_out: int


@dataclass(frozen=True)
class Exercised:
    """The outcome of a reduced task."""

    outcome: Outcome
    metric: str
    batch_size: int
    #: the data, and for a text its size, as it may be a sample of what the task needs
    data: str


@click.command()
@click.argument("tasks", nargs=-1, type=NameType("task"))
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(4), default=20, help="Ten times as many at batch 1.")
@click.option("--batch-size", type=click.IntRange(1), default=32, help="At most, with files.")
@click.option("--sequences", type=click.IntRange(1), default=1, help="At most, with tokens.")
@click.option("--held-out", type=click.IntRange(1), default=200, help="Images, at most.")
@click.option("--page", type=click.Path(path_type=Path), default=PAGE, help="Where to write.")
def exercise(
    tasks: tuple[str, ...],
    data_dir: Path | None,
    steps: int,
    batch_size: int,
    sequences: int,
    held_out: int,
    page: Path,
) -> None:
    """Train TASKS, by default all full ones, for a few steps each, and write a page."""
    folder = data_folder(data_dir)
    reduction = Reduction(steps, batch_size, sequences, held_out)
    full = [task.name for task in registry.load_all("task")[0] if task.track == "full"]
    rows = _rows(page) if tasks and page.exists() else {}
    for name in tasks or full:
        began = time.monotonic()
        rows[name] = _row_of(name, folder, reduction)
        click.echo(f"{rows[name]} {time.monotonic() - began:.0f} s")
        _write(rows, page)


def _write(rows: Mapping[str, str], page: Path) -> None:
    """Write the page after every task, so that an interrupted run loses one task at most."""
    head = _HEAD.format(
        day=datetime.now(UTC).date().isoformat(),
        machine=cpu_name(),
    )
    table = "\n".join(rows[name] for name in sorted(rows))
    page.write_text(f"{head}{table}\n", encoding="utf-8")


def _rows(page: Path) -> dict[str, str]:
    """The rows of an earlier page, by the task's name."""
    lines = page.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    return {line.split()[1]: line for line in table}


def _row_of(name: str, folder: Path, reduction: Reduction) -> str:
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            found = pool.submit(_train, name, folder, reduction).result()
    except MissingData:
        return _row([name, "not available"])
    except BrokenProcessPool:
        return _row([name, "more memory than this machine has"])
    run = found.outcome.run
    if run.status != "completed":
        return _row([name, found.data, "", "", f"{run.status}: {run.reason}"])
    losses = [loss for loss in run.curve.train_loss if loss is not None]
    return _row(
        [
            name,
            found.data,
            found.batch_size,
            run.cost.steps,
            _change(losses),
            f"{found.metric} {_change(run.curve.test[found.metric])}",
            f"{run.cost.seconds / run.cost.steps:.2g}",
            round(run.cost.peak_memory_bytes / 1e6),
        ]
    )


def _train(name: str, folder: Path, reduction: Reduction) -> Exercised:
    """Reduce a task and train it, in a separate process."""
    task: Task = registry.get("task", name)
    size, problem = task.batch_size, copy.copy(task.problem)
    corpus = catalog.get(problem.dataset) if problem.dataset else None
    text = isinstance(corpus, TokenSet)
    if problem.needs:
        size = min(size, reduction.sequences if text else reduction.batch_size)
        held_out = HELD_OUT_TOKENS if text else reduction.held_out
        most = dict.fromkeys(("validation", "test", "held_out"), held_out)
        most["train"] = TRAIN_TOKENS if text else 10 * held_out  # some tasks measure on it, too
        for attribute, value in vars(problem).items():
            if attribute in most and value is not None:
                setattr(problem, attribute, min(value, most[attribute]))
    # Gradients that are still delayed at the end would show nothing.
    steps = (10 if task.batch_size == 1 else 1) * reduction.steps + 2 * problem.gradient_delay
    tasks = int(vars(problem).get("tasks", 0)) if task.stream else 0
    if problem.online:
        vars(problem)["tasks"] = min(tasks, steps)  # each must get a batch
    else:
        steps = max(steps, tasks)
    reduced = dataclasses.replace(
        task,
        problem=problem,
        batch_size=size,
        budget=size * steps,
        evaluations=min(4, task.evaluations),
    )
    defaults = registry.get("optimizer", METHOD).defaults
    trial = Trial(
        *(name, (("optimizer", METHOD),), {METHOD: defaults}),
        number=0,
        seed=0,
        purpose="evaluation",
        data_folder=str(folder),
    )
    with registry.replaced(reduced):
        outcome = run_trial(trial)
    data = "" if outcome.data is None else outcome.data.source
    if isinstance(corpus, TokenSet):
        data = f"{corpus.name}, {corpus.load(folder).count:,} tokens"
    if outcome.data is not None and not outcome.data.canonical:
        data += " (not canonical)"
    return Exercised(outcome, task.score.metric, size, data)


def _change(values: Sequence[float]) -> str:
    return f"{values[0]:.3g} to {values[-1]:.3g}"


def _row(cells: Sequence[object]) -> str:
    filled = [str(cell).replace("|", "\\|") for cell in cells] + [""] * (8 - len(cells))
    return "| " + " | ".join(filled) + " |"


if __name__ == "__main__":
    exercise()
