"""Probing: the evaluation runs of a finished study once more, with diagnostics.

A result's numbers never come from a run that diagnostics looked at. The study ends as every other
one; then each of its evaluation runs is repeated, its snapshots are looked at, and all its numbers
are compared with those of the result, to the last bit. Only then the diagnostics go into the
result's file, beside the numbers, which stay as they are. So the same happens to a result that is
published already, and a run's identity does not depend on what has looked at it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from suite import atomic
from suite.components import registry
from suite.components.discovery import looks_like_file
from suite.components.fingerprints import sources
from suite.diagnostics.declaration import Diagnostic
from suite.diagnostics.measuring import TIME_LIMIT
from suite.diagnostics.record import Probed
from suite.disk import naming_full
from suite.errors import SuiteError, UsageError
from suite.execution.executor import Ended, Executor, Job, Refused
from suite.home import home, make_folder
from suite.results import files as results
from suite.results.model import DiagnosticRecord, Replicate, Result, Run
from suite.results.trimming import trimmed
from suite.studies.plan import Plan
from suite.training.trial import Outcome

#: groups of diagnostics, by what a user calls them
GROUPS = ("all", "cheap")
#: columns that the diagnostics of one result may have together
MAX_COLUMNS = 200
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
Say = Callable[[str], None]


def find_diagnostics(names: Iterable[str]) -> list[Diagnostic]:
    """The diagnostics of names, of paths to files, or of a group: "all" or "cheap".

    Raises UsageError with similar names.
    """
    found: dict[str, Diagnostic] = {}
    for name in names:
        for diagnostic in _named(name):
            found[diagnostic.name] = diagnostic
    columns = [column for diagnostic in found.values() for column in diagnostic.columns]
    twice = {column for column in columns if columns.count(column) > 1}
    if twice:
        raise UsageError(f"two diagnostics have the column '{min(twice)}': rename a value.")
    if len(columns) > MAX_COLUMNS:
        raise UsageError(f"{len(columns)} columns of diagnostics: a result holds {MAX_COLUMNS}.")
    return list(found.values())


def _named(name: str) -> list[Diagnostic]:
    if name in GROUPS:
        entries, broken = registry.load_all("diagnostic")
        if broken:
            raise SuiteError(f"cannot use {broken[0].path}: {broken[0].reason}")
        return [entry for entry in entries if name == "all" or entry.cheap]
    if not looks_like_file(name):
        return [registry.get("diagnostic", name)]
    found = [entry for entry in registry.load_file(name) if entry.kind == "diagnostic"]
    if not found:
        raise UsageError(f"{name} registers no diagnostic.")
    return found


@dataclass(frozen=True)
class Wanted:
    """What is to look at the evaluation runs of a result."""

    plan: Plan
    result: Result
    diagnostics: tuple[Diagnostic, ...]
    points: int

    @property
    def missing(self) -> tuple[Diagnostic, ...]:
        """Those that have not looked yet, or were edited since."""
        there = {(record.name, record.source_hash) for record in self.result.diagnostics}
        return tuple(d for d in self.diagnostics if (d.name, d.source_hash) not in there)

    def jobs(self) -> list[Job]:
        """The evaluation runs, as they were, with snapshots."""
        plan, diagnostics = self.plan, self.missing
        own = {str(diagnostic.path) for diagnostic in diagnostics}
        files = [str(path) for path in registry.extra_files() if str(path) in own]
        said = [(f"the source of diagnostic '{d.name}'", d.source_hash) for d in diagnostics]
        limit = plan.time_limit or plan.task.time_limit
        found = []
        for number, replicate in enumerate(self.result.replicates):
            for run in replicate.evaluation:
                hyperparameters = replicate.chosen_run.hyperparameters
                trial = plan.trial(number, "evaluation", run.number, hyperparameters)
                trial = replace(
                    trial,
                    files=tuple(dict.fromkeys((*trial.files, *files))),
                    sources=(*trial.sources, *said),
                    probes=tuple(d.name for d in diagnostics),
                    probe_points=self.points,
                )
                found.append(Job(plan.identity, trial, plan.task, limit + TIME_LIMIT))
        return found


def probe(wanted: Wanted, executor: Executor, jobs: int, say: Say) -> Result:
    """The result with its diagnostics, written to its file; the result itself if it has them all.

    Raises SuiteError, and leaves the file as it is, if a run does not repeat to the last bit.
    An interrupted call is resumed by the next one.
    """
    if not wanted.missing:
        say(f"{wanted.plan.name}: has these diagnostics already")
        return wanted.result
    outcomes = _outcomes(wanted, executor, jobs, say)
    result = _completed(wanted, outcomes)
    path, there = wanted.plan.result_path()
    if there is None or there.digest != wanted.result.digest:
        raise SuiteError(f"{path} was changed meanwhile. Run the same command again.")
    with naming_full(path.parent):
        results.write(result, path)
    for file in _folder(wanted).glob("*.json"):
        file.unlink(missing_ok=True)
    say(f"{wanted.plan.name}: {len(wanted.missing)} diagnostics in {path}")
    for record in result.diagnostics:
        for where, note in list(record.notes.items())[:1]:
            more = f" (and {len(record.notes) - 1} more)" if len(record.notes) > 1 else ""
            say(f"  {record.name}: run {where}: {note}{more}")
    return result


def _outcomes(wanted: Wanted, executor: Executor, jobs: int, say: Say) -> list[Outcome]:
    """The repeated runs in their order; those of an interrupted call are read from the disk."""
    planned = wanted.jobs()
    found: dict[int, Outcome] = {}
    folder = _folder(wanted)
    make_folder(folder)
    for number in range(len(planned)):
        kept = _read(folder / f"{number}.json")
        if kept is not None:
            found[number] = kept
    waiting = [number for number in range(len(planned)) if number not in found]
    running: dict[tuple[Any, ...], int] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number = waiting.pop(0)
            executor.submit(planned[number])
            running[planned[number].key] = number
        event = executor.next_event(0.5)
        if isinstance(event, Refused):
            raise event.error
        if isinstance(event, Ended) and event.job.key in running:
            number, outcome = running.pop(event.job.key), event.outcome
            _compare(wanted, event.job, outcome)
            found[number] = outcome
            with naming_full(folder):
                _keep(outcome, folder / f"{number}.json")
            say(f"{wanted.plan.name}: diagnostics of run {len(found)} of {len(planned)}")
    return [found[number] for number in range(len(planned))]


def _folder(wanted: Wanted) -> Path:
    """Where the repeated runs are kept until all have ended: by all that they depend on."""
    plan = wanted.plan
    said = [
        wanted.result.digest,
        sources(plan.task, plan.method.components),
        [(d.name, d.source_hash) for d in wanted.missing],
        wanted.points,
    ]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
    return home() / "probes" / plan.task.name / f"{plan.method.name}.{plan.rules.name}.{key}"


def _keep(outcome: Outcome, path: Path) -> None:
    body = _OUTCOME.dump_json(outcome)
    atomic.write(path, lambda file: file.write(body))


def _read(path: Path) -> Outcome | None:
    try:
        return _OUTCOME.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None  # not there, or cut off: it is run again


def _compare(wanted: Wanted, job: Job, outcome: Outcome) -> None:
    """Raise SuiteError unless the repeated run has all the numbers of the result's run."""
    trial, metric = job.trial, wanted.result.task.metric
    run = wanted.result.replicates[trial.replicate].evaluation[trial.number]
    was, now = run.comparable(), trimmed(outcome.run, metric).comparable()
    differing = _first_difference(was, now)
    if differing:
        path = wanted.plan.result_path()[0]
        raise SuiteError(
            f"{wanted.plan.name}: evaluation run {trial.number} of replicate {trial.replicate} did "
            f"not repeat: {differing}. {path} stays as it is. Another machine, or another version "
            "of a package, may differ in the last digits: --force --probe runs the study anew here."
        )


def _first_difference(was: Any, now: Any, place: str = "") -> str:
    """Where two records differ first, and how; empty if nowhere."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in {**was, **now}:
            found = _first_difference(was.get(key), now.get(key), f"{place}.{key}".strip("."))
            if found:
                return found
        return ""
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (one, other) in enumerate(zip(was, now, strict=True)):
            found = _first_difference(one, other, f"{place}.{number}")
            if found:
                return found
        return ""
    return "" if was == now else f"{place} is {str(now)[:60]}, and was {str(was)[:60]}"


# -- the completed result -------------------------------------------------------------------------


def _completed(wanted: Wanted, outcomes: Sequence[Outcome]) -> Result:
    """The result with the new columns; those of diagnostics that looked earlier stay."""
    new = {d.name for d in wanted.missing}
    kept = [record for record in wanted.result.diagnostics if record.name not in new]
    columns = {column for record in kept for column in record.columns}
    for diagnostic in wanted.missing:
        for column in diagnostic.columns:
            if column in columns:
                raise UsageError(f"the result has another diagnostic with the column '{column}'.")
    rest, replicates = list(outcomes), []
    for replicate in wanted.result.replicates:
        some, rest = rest[: len(replicate.evaluation)], rest[len(replicate.evaluation) :]
        runs = [
            _with_columns(run, columns, outcome.probed)
            for run, outcome in zip(replicate.evaluation, some, strict=True)
        ]
        replicates.append(replicate.model_copy(update={"evaluation": runs}))
    records = [*kept, *(_record(d, replicates, outcomes) for d in wanted.missing)]
    content = wanted.result.model_dump(mode="json", exclude={"digest"})
    content["replicates"] = [replicate.model_dump(mode="json") for replicate in replicates]
    content["diagnostics"] = [record.model_dump(mode="json") for record in records]
    del content["schema_version"]
    return results.seal(content)


def _with_columns(run: Run, columns: set[str], probed: Probed | None) -> Run:
    """A run with the columns of a probe beside those of its own that stay."""
    kept = {name: values for name, values in run.curve.diagnostics.items() if name in columns}
    added = {} if probed is None else probed.columns
    curve = run.curve.model_copy(update={"diagnostics": {**kept, **added}})
    return run.model_copy(update={"curve": curve})


def _record(
    diagnostic: Diagnostic, replicates: Sequence[Replicate], outcomes: Sequence[Outcome]
) -> DiagnosticRecord:
    places = [f"{at}.{run.number}" for at, r in enumerate(replicates) for run in r.evaluation]
    notes, seconds = {}, 0.0
    for place, outcome in zip(places, outcomes, strict=True):
        probed = outcome.probed
        if probed is None:
            notes[place] = f"not measured: the run ended as {outcome.run.status}"
            continue
        seconds += probed.seconds.get(diagnostic.name, 0.0)
        if diagnostic.name in probed.notes:
            notes[place] = probed.notes[diagnostic.name]
    return DiagnosticRecord(
        name=diagnostic.name,
        version=diagnostic.version,
        source_hash=diagnostic.source_hash,
        paper=diagnostic.paper,
        url=diagnostic.url,
        columns=dict(diagnostic.columns),
        cost=diagnostic.cost,
        seconds=float(f"{seconds:.4g}"),
        notes=notes,
    )
