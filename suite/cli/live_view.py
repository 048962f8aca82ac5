"""What the user sees while studies run: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from suite.execution.executor import Ended, Event, Reported
from suite.studies.plan import Plan
from suite.studies.study import Study
from suite.words import duration

if TYPE_CHECKING:
    from rich.table import Table


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: list[float], width: int = 24) -> str:
    """A curve in one line of block characters, at most `width` of them."""
    if not values:
        return ""
    step = max(1.0, len(values) / width)
    picked = [values[min(len(values) - 1, int(i * step))] for i in range(min(width, len(values)))]
    low, high = min(picked), max(picked)
    span = high - low or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in picked)


@dataclass
class _Watched:
    """The state of a running study. The thread that redraws the live view reads it, too."""

    study: Study
    #: what one of its trials should take, in the unit that all studies of a view share
    trial_cost: float
    progress: dict[tuple[str, str, int], float] = field(default_factory=dict)
    curves: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        key = event.job.key
        if isinstance(event, Reported):
            self.progress[key] = event.progress
            self.curves.setdefault(key, []).append(event.metric)
        else:
            self.progress.pop(key, None)
            self.curves.pop(key, None)

    @property
    def trials_done(self) -> float:
        """Trials that have ended plus the finished parts of those that run."""
        return self.study.done + sum(list(self.progress.values()))

    @property
    def trials_made(self) -> float:
        """The same for what ran since the view began."""
        return self.trials_done - self.study.resumed


class _View(AbstractContextManager["_View"]):
    """Counts studies and trials; the two classes below show them."""

    def __init__(self, plans: Sequence[Plan], seconds: Mapping[str, float]) -> None:
        self._studies = len(plans)
        self._closed = 0
        self._watched: dict[str, _Watched] = {}
        self._began = time.monotonic()
        #: study identity to the cost of one of its trials: its share of the estimate, else 1
        self._trial_costs = {
            plan.identity: seconds[plan.identity] / plan.trials if plan.identity in seconds else 1.0
            for plan in plans
        }
        #: trials made in studies that are closed, and what they should have taken
        self._closed_trials = self._closed_cost = 0.0
        #: what the studies that are not opened yet should take
        self._waiting_cost = sum(plan.trials * self._trial_costs[plan.identity] for plan in plans)

    def __exit__(self, *error: object) -> None:
        """Nothing to clean up."""

    def opened(self, study: Study) -> None:
        """A study begins or resumes."""
        watched = _Watched(study, self._trial_costs[study.plan.identity])
        self._waiting_cost -= study.trials * watched.trial_cost
        self._watched[study.plan.identity] = watched
        if study.damage:
            self._say(f"{study.plan.name}: {study.damage}")
        if study.resumed:
            self._say(
                f"{study.plan.name}: resumes, {study.resumed} of {study.trials} trials are kept"
            )

    def event(self, study: Study, event: Event) -> None:
        """Something happened to one of its trials."""
        self._watched[event.job.study].note(event)
        if isinstance(event, Ended):
            run, purpose = event.outcome.run, event.job.trial.purpose
            score = run.validation_score if purpose == "tuning" else run.test_score
            said = (
                f"score {score:g}" if run.status == "completed" else f"{run.status}: {run.reason}"
            )
            self._say(
                f"[{study.done}/{study.trials}] {study.plan.name}: {purpose} {run.number}, {said}"
                f" ({run.cost.seconds:.1f} s)"
            )

    def closed(self, study: Study) -> None:
        """Its result is written."""
        watched = self._watched.pop(study.plan.identity)
        self._closed += 1
        self._closed_trials += watched.trials_made
        self._closed_cost += watched.trials_made * watched.trial_cost
        self._say(f"{study.plan.name}: wrote {study.path}")

    def time_left(self) -> float | None:
        """Seconds until all studies end, computed from the time that the finished part took.

        None until a part is finished.
        """
        watched = list(self._watched.values())
        if self._closed_trials + sum(w.trials_made for w in watched) < 0.2:
            return None
        made = self._closed_cost + sum(w.trials_made * w.trial_cost for w in watched)
        left = self._waiting_cost + sum(
            (w.study.trials - w.trials_done) * w.trial_cost for w in watched
        )
        return left * (time.monotonic() - self._began) / made

    @abstractmethod
    def _say(self, line: str) -> None:
        """Show one line permanently."""


class PlainView(_View):
    """One line per event, for logs and pipes."""

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class LiveView(_View):
    """A table that redraws itself: trial i of n, best so far, curves, time left."""

    def __init__(self, plans: Sequence[Plan], seconds: Mapping[str, float]) -> None:
        super().__init__(plans, seconds)
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(stderr=True), get_renderable=self._table, refresh_per_second=4
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def _say(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False)

    def _table(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for watched in list(self._watched.values()):
            study = watched.study
            best = study.best_score
            table.add_row(
                study.plan.name,
                f"trial {min(study.done + 1, study.trials)} of {study.trials}",
                f"best {best:g}" if best is not None else "",
                "  ".join(sparkline(curve) for curve in list(watched.curves.values())),
            )
        left = self.time_left()
        studies = f"{self._closed} of {self._studies} studies done"
        table.add_row(studies, "" if left is None else f"{duration(left)} left")
        return table


def make_view(plans: Sequence[Plan], seconds: Mapping[str, float] = MappingProxyType({})) -> _View:
    """The live view on a terminal, plain lines otherwise.

    `plans` are the studies that will run; `seconds` is the estimate for each by its identity, which
    distinguishes long studies from short ones in the time left.
    """
    return LiveView(plans, seconds) if sys.stderr.isatty() else PlainView(plans, seconds)
