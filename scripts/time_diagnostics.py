"""What the cheap diagnostics add to a trial of each core mini task.

    python -m scripts.time_diagnostics
    python -m scripts.time_diagnostics --probe all --points 3

One evaluation run of AdamW with its defaults, in this process, on one thread: the time of training
and evaluation, and the time of the diagnostics at evenly spread evaluations, with that of snapshots
and of the probing batch.
"""

from __future__ import annotations

import click

from suite.components import registry
from suite.diagnostics import POINTS
from suite.home import data_folder
from suite.studies.probing import find_diagnostics
from suite.training.loop import run_trial
from suite.training.trial import Trial

METHOD = "adamw"


def seconds(task: str, names: tuple[str, ...], points: int) -> tuple[float, float]:
    """Of the trial without diagnostics, and of the diagnostics."""
    component = registry.get("optimizer", METHOD)
    trial = Trial(
        task=task,
        components=((component.kind, component.name),),
        hyperparameters={component.name: component.defaults},
        number=0,
        seed=0,
        purpose="evaluation",
        data_folder=str(data_folder()),
        probes=names,
        probe_points=points,
    )
    outcome = run_trial(trial)
    cost, probed = outcome.run.cost, outcome.probed
    if probed is None:
        raise click.ClickException(f"{task}: {outcome.run.status}: {outcome.run.reason}")
    added = sum(probed.seconds.values()) + probed.drawing_seconds + probed.snapshot_seconds
    # The snapshots were taken while the clock of evaluations ran.
    return cost.seconds + cost.evaluation_seconds - probed.snapshot_seconds, added


@click.command()
@click.option("--probe", default="cheap", show_default=True, help="A group, or a name.")
@click.option("--points", default=POINTS, show_default=True)
def main(probe: str, points: int) -> None:
    """Print a line for each core task of the mini track, and the sums."""
    names = tuple(diagnostic.name for diagnostic in find_diagnostics([probe]))
    tasks = [t for t in registry.load_all("task")[0] if t.track == "mini" and t.core]
    click.echo(f"{len(names)} diagnostics at {points} evaluations")
    trials = diagnostics = 0.0
    seconds(tasks[0].name, names, points)  # imports, and torch's first calls
    for task in tasks:
        trial, added = seconds(task.name, names, points)
        trials, diagnostics = trials + trial, diagnostics + added
        click.echo(f"{task.name:32} {trial:6.2f} s + {added:6.3f} s  {added / trial:6.1%}")
    click.echo(f"{'all':32} {trials:6.2f} s + {diagnostics:6.3f} s  {diagnostics / trials:6.1%}")


if __name__ == "__main__":
    main()
