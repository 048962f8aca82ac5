"""`suite run --on dask://HOST:PORT`: trials on the workers of a dask cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from suite.cli.running import How, run_plans
from suite.cli.summary import Say
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.cli.running import Elsewhere, Ended
    from suite.clusters.on_dask import DaskExecutor
    from suite.studies.plan import Plan


def dask_at(engine: str) -> Elsewhere:
    """Runs studies here and their trials on the workers of the scheduler that `engine` names.

    Raises UsageError for a wrong address, or without the package.
    """
    address = _address(engine)
    _check_dask()

    def run(plans: list[Plan], jobs: int | None, how: How) -> Ended | None:
        todo = [plan for plan in plans if plan.finished() is None or how["force"]]
        executor = _connect(address, todo, how["say"]) if todo else None
        if executor is not None and jobs is None:
            threads = todo[0].threads  # one option for all of them
            on_gpu = {plan.device == "cuda" for plan in todo}
            jobs = max(executor.slots(threads, gpu=gpu) for gpu in on_gpu)
        return run_plans(plans, jobs or 1, None, executor=executor, **how)

    return run


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
