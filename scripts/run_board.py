"""Run what is missing for a board, cheapest first; it can be stopped and started at any time.

    python -m scripts.run_board --board quick-core --list      # what is left, and how long it takes
    nice python -m scripts.run_board --board quick-core        # run it: hours, in the background
    python -m scripts.run_board --board quick-core --minutes 90 --only 'adamw+*'

A finished study is skipped and an interrupted one is resumed, whatever ended the process. A study
whose first trial raises or hangs is left out with its reason and not tried again until its code
changes, or with --again. --replace also measures again what other code or an older protocol
measured, and puts each new file in the place of the old one. The board "published" is whatever the
results folder holds: after an edit, `--board published --replace` brings it up to date.

Exit codes: 0 all is done; 1 what is left failed; 3 the minutes are over; 130 it was interrupted.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import click
import filelock

from scripts.board_plans import (
    Entry,
    Troubles,
    board_methods,
    board_plans,
    board_tasks,
    entries_of,
    order,
    published_plans,
    state_after,
)
from scripts.boards import BOARDS, PUBLISHED, Asked, Board
from suite import interrupts
from suite.components.method import make_method
from suite.errors import SuiteError, UsageError
from suite.execution.executor import Ended, Event, Executor, Job, Started
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter, worker_log
from suite.home import home, make_folder
from suite.results.files import file_name
from suite.results.model import EnvironmentRecord
from suite.studies.plan import Plan, find_task
from suite.studies.run_studies import Shown, attempt_studies, default_jobs
from suite.training.trial import Key
from suite.words import duration

#: studies are run in parts of about so many seconds: each holds its results and locks until its end
_PART_SECONDS = 600.0


class MinutesAreOver(Exception):
    """The time that was given is over; the trials that ran will run again."""


class Hangs(Exception):
    """A trial runs for longer than trials of a board may."""

    def __init__(self, job: Job, seconds: float) -> None:
        super().__init__(
            f"{job.trial.purpose} trial {job.trial.number} had not ended after {seconds:.0f} s"
        )
        self.study = job.study


@dataclass
class Watch:
    """An executor that ends the waiting for hanging trials, and at a given time."""

    inner: Executor
    patience: float
    #: when the time is over, by `time.monotonic`
    until: float | None
    _began: dict[Key, tuple[float, Job]] = field(default_factory=dict)

    def environment(self, device: str, packages: Mapping[str, str]) -> EnvironmentRecord:
        """As the executor's."""
        return self.inner.environment(device, packages)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self.inner.submit(job)

    def next_event(self, timeout: float) -> Event | None:
        """As the executor's; raises MinutesAreOver, or Hangs."""
        now = time.monotonic()
        if self.until is not None and now > self.until:
            raise MinutesAreOver
        for began, job in self._began.values():
            if now > began + self.patience:
                raise Hangs(job, self.patience)
        event = self.inner.next_event(timeout)
        if isinstance(event, Started):
            self._began[event.job.key] = time.monotonic(), event.job
        elif isinstance(event, Ended):
            self._began.pop(event.job.key, None)
        return event

    def close(self) -> None:
        """Stop at once."""
        self.inner.close()


class Progress:
    """Prints how each study ended; keeps failures, and puts new files in the places of old ones."""

    def __init__(self, entries: Sequence[Entry], troubles: Troubles, jobs: int) -> None:
        self._entries = {entry.plan.identity: entry for entry in entries}
        self._troubles = troubles
        self._jobs = jobs
        self._began = time.monotonic()
        #: estimated seconds of the studies that were run here
        self._ran = 0.0

    def opened(self, study: Shown) -> None:
        """Nothing is shown."""

    def event(self, study: Shown, event: Event) -> None:
        """Nothing is shown."""

    def closed(self, study: Shown) -> None:
        """A study has a result, or stopped."""
        entry = self._entries[study.plan.identity]
        self._ran += entry.seconds * (study.trials - study.resumed) / study.trials
        if study.stopped is not None:
            self.failed(entry, str(study.stopped))
            return
        entry.state = "done"
        self._say(f"{entry.plan.name}: wrote {put_in_place(entry, study.path)}")

    def found(self, entry: Entry) -> None:
        """Its result was there already: another process made it meanwhile."""
        entry.state = "done"
        self._say(f"{entry.plan.name}: done already")

    def failed(self, entry: Entry, reason: str, *, kept: bool = True) -> None:
        """A study cannot be run; `kept` if its own code is the reason, not what surrounds it."""
        entry.state, entry.reason = state_after(reason), reason
        if kept:
            self._troubles.keep(entry.plan, reason)
        self._say(f"{entry.plan.name}: {entry.state}\n{_indented(reason)}")

    def _say(self, line: str) -> None:
        entries = self._entries.values()
        left = sum(entry.seconds for entry in entries if entry.state == "missing")
        done = sum(entry.state == "done" for entry in entries)
        # What the estimates were worth so far. They know nothing of other work on the machine.
        pace = (time.monotonic() - self._began) / self._ran if self._ran else 1 / self._jobs
        time_left = f"about {duration(left * pace)} left" if left else "none left"
        click.echo(f"[{done} of {len(entries)} studies, {time_left}] {line}", err=True)


def put_in_place(entry: Entry, path: Path) -> Path:
    """Where the study's new file lies once the old one, if it replaces one, is gone."""
    if entry.old is None or entry.old == path:
        return path
    plan = entry.plan
    if entry.old.name == file_name(plan.method.name, plan.rules.name):
        path.replace(entry.old)
        return entry.old
    entry.old.unlink()
    return path


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def parts(entries: Sequence[Entry], jobs: int) -> Iterator[list[Entry]]:
    """The studies in parts, each of whole methods and of some minutes."""
    part: list[Entry] = []
    for entry in entries:
        ends = part and part[-1].plan.method.name != entry.plan.method.name
        if ends and sum(e.seconds for e in part) > _PART_SECONDS * jobs:
            yield part
            part = []
        part.append(entry)
    if part:
        yield part


@dataclass
class Runner:
    """Runs studies; no study stops the others."""

    jobs: int
    patience: float
    until: float | None
    progress: Progress

    def run(self, entries: Sequence[Entry]) -> None:
        """Run all of them; raises MinutesAreOver."""
        for part in parts(entries, self.jobs):
            while left := [entry for entry in part if entry.state == "missing"]:
                if self._attempt(left) is None:
                    continue
                # Something else than a first trial failed: alone, each study shows if it was its.
                for entry in left:
                    error = self._attempt([entry]) if entry.state == "missing" else None
                    if isinstance(error, SuiteError):
                        self.progress.failed(entry, str(error), kept=False)
                    elif error is not None:
                        self.progress.failed(entry, "".join(traceback.format_exception(error)))

    def _attempt(self, entries: Sequence[Entry]) -> Exception | None:
        """Run studies beside one another; returns what ended that before all were done."""
        workers = LocalExecutor(self.jobs, Starter(1, worker_log()))
        executor = Watch(workers, self.patience, self.until)
        plans = [entry.plan for entry in entries]
        try:
            attempt_studies(plans, executor, self.jobs, self.progress)
        except Hangs as error:
            hanging = next(entry for entry in entries if entry.plan.identity == error.study)
            self.progress.failed(hanging, str(error))
            return None
        except MinutesAreOver:
            raise
        except Exception as error:
            return error
        finally:
            executor.close()
        for entry in entries:
            if entry.state == "missing":
                self.progress.found(entry)
        return None


@click.command()
@click.option("--board", type=click.Choice([*BOARDS, PUBLISHED]), required=True)
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--jobs", type=click.IntRange(1), help="Trials at a time.  [default: CPU cores]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after this time.")
@click.option("--only", multiple=True, help="Methods, or 'METHOD on TASK'; a pattern, repeatable.")
@click.option("--list", "listing", is_flag=True, help="Say what is left, and run nothing.")
@click.option("--replace", is_flag=True, help="Measure again what other code measured.")
@click.option("--again", is_flag=True, help="Try again what failed with the present code.")
@click.option("--task", "tasks", multiple=True, help="This task, or a file's, not the board's.")
@click.option("--file", "files", multiple=True, help="A file of an optimizer that joins the board.")
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    help="Seconds after which a trial is given up with its study.",
)
def run_board(
    board: str,
    results: Path,
    jobs: int | None,
    minutes: float | None,
    only: tuple[str, ...],
    listing: bool,
    replace: bool,
    again: bool,
    tasks: tuple[str, ...],
    files: tuple[str, ...],
    patience: float,
) -> int:
    """Run what is missing for a board, cheapest first."""
    until = None if minutes is None else time.monotonic() + 60 * minutes
    make_folder(home() / "boards")
    lock = filelock.FileLock(home() / "boards" / f"{board}.lock", blocking=False)
    try:
        with lock:
            count = jobs or default_jobs("cpu")
            troubles = Troubles(home() / "boards" / f"{board}.journal")
            plans, broken = _plans(board, results, tasks, files, only)
            entries = order(entries_of(plans, troubles, again=again, replace=replace))
            if listing:
                say_what_is_left(entries, count, each=True)
                return 0
            if replace:
                settle(entries)
            progress = Progress(entries, troubles, count)
            code = _run(Runner(count, patience, until, progress), entries)
    except filelock.Timeout:
        raise UsageError(f"another process is running the board {board}.") from None
    for name, reason in broken.items():
        click.echo(f"{name}: left out: {reason}", err=True)
    say_what_is_left(entries, count, each=False)
    failed = bool(broken) or any(entry.state == "failed" for entry in entries)
    return code or int(failed)


def _plans(
    board: str,
    results: Path,
    tasks: Sequence[str],
    files: Sequence[str],
    only: Sequence[str],
) -> tuple[list[Plan], dict[str, str]]:
    """The studies of a board, and what cannot be used with the reason."""

    def asked(name: str) -> bool:
        return not only or any(fnmatch(name, p.partition(" on ")[0]) for p in only)

    if board == PUBLISHED:
        plans, broken = published_plans(results)
    else:
        plans, broken = _of_board(BOARDS[board], results, tasks, files, asked)
    plans = [
        plan
        for plan in plans
        if not only or any(fnmatch(n, p) for n in (plan.name, plan.method.name) for p in only)
    ]
    if not plans:
        raise UsageError(f"no study of the board {board} fits {', '.join(only) or 'any method'}.")
    for plan in {plan.task.name: plan for plan in plans}.values():
        plan.task.problem.prepare(plan.data)
    return plans, broken


def _of_board(
    board: Board, results: Path, tasks: Sequence[str], files: Sequence[str], asked: Asked
) -> tuple[list[Plan], dict[str, str]]:
    methods, broken = board_methods(board, asked)
    methods += [make_method(file) for file in files]
    chosen = [find_task(name) for name in tasks] or board_tasks(board)
    return board_plans(board, methods, chosen, results), broken


def settle(entries: Sequence[Entry]) -> None:
    """Put results in the places of those that they replace, where a kill came between."""
    for entry in entries:
        if entry.state == "done":
            put_in_place(entry, entry.plan.result_path()[0])


def _run(runner: Runner, entries: Sequence[Entry]) -> int:
    """Run studies; returns the exit code."""
    # A shell script starts commands in the background with SIGINT ignored.
    interrupts.catch(ignored=True)
    try:
        runner.run(entries)
    except MinutesAreOver:
        click.echo("The minutes are over; the same command goes on where it stopped.", err=True)
        return 3
    except KeyboardInterrupt:
        click.echo("Interrupted; the same command goes on where it stopped.", err=True)
        return 130
    return 0


def say_what_is_left(entries: Sequence[Entry], jobs: int, *, each: bool) -> None:
    """Print the counts, the studies that failed and, with `each`, all that have no result."""
    to_run = [entry for entry in entries if entry.state == "missing"]
    methods: dict[str, list[Entry]] = {}
    for entry in entries:
        methods.setdefault(entry.plan.method.name, []).append(entry)
    complete = sum(all(e.state == "done" for e in own) for own in methods.values())
    partial = sum(any(e.state == "not applicable" for e in own) for own in methods.values())
    for entry in entries:
        if entry.state == "failed" or (each and entry.state != "done"):
            said = f": {entry.reason.strip()}" if entry.reason else ""
            takes = f" ({duration(entry.seconds / jobs)})" if entry.state == "missing" else ""
            click.echo(f"{entry.state}: {entry.plan.name}{takes}{said}")
    counts = ", ".join(
        f"{number} {state}"
        for state in ("done", "missing", "stale", "failed", "not applicable")
        if (number := sum(entry.state == state for entry in entries))
    )
    click.echo(
        f"{complete} of {len(methods)} methods are complete, {partial} cannot be. "
        f"Studies: {counts}."
    )
    if to_run:
        seconds = sum(entry.seconds for entry in to_run) / jobs
        click.echo(f"{len(to_run)} to run, about {duration(seconds)} with {jobs} at a time.")
    stale = sum(entry.state == "stale" for entry in entries)
    if stale:
        click.echo(f"{stale} were measured with other code or rules: --replace runs them again.")


def main() -> None:
    """Run the command; a user's mistake shows no traceback."""
    try:
        sys.exit(run_board(standalone_mode=False))
    except (SuiteError, click.ClickException) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"run_board: {text}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
