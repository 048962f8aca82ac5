"""Study storage: what was planned and what has finished, in our own journal.

Each trial has a line when it is planned and another one when it has finished, with the whole `Run`.
Lines do not depend on one another: each names its trial. A copy for `optuna-dashboard` is beside
the journal. Only one process at a time may work on a study.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
from optuna.distributions import BaseDistribution

from suite.disk import naming_full
from suite.errors import StudyBusy
from suite.home import make_folder
from suite.problems.score import Direction
from suite.results import environment
from suite.results.model import DataRecord, Run
from suite.studies.dashboard import DashboardCopy
from suite.studies.journal import Entry, Journal
from suite.training.trial import Outcome, Series

Flat = dict[str, Any]

#: how often one who waits for a study looks whether it is free
_LOOK_SECONDS = 1.0


class StudyStorage:
    """The trials of one study on disk. Use as a context manager: it owns the file meanwhile."""

    def __init__(
        self, path: Path, direction: Direction, space: Mapping[str, BaseDistribution]
    ) -> None:
        self.path = path
        self._direction = direction
        self._space = space
        self._planned: defaultdict[Series, dict[int, Flat]] = defaultdict(dict)
        self._ended: defaultdict[Series, dict[int, Entry]] = defaultdict(dict)
        self._kept: dict[str, Any] = {}

    def __enter__(self) -> StudyStorage:
        self._owner = _own(self.path)
        try:
            self._journal = Journal(self.path)
            for entry in self._journal.entries:
                self._take(entry)
            self._copy = self._make_copy()
        except BaseException:
            self._owner.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._owner.release()

    @property
    def damage(self) -> str | None:
        """What was damaged when the study was opened, in words."""
        lines = self._journal.damaged
        if not lines:
            return None
        return (
            f"{self.path} was damaged: {lines} {'line' if lines == 1 else 'lines'} moved to "
            f"{self._journal.damage_file.name}; trials that are whole are kept, the others run "
            "again"
        )

    def planned(self, series: Series) -> dict[int, Flat]:
        """The flat hyperparameters of every trial planned so far, by its number."""
        return dict(self._planned[series])

    def plan(self, series: Series, number: int, flat: Flat) -> None:
        """Record a planned trial; an earlier one of its number with other values is removed."""
        entry = {"planned": [*series, number], "hyperparameters": flat}
        self._journal.append(entry)
        self._take(entry)
        if self._copy is not None:
            self._show(entry)

    def finished(self, series: Series) -> dict[int, Outcome]:
        """The outcome of every finished trial by its number."""
        return {number: _outcome(entry) for number, entry in sorted(self._ended[series].items())}

    def finish(
        self, series: Series, outcome: Outcome, score: float, seconds: float | None = None
    ) -> None:
        """Keep a finished trial of any status; `score` is what the dashboard shows.

        `seconds` is what the trial took with all that surrounds it, for later estimates.
        """
        run, data = outcome.run, outcome.data
        entry = {
            "finished": [*series, run.number],
            "hyperparameters": self._planned[series][run.number],
            "run": run.model_dump(mode="json"),
            "data": None if data is None else data.model_dump(mode="json"),
            "score": score,
            "ended": environment.now(),
            "seconds": seconds,
        }
        self._journal.append(entry)
        self._take(entry)
        if self._copy is not None:
            self._show(entry)

    def last_end(self) -> str:
        """When the last of the finished trials ended: UTC, ISO 8601."""
        return max(
            str(entry["ended"]) for ended in self._ended.values() for entry in ended.values()
        )

    def keep(self, name: str, value: Any, *, anew: bool = False) -> Any:
        """The value kept under this name when the study began; `value`, if there was none.

        `anew`: `value` replaces it.
        """
        if name not in self._kept or (anew and self._kept[name] != value):
            entry = {"kept": name, "value": value}
            self._journal.append(entry)
            self._take(entry)
        return self._kept[name]

    def _take(self, entry: Entry) -> None:
        """Read an entry of the journal; later ones replace earlier ones of the same trial."""
        if "kept" in entry:
            self._kept[entry["kept"]] = entry["value"]
            return
        series, number = _place(entry)
        flat = entry["hyperparameters"]
        if self._planned[series].get(number) != flat:
            self._ended[series].pop(number, None)
        self._planned[series][number] = flat
        if "finished" in entry:
            self._ended[series][number] = entry

    def _make_copy(self) -> DashboardCopy | None:
        copy_path = self.path.with_suffix(".optuna")
        try:
            self._copy = DashboardCopy(copy_path, self._direction, self._space)
        except Exception:  # the trials do not depend on it
            return None
        for series, planned in sorted(self._planned.items()):
            for number, flat in sorted(planned.items()):
                self._show({"planned": [*series, number], "hyperparameters": flat})
            for entry in self._ended[series].values():
                self._show(entry)
        return self._copy

    def _show(self, entry: Entry) -> None:
        copy = self._copy
        if copy is None:
            return
        try:
            series, number = _place(entry)
            if "planned" in entry:
                copy.plan(series, number, entry["hyperparameters"])
            else:
                copy.finish(series, number, entry["score"])
        except Exception:  # the trials do not depend on it; the next run writes it again
            self._copy = None


def _place(entry: Entry) -> tuple[Series, int]:
    """Which trial an entry is about: its series, and its number there."""
    replicate, purpose, number = entry.get("planned") or entry["finished"]
    return (replicate, purpose), number


def _outcome(entry: Entry) -> Outcome:
    data = entry["data"]
    return Outcome(
        Run.model_validate(entry["run"]),
        None if data is None else DataRecord.model_validate(data),
    )


def set_aside(path: Path) -> Path | None:
    """Rename a study's journal so that the study restarts; nothing is deleted.

    Raises StudyBusy while another process works on the study: its trials would be lost.
    """
    owner = _own(path)
    try:
        if not path.exists():
            return None
        number = 1
        while (kept := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        path.rename(kept)
        return kept
    finally:
        owner.release()


def wait_until_free(path: Path) -> None:
    """Wait until no other process works on the study of a journal."""
    with filelock.FileLock(_owner_file(path), poll_interval=_LOOK_SECONDS):
        pass


def _owner_file(path: Path) -> str:
    return f"{path}.owner"


def _own(path: Path) -> filelock.BaseFileLock:
    """Take the lock on the study of a journal; raises StudyBusy while another process has it."""
    make_folder(path.parent)
    owner = filelock.FileLock(_owner_file(path), blocking=False)
    try:
        with naming_full(path.parent):
            owner.acquire()
    except filelock.Timeout:
        raise StudyBusy(
            f"another process is working on this study ({path}). Wait for it, or stop it."
        ) from None
    return owner
