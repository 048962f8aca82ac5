"""`suite plan`, and `suite run --elements`: studies for any scheduler, each one command."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.running import run_plans
from suite.cli.selection import LeftOut, check, choose, ready, selecting
from suite.cli.summary import Say, print_ended
from suite.cli.workers import starter_of
from suite.errors import StudyBusy, StudyStopped, SuiteError

if TYPE_CHECKING:
    from suite.cli.running import Ended
    from suite.studies.plan import Plan
    from suite.studies.progress import ProgressFile


@click.command(no_args_is_help=True)
@selecting
def plan(**options: Any) -> int:
    """Write studies as lines of JSON: elements that any scheduler can run, each by one command.

    Takes the options of `suite run`. Data is fetched now where that is possible, since the machines
    that run the elements may not reach it.

    \b
        suite plan --optimizer adamw,lion --track mini --core > elements.jsonl
        suite run --elements elements.jsonl --element 0
        seq 0 29 | parallel suite run --elements elements.jsonl --element {}
    """
    from suite.studies.elements import element_of, text_of

    check(options)
    left_out, say = LeftOut(), Say(as_json=True)
    plans = ready(choose(options, left_out, elsewhere=True), left_out)
    click.echo(text_of(element_of(p, keep_going=options["keep_going"]) for p in plans), nl=False)
    count = len(plans)
    say(f"{count} {'element' if count == 1 else 'elements'}, numbered from 0 to {count - 1}")
    left_out.say()
    return left_out.exit_code


def run_element(
    path: Path,
    number: int,
    *,
    jobs: int | None,
    per_device: int | None,
    results: Path | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Run one element to its end; 0 if its result is there then, whoever made it."""
    from suite.studies.elements import plan_of, read_element
    from suite.studies.progress import ProgressFile

    say = Say(as_json=as_json)
    element = read_element(path, number)
    plan = plan_of(element, results=results, data=data)
    told = ProgressFile(plan)
    try:
        plan.task.problem.prepare(plan.data)
        ended = _run_when_free(plan, jobs, per_device, element.keep_going, told, say)
    except SuiteError as error:
        told.failed(error)
        raise
    if ended is None:
        return 130
    ((result,), _) = ended
    print_ended([plan], *ended, [], say, wide=False, compared=False)
    return 1 if isinstance(result, StudyStopped) else 0


def _run_when_free(
    plan: Plan,
    jobs: int | None,
    per_device: int | None,
    keep_going: bool,
    told: ProgressFile,
    say: Say,
) -> Ended | None:
    """Run a study once no other process works on it; then it may be done already.

    A scheduler may start an element again while its first process still ends, or is cut off.
    """
    from suite.studies.run_studies import default_jobs
    from suite.studies.storage import wait_until_free

    if jobs is None:
        per_device = per_device or 1
    count = default_jobs(plan.device, per_device or 1) if jobs is None else jobs
    while True:
        try:
            idle = count == 0 or plan.finished() is not None
            with nullcontext() if idle else starter_of(plan.threads) as starter:
                return run_plans(
                    [plan],
                    count,
                    starter,
                    per_device=per_device,
                    force=False,
                    keep_going=keep_going,
                    say=say,
                    watched=told.around,
                    again="",
                )
        except StudyBusy:
            say(f"{plan.name}: another process works on it; this one waits for its end")
            wait_until_free(plan.journal)
