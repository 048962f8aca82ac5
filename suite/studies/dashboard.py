"""A copy of a study's trials for `optuna-dashboard`: an Optuna journal, made from our journal.

Nothing is read back from it. It is written again when a study is resumed, so that damage to it has
no consequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from suite.problems.score import Direction
from suite.training.trial import Series


class DashboardCopy:
    """An Optuna study for each series of trials: `tuning 0`, `evaluation 0`, `tuning 1`, ..."""

    def __init__(
        self, path: Path, direction: Direction, space: Mapping[str, BaseDistribution]
    ) -> None:
        self._direction = direction
        self._space = dict(space)
        for old in (path, Path(f"{path}.lock")):
            old.unlink(missing_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = JournalStorage(JournalFileBackend(str(path)))
        self._studies: dict[Series, optuna.Study] = {}

    def plan(self, series: Series, number: int, flat: Mapping[str, Any]) -> None:
        """Show a trial as running, unless one of its number is there."""
        if series not in self._studies:
            replicate, purpose = series
            self._studies[series] = optuna.create_study(
                study_name=f"{purpose} {replicate}",
                storage=self._storage,
                direction=self._direction,
            )
        study = self._studies[series]
        if len(study.get_trials(deepcopy=False)) == number:
            study.add_trial(
                create_trial(state=TrialState.RUNNING, params=dict(flat), distributions=self._space)
            )

    def finish(self, series: Series, number: int, score: float) -> None:
        """Show a trial's score."""
        with suppress(KeyError, ValueError):  # it was never shown: an earlier one is missing
            self._studies[series].tell(number, score, skip_if_finished=True)
