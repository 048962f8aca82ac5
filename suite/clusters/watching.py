"""A study that runs elsewhere, seen through the files that it writes: journal and progress."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suite.errors import StudyStopped
from suite.execution.executor import Ended, Event, Job, Reported, Started
from suite.results.model import Run
from suite.studies.journal import read_entries
from suite.studies.plan import Plan
from suite.studies.progress import progress_file
from suite.studies.tuning import best
from suite.training.trial import Outcome

#: a trial of a study: replicate, purpose, number
_Place = tuple[Any, ...]


class WatchedStudy:
    """What a view shows of a study that another process runs. Reads files, and writes none."""

    damage = None

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        #: why it stopped, or why it cannot run, once it is known
        self.stopped: StudyStopped | None = None
        self.path = plan.result_path()[0]
        self._scores: list[float] = []
        self._seen: set[_Place] = set()
        self._hyperparameters: dict[_Place, Any] = {}
        self._journal_state: tuple[int, int] | None = None
        self._progress = Tail(progress_file(plan))
        for place, run in self._unseen():  # what there is before this process looks is no news
            self._count(place, run)
        self.resumed = self.done

    @property
    def trials(self) -> int:
        """Trials of the whole study."""
        return self.plan.trials

    @property
    def done(self) -> int:
        """Trials that have ended, with any status."""
        return len(self._seen)

    @property
    def best_score(self) -> float | None:
        """The best validation score among the tuning trials so far."""
        scores = list(self._scores)  # the live view asks from another thread
        if not scores:
            return None
        return scores[best(scores, self.plan.task.score.higher_is_better)]

    def news(self) -> Iterator[Event]:
        """What happened to its trials since the last call; a finished one is counted with it."""
        ended = self._unseen()
        for said in self._progress.lines():
            if "stopped" in said or "error" in said:
                self.stopped = StudyStopped(str(said.get("stopped") or said["error"]))
                continue
            place = tuple(said.get("started") or said.get("reported") or ())
            job = self._job(place)
            if job is None or place in self._seen:
                continue
            if "started" in said:
                yield Started(job)
            else:
                yield Reported(job, float(said["progress"]), float(said["metric"]))
        for place, run in ended:
            self._count(place, run)
            job = self._job(place)
            if job is not None:
                yield Ended(job, Outcome(run, None))

    def _unseen(self) -> list[tuple[_Place, Run]]:
        """Trials that the journal has finished since the last call."""
        path = self.plan.journal
        try:
            found = path.stat()
        except OSError:  # no trial has been planned yet
            return []
        state = found.st_size, found.st_mtime_ns
        if state == self._journal_state:
            return []
        self._journal_state = state
        unseen = {}
        for entry in read_entries(path):
            if "planned" in entry:
                self._hyperparameters[tuple(entry["planned"])] = entry["hyperparameters"]
            place = tuple(entry.get("finished", ()))
            if place and place not in self._seen:
                unseen[place] = Run.model_validate(entry["run"])
        return list(unseen.items())

    def _count(self, place: _Place, run: Run) -> None:
        self._seen.add(place)
        if place[1] == "tuning":
            self._scores.append(run.validation_score)

    def _job(self, place: _Place) -> Job | None:
        """The trial at a place, if it is known to be planned."""
        flat = self._hyperparameters.get(place)
        if flat is None:
            return None
        replicate, purpose, number = place
        trial = self.plan.trial(replicate, purpose, number, self.plan.method.nested(flat))
        return Job(self.plan.identity, trial, self.plan.task, self.plan.task.time_limit)


class Tail:
    """The lines of JSON that another process appends to a file, or begins anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines since the last call."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._read:  # begun anew
                    self._read = 0
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
        except OSError:
            return
        self._read += len(whole) + len(end)
        for line in whole.splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                yield said
