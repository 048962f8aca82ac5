"""`suite run`: tune and evaluate methods on tasks."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from suite.cli.options import NamesType, as_json, joined, wide
from suite.cli.running import How, exit_code, looking, run_plans
from suite.cli.selection import LeftOut, check, choose, ready, selecting
from suite.cli.summary import Say, print_ended, print_plans
from suite.cli.workers import starter_of
from suite.diagnostics import POINTS
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.cli.running import Elsewhere

#: the options that an element leaves open
_OF_AN_ELEMENT = {
    *("elements", "element", "jobs", "per_device", "results", "data_dir", "as_json"),
}


@click.command(no_args_is_help=True)
@selecting
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(0),
    help="Trials at a time; 0 runs them in this process, where breakpoints work.  "
    "[default: number of CPU cores]",
)
@click.option(
    "--per-device",
    type=click.IntRange(1),
    metavar="N",
    help="Trials at a time on each GPU of this machine.  [default: 1; with --jobs, that is shared "
    "evenly]",
)
@click.option(
    "--probe",
    "probes",
    type=NamesType("diagnostic", also=("all", "cheap")),
    multiple=True,
    callback=joined,
    help="Diagnostics to record along the evaluation runs, which are repeated for them: names, "
    "paths, 'cheap' or 'all'. No number changes. `suite list diagnostics` lists them.",
)
@click.option(
    "--probe-points",
    type=click.IntRange(2, 100),
    default=POINTS,
    show_default=True,
    help="At how many evaluations of a run diagnostics look, the first and the last included.",
)
@click.option("--force", is_flag=True, help="Run again what is done; restart unfinished studies.")
@click.option("--dry-run", "-n", is_flag=True, help="Show plan, cost and time, and run nothing.")
@click.option(
    "--elements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that `suite plan` wrote: run its study number --element, and nothing else.",
)
@click.option("--element", type=click.IntRange(0), help="Which line of --elements, from 0.")
@click.option(
    "--on",
    "engine",
    metavar="slurm|dask://HOST:PORT",
    help="Run the studies in Slurm's queue, or their trials on the workers of a dask scheduler, "
    "instead of on this machine.",
)
@click.option(
    "--slurm",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --on slurm: `time` in minutes, `parallel` jobs at a time, or any long option of "
    "sbatch, such as partition=gpu. Can be repeated.",
)
@wide
@as_json
@click.pass_context
def run(
    context: click.Context,
    /,
    jobs: int | None,
    per_device: int | None,
    probes: tuple[str, ...],
    probe_points: int,
    dry_run: bool,
    force: bool,
    wide: bool,
    as_json: bool,
    elements: Path | None,
    element: int | None,
    engine: str | None,
    slurm: tuple[str, ...],
    **options: Any,
) -> int:
    """Tune and evaluate methods on tasks; write one result file each.

    Several values run all combinations. Finished studies are skipped, interrupted ones are resumed.

    \b
        suite run --optimizer lion --task modular_addition
        suite run --optimizer lion --task digits --probe cheap
        suite run --optimizer adamw --regularizer none --regularizer sam --track mini --core
        suite run --optimizer adamw,lion --task 'modular*' --dry-run
        suite run --optimizer my_optimizer.py --task digits --protocol smoke
    """
    if elements is not None or element is not None:
        return _run_element(context, elements, element)
    if slurm and engine != "slurm":
        raise UsageError("--slurm belongs to --on slurm.")
    if engine is not None and probes:
        raise UsageError(
            f"--probe and --on {engine}: diagnostics are recorded on this machine. Run the study "
            "first; then the same command without --on adds them."
        )
    if engine is not None and per_device is not None:
        raise UsageError(
            f"--per-device and --on {engine}: it is about this machine's GPUs. docs/clusters.md "
            "says how others share theirs."
        )
    if engine is not None and jobs == 0:
        raise UsageError(f"--jobs 0 is for a debugger in this process, and not for --on {engine}.")
    check(options)
    elsewhere = None if engine is None else _engine(engine, slurm)
    left_out, say = LeftOut(), Say(as_json=as_json)
    here = elsewhere is None and not dry_run and jobs != 0
    with starter_of(options["threads"]) if here else nullcontext() as starter:
        with _without_collection():
            from suite.studies.run_studies import default_jobs

            plans = choose(options, left_out, elsewhere=elsewhere is not None)
            look = looking(probes, probe_points)
        if elsewhere is not None:
            count = jobs or 1
        elif jobs is None:
            per_device = per_device or 1
            count = max(default_jobs(plan.device, per_device) for plan in plans)
        else:
            count = jobs
        if dry_run:
            print_plans(plans, max(1, count), force, say)
            left_out.say()
            return left_out.exit_code
        plans = ready(plans, left_out)
        how: How = {"force": force, "keep_going": options["keep_going"], "say": say}
        if elsewhere is not None:
            ended = elsewhere(plans, jobs, how)
        else:
            ended = run_plans(plans, count, starter, per_device=per_device, look=look, **how)
    if ended is None:
        return 130
    print_ended(plans, *ended, left_out.errors, say, wide=wide)
    left_out.say()
    return left_out.exit_code or exit_code(ended[0])


def _engine(name: str, slurm: tuple[str, ...]) -> Elsewhere:
    """What runs plans on other machines; raises UsageError if this machine cannot reach them."""
    if name == "slurm":
        from suite.cli.on_slurm import slurm_of

        return slurm_of(slurm)
    if name.startswith("dask://"):
        from suite.cli.on_dask import dask_at

        return dask_at(name)
    raise UsageError(f"--on {name}: there are --on slurm and --on dask://HOST:PORT.")


def _run_element(context: click.Context, file: Path | None, number: int | None) -> int:
    """Run an element; raises UsageError beside options that the element says already."""
    from suite.cli.elements import run_element

    if file is None or number is None:
        raise UsageError("--elements FILE and --element NUMBER go together.")
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    options = [p for p in context.command.params if p.name in given - _OF_AN_ELEMENT]
    if options:
        names = ", ".join(option.opts[0] for option in options)
        raise UsageError(
            f"{names}: the element says what is run. Beside --elements and --element there are "
            "--jobs, --per-device, --results, --data-dir and --json."
        )
    folders = {name: context.params[name] for name in ("results", "data_dir")}
    return run_element(
        file,
        number,
        jobs=context.params["jobs"],
        per_device=context.params["per_device"],
        results=folders["results"] if "results" in given else None,
        data=folders["data_dir"],
        as_json=context.params["as_json"],
    )


@contextmanager
def _without_collection() -> Iterator[None]:
    """Inside, there is no garbage collection, which takes a tenth of the time of imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
