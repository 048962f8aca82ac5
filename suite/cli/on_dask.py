"""`suite run --on dask://HOST:PORT`: trials on the workers of a dask cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suite.cli.running import exit_code, run_plans
from suite.cli.selection import LeftOut, check, choose, ready
from suite.cli.summary import Say, print_ended, print_plans
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.clusters.on_dask import DaskExecutor
    from suite.studies.plan import Plan


def run_on_dask(
    engine: str,
    options: dict[str, Any],
    *,
    jobs: int | None,
    force: bool,
    dry_run: bool,
    wide: bool,
    as_json: bool,
) -> int:
    """Run studies here and their trials on the workers of the scheduler that `engine` names."""
    check(options)
    address = _address(engine)
    if jobs == 0:
        raise UsageError(f"--jobs 0 is for a debugger in this process, and not for --on {engine}.")
    _check_dask()
    left_out, say = LeftOut(), Say(as_json=as_json)
    plans = choose(options, left_out, elsewhere=True)
    if dry_run:
        print_plans(plans, jobs or 1, force, say)
        left_out.say()
        return left_out.exit_code
    plans = ready(plans, left_out)
    todo = [plan for plan in plans if plan.finished() is None or force]
    executor = _connect(address, todo, say) if todo else None
    on_gpu = {plan.device == "cuda" for plan in todo}
    if executor is not None and jobs is None:
        jobs = max(executor.slots(options["threads"], gpu=gpu) for gpu in on_gpu)
    ended = run_plans(
        plans,
        jobs or 1,
        None,
        executor=executor,
        force=force,
        keep_going=options["keep_going"],
        say=say,
    )
    if ended is None:
        return 130
    print_ended(plans, *ended, left_out.errors, say, wide=wide)
    left_out.say()
    return left_out.exit_code or exit_code(ended[0])


def _connect(address: str, plans: Sequence[Plan], say: Say) -> DaskExecutor:
    """Runs the trials of these plans; raises UsageError if the workers cannot."""
    from suite.clusters.on_dask import DaskExecutor

    packages = {name for plan in plans for name in plan.packages}
    gpu = any(plan.device == "cuda" for plan in plans)
    executor = DaskExecutor(address, packages, gpu=gpu, say=say)
    if gpu and executor.slots(1, gpu=True) == 0:
        executor.close()
        raise UsageError(
            f"no dask worker at {address} has a GPU to give: start workers with `--resources "
            "GPU=1`, or choose --device cpu."
        )
    return executor


def _address(engine: str) -> str:
    """The scheduler's address in dask's words."""
    found = re.fullmatch(r"dask://([^/\s:]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})/?", engine)
    if not found:
        raise UsageError(f"--on {engine}: dask://HOST:PORT, as the scheduler says it.")
    return f"tcp://{found[1]}:{found[2]}"


def _check_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError("--on dask://... needs `pip install 'optimizer-suite[dask]'`.") from None
