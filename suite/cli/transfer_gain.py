"""`suite transfer --gain`: whether a method's gain survives size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leaderboard.board import find_board
from leaderboard.gain import OUTCOMES, Gain, gain_on, gains
from suite.cli.missing_studies import run_missing
from suite.cli.summary import Say
from suite.cli.tables import Column, print_json, show_table
from suite.components import registry
from suite.components.method import parse_method
from suite.errors import SuiteError, UsageError
from suite.studies.transfer_studies import GainStudies, sizes_of_tasks, studies_of_gain

if TYPE_CHECKING:
    from leaderboard.statistics import Interval
    from suite.problems.task import Task

#: of the studies that are run
_PROTOCOL = "quick"


def answer(
    method: str,
    rival: str | None,
    tasks: Sequence[str],
    results: Path,
    *,
    run: bool,
    dry_run: bool,
    limit_time: float | None,
    jobs: int | None,
    wide: bool,
    as_json: bool,
) -> int:
    """Run what is missing, if that is asked for, and print the verdicts; the exit code.

    Without a rival it is what the leaderboard compares with. Published results count, too.
    """
    from leaderboard.selection import BASELINE

    names = (parse_method(method).name, parse_method(rival or BASELINE).name)
    if names[0] == names[1]:
        raise UsageError(f"{names[0]} has no gain over itself: name another --rival.")
    pairs = _pairs(tasks)
    code = 0
    if run:
        ran = _run(
            *names, pairs, results, jobs=jobs, minutes=limit_time, dry_run=dry_run, as_json=as_json
        )
        if ran is None:
            return 0
        code = ran
    found = _decide(*names, pairs, results)
    if as_json:
        print_json({"gains": [in_json(one) for one in found]})
    else:
        _print(found, wide=wide)
    return code


def _pairs(tasks: Sequence[str]) -> list[tuple[Task, Task]]:
    """Tasks with another size; those of some tasks, if any are named."""
    found = sizes_of_tasks(registry.load_all("task")[0])
    chosen = [pair for pair in found if not tasks or {pair[0].name, pair[1].name} & set(tasks)]
    if not chosen:
        known = sorted({base.name for base, _ in found})
        raise UsageError(
            f"no other size of {', '.join(tasks)}. Tasks with other sizes: {', '.join(known)}."
        )
    return chosen


def _decide(
    method: str, rival: str, pairs: Sequence[tuple[Task, Task]], results: Path
) -> list[Gain]:
    names = [(base.name, other.name) for base, other in pairs]
    board = find_board(results, tasks={name for pair in names for name in pair})
    return gains(board, method, rival, names)


def _print(found: Sequence[Gain], *, wide: bool) -> None:
    columns = [
        Column("verdict"),
        Column("task"),
        Column("gain", 1),
        Column("other size"),
        Column("gain there", 1),
        Column("why", 2, text=True),
    ]
    show_table(columns, [_row(one) for one in found], wide=wide)
    counts = Counter(one.outcome for one in found)
    click.echo(", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES))


def _row(one: Gain) -> list[str]:
    return [one.outcome, one.base, _shown(one.on_base), one.task, _shown(one.on_task), one.why]


def _shown(found: Interval | None) -> str:
    return "-" if found is None else "{:+.3g} ({:+.3g} to {:+.3g})".format(*found)


def in_json(one: Gain) -> dict[str, Any]:
    """A verdict as JSON."""
    return {
        "method": one.method,
        "rival": one.rival,
        "task": one.base,
        "size": one.task,
        "verdict": one.outcome,
        "why": one.why,
        "gain": None if one.on_base is None else one.on_base._asdict(),
        "gain_of_size": None if one.on_task is None else one.on_task._asdict(),
        "protocols": list(one.protocols),
    }


def _run(
    method: str,
    rival: str,
    pairs: Sequence[tuple[Task, Task]],
    results: Path,
    *,
    jobs: int | None,
    minutes: float | None,
    dry_run: bool,
    as_json: bool,
) -> int | None:
    """Run the studies that comparisons lack; the exit code, None after a dry run."""
    from suite.home import data_folder

    data = data_folder(None)
    board = find_board(results, tasks={task.name for pair in pairs for task in pair})
    wanted, left_out = [], []
    for pair in pairs:
        lacking = [t for t in pair if isinstance(gain_on(board, t.name, method, rival), str)]
        try:
            for task in lacking:
                task.problem.prepare(data)
            item = studies_of_gain(
                method, rival, pair, lacking, _PROTOCOL, results=results, data=data
            )
        except SuiteError as error:
            left_out.append(f"{pair[1].name}: {error}")
            continue
        if item.missing:
            wanted.append(item)

    def told(item: GainStudies) -> str:
        one = next(
            one
            for one in _decide(method, rival, pairs, results)
            if (one.base, one.task) == (item.base, item.task)
        )
        return f"{one.outcome}: {one.base} and {one.task}; {_shown(one.on_task)}"

    return run_missing(
        wanted,
        left_out,
        what=("comparison", "comparisons"),
        named=lambda item: f"{item.base} and {item.task}",
        told=told,
        jobs=jobs,
        minutes=minutes,
        dry_run=dry_run,
        say=Say(as_json=as_json),
    )
