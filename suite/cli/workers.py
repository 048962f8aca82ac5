"""The worker processes of a command: they start while it imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from suite.execution.executor import Executor
    from suite.execution.starting import Starter


@contextmanager
def starter_of(threads: int) -> Iterator[Starter]:
    """The process that forks workers; at the end it says where the trials' output is, if any."""
    from suite.execution.starting import Starter, worker_log
    from suite.home import make_home

    make_home()
    log = worker_log()
    starter = Starter(threads, log)
    try:
        yield starter
    finally:
        starter.close()
        if log.stat().st_size == 0:
            log.unlink()
        else:
            click.echo(f"What the trials printed: {log}", err=True)


@contextmanager
def local_executor(threads: int, jobs: int) -> Iterator[Executor]:
    """Runs trials in processes of their own, `jobs` at a time."""
    with starter_of(threads) as starter:
        from suite.execution.local import LocalExecutor

        executor = LocalExecutor(jobs, starter)
        try:
            yield executor
        finally:
            executor.close()
