"""Study storage: every finished trial, in an Optuna journal file, safe against any kill.

One journal holds two Optuna studies: `tuning` and `evaluation`. A trial is written when it is
planned (state RUNNING, in trial order) and again when it has finished, with the whole `Run` among
its attributes. Only one process at a time may work on a study. `optuna-dashboard` opens the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from suite.errors import UsageError
from suite.problems.score import Direction
from suite.results import environment
from suite.results.model import DataRecord, Run
from suite.training.trial import Outcome

_OUTCOME = "outcome"


class StudyStorage:
    """The trials of one study on disk. Use as a context manager: it owns the file meanwhile."""

    def __init__(self, path: Path, direction: Direction) -> None:
        self.path = path
        self._direction = direction
        self._studies: dict[str, optuna.Study] = {}

    def __enter__(self) -> StudyStorage:
        self._owner = _own(self.path)
        try:
            self._mend()
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            storage = JournalStorage(JournalFileBackend(str(self.path)))
            for name in ("tuning", "evaluation"):
                self._studies[name] = optuna.create_study(
                    study_name=name,
                    storage=storage,
                    direction=self._direction,
                    load_if_exists=True,
                )
        except BaseException:
            self._owner.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._owner.release()

    def planned(self, purpose: str) -> list[dict[str, Any]]:
        """The flat hyperparameters of every trial planned so far, in trial order."""
        return [trial.params for trial in self._studies[purpose].get_trials(deepcopy=False)]

    def plan(
        self, purpose: str, flat: dict[str, Any], space: Mapping[str, BaseDistribution]
    ) -> None:
        """Add the next trial, unfinished: one atomic line of the journal."""
        self._studies[purpose].add_trial(
            create_trial(state=TrialState.RUNNING, params=flat, distributions=dict(space))
        )

    def finished(self, purpose: str) -> dict[int, Outcome]:
        """The outcome of every finished trial by its number."""
        outcomes = {}
        for trial in self._studies[purpose].get_trials(deepcopy=False):
            if _OUTCOME in trial.user_attrs:
                content = json.loads(trial.user_attrs[_OUTCOME])
                data = content["data"]
                outcomes[trial.number] = Outcome(
                    Run.model_validate(content["run"]),
                    None if data is None else DataRecord.model_validate(data),
                )
        return outcomes

    def finish(self, purpose: str, outcome: Outcome, score: float) -> None:
        """Keep a finished trial, whatever its status; `score` is what Optuna is told."""
        run, data = outcome.run, outcome.data
        content = {
            "run": run.model_dump(mode="json"),
            "data": None if data is None else data.model_dump(mode="json"),
            "ended": environment.now(),
        }
        study = self._studies[purpose]
        trial = study.get_trials(deepcopy=False)[run.number]
        # The outcome first: a trial that has it is finished, even if a kill comes in between.
        study._storage.set_trial_user_attr(trial._trial_id, _OUTCOME, json.dumps(content))
        study.tell(run.number, score, skip_if_finished=True)

    def last_end(self) -> str:
        """When the last of the finished trials ended: UTC, ISO 8601."""
        ends: list[str] = [
            json.loads(trial.user_attrs[_OUTCOME])["ended"]
            for study in self._studies.values()
            for trial in study.get_trials(deepcopy=False)
            if _OUTCOME in trial.user_attrs
        ]
        return max(ends)

    def keep(self, name: str, value: Any) -> Any:
        """What was kept under this name when the study began; `value`, if nothing was."""
        study = self._studies["tuning"]
        if name not in study.user_attrs:
            study.set_user_attr(name, value)
        return study.user_attrs[name]

    def _mend(self) -> None:
        """Undo what a kill can leave: half a line at the end, and Optuna's lock on the file."""
        Path(f"{self.path}.lock").unlink(missing_ok=True)
        if self.path.exists():
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole != len(content):
                with self.path.open("r+b") as file:
                    file.truncate(whole)


def set_aside(path: Path) -> Path | None:
    """Rename a study's journal so that the study starts anew; nothing is deleted.

    Raises UsageError while another process works on the study: its trials would be lost.
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


def _own(path: Path) -> filelock.BaseFileLock:
    """Take the lock on the study of a journal; raises UsageError while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = filelock.FileLock(f"{path}.owner", blocking=False)
    try:
        owner.acquire()
    except filelock.Timeout:
        raise UsageError(
            f"another process is working on this study ({path}). Wait for it, or stop it."
        ) from None
    return owner
