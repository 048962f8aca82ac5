"""`suite run --on slurm`: submit studies, show them as if they ran here, leave and rejoin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from suite import interrupts
from suite.cli.running import How, results_of, say_what_is_done
from suite.cli.summary import Say
from suite.errors import StudyStopped, UsageError

if TYPE_CHECKING:
    from suite.cli.running import Elsewhere, Ended
    from suite.clusters.coordinator import Coordinator
    from suite.results.model import Result
    from suite.studies.plan import Plan


def slurm_of(given: Sequence[str]) -> Elsewhere:
    """Runs plans as elements of Slurm arrays; `given` are the values of --slurm.

    Raises UsageError for a wrong value, or if no job can be submitted from here.
    """
    from suite.clusters.queue import Resources, check_slurm

    resources = Resources(dict(_pair(text) for text in given))
    check_slurm()

    def run(plans: list[Plan], jobs: int | None, how: How) -> Ended | None:
        from suite.clusters.coordinator import Asked, Coordinator

        todo = say_what_is_done(plans, how["say"], force=how["force"])
        if not todo:
            return results_of(plans), todo
        coordinator = Coordinator(plans, Asked(resources, jobs or 1, how["keep_going"]))
        ended = _watch(coordinator, todo, jobs or 1, how["say"], force=how["force"])
        return None if ended is None else (ended, todo)

    return run


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise UsageError(f"--slurm {text}: NAME=VALUE, as a long option of sbatch.")
    return name.replace("_", "-"), value


def _watch(
    coordinator: Coordinator, todo: Sequence[Plan], jobs: int, say: Say, *, force: bool
) -> list[Result | StudyStopped] | None:
    """How the studies ended; None if the user has left them."""
    from suite.cli.live_view import make_view
    from suite.studies.estimate import study_estimates

    interrupts.catch()
    new, before = coordinator.begin(force=force)
    arrays = ", ".join(coordinator.arrays)
    joined = f", {before} were there already" if before else ""
    say(f"Slurm: {new} of {len(todo)} studies submitted{joined}. Names of the jobs: {arrays}")
    say("Ctrl-C leaves them running; the same command shows them again.")
    try:
        with make_view(todo, study_estimates(todo, jobs), beside=len(todo)) as view:
            return coordinator.watch(view)
    except KeyboardInterrupt:
        without = " without --force" if force else ""
        click.echo(
            f"\nLeft. The studies go on in Slurm as {arrays}. The same command{without} shows them "
            "again, from any machine that shares the suite's folder. To end them: "
            f"`scancel --name {','.join(coordinator.arrays)}`.",
            err=True,
        )
        return None
