"""`suite run --on slurm`: submit studies, show them as if they ran here, leave and rejoin."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from suite.cli.running import exit_code, say_what_is_done
from suite.cli.selection import LeftOut, check, choose, ready
from suite.cli.summary import Say, print_ended, print_plans
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.clusters.coordinator import Coordinator
    from suite.studies.plan import Plan


def run_on_slurm(
    options: dict[str, Any],
    *,
    jobs: int | None,
    given: Sequence[str],
    force: bool,
    dry_run: bool,
    wide: bool,
    as_json: bool,
) -> int:
    """Run studies as elements of Slurm arrays; `given` are the values of --slurm."""
    from suite.clusters.queue import Resources, check_slurm

    check(options)
    if jobs == 0:
        raise UsageError("--jobs 0 is for a debugger in this process, and not for --on slurm.")
    resources = Resources(dict(_pair(text) for text in given))
    check_slurm()
    from suite.clusters.coordinator import Asked, Coordinator

    left_out, say = LeftOut(), Say(as_json=as_json)
    plans = choose(options, left_out, elsewhere=True)
    if dry_run:
        print_plans(plans, jobs or 1, force, say)
        left_out.say()
        return left_out.exit_code
    plans = ready(plans, left_out)
    todo = say_what_is_done(plans, say, force=force)
    coordinator = Coordinator(plans, Asked(resources, jobs or 1, options["keep_going"]))
    ended = _watch(coordinator, plans, todo, jobs or 1, say, force=force) if todo else None
    if ended is None and todo:
        return 130
    results = ended or [there for plan in plans if (there := plan.finished()) is not None]
    print_ended(plans, results, todo, left_out.errors, say, wide=wide)
    left_out.say()
    return left_out.exit_code or exit_code(results)


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise UsageError(f"--slurm {text}: NAME=VALUE, as a long option of sbatch.")
    return name.replace("_", "-"), value


def _watch(
    coordinator: Coordinator,
    plans: Sequence[Plan],
    todo: Sequence[Plan],
    jobs: int,
    say: Say,
    *,
    force: bool,
) -> Any:
    """How the studies ended; None if the user has left them."""
    from suite.cli.live_view import make_view
    from suite.studies.estimate import study_estimates

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    new, before = coordinator.begin(force=force)
    arrays = ", ".join(coordinator.arrays)
    joined = f", {before} were there already" if before else ""
    say(f"Slurm: {new} of {len(plans)} studies submitted{joined}. Names of the jobs: {arrays}")
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
