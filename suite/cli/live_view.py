"""What the user sees while studies run: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import statistics
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from suite.execution.executor import Ended, Event, Reported, Started
from suite.studies.estimate import Estimate
from suite.studies.plan import Plan
from suite.studies.run_studies import Shown
from suite.training.trial import Key
from suite.words import duration, in_words

if TYPE_CHECKING:
    from rich.table import Table


#: the share of a trial after which its time so far says something about the rest
_UNDER_WAY = 0.25
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-~=+*#"


def sparkline(values: list[float], width: int = 24) -> str:
    """A curve in one line of block characters, at most `width` of them."""
    if not values:
        return ""
    step = max(1.0, len(values) / width)
    picked = [values[min(len(values) - 1, int(i * step))] for i in range(min(width, len(values)))]
    low, high = min(picked), max(picked)
    span = high - low or 1.0
    bars = _BARS if _shows(_BARS) else _PLAIN_BARS
    return "".join(bars[round((value - low) / span * (len(bars) - 1))] for value in picked)


def _shows(text: str) -> bool:
    """Whether the terminal's encoding has these characters; ASCII has not."""
    try:
        # Not `sys.stderr`: rich replaces it by an object without an encoding.
        text.encode(getattr(sys.__stderr__, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


@dataclass
class _Watched:
    """The state of a running study. The thread that redraws the live view reads it, too."""

    study: Shown
    estimate: Estimate
    progress: dict[Key, float] = field(default_factory=dict)
    curves: dict[Key, list[float]] = field(default_factory=dict)
    started: dict[Key, float] = field(default_factory=dict)
    #: what each trial took that ended since the view began
    took: list[float] = field(default_factory=list)

    def note(self, event: Event, now: float) -> None:
        key = event.job.key
        if isinstance(event, Started):
            self.started[key] = now
        elif isinstance(event, Reported):
            self.progress[key] = event.progress
            self.curves.setdefault(key, []).append(event.metric)
        else:
            self.progress.pop(key, None)
            self.curves.pop(key, None)
            began = self.started.pop(key, None)
            if began is not None:
                self.took.append(now - began)

    @property
    def trials_left(self) -> float:
        """Trials that have not ended, without the finished parts of those that run."""
        return self.study.trials - self.study.done - sum(list(self.progress.values()))

    def projected(self, now: float) -> list[float]:
        """What the trials that run will have taken, for those that are well under way."""
        return [
            (now - self.started[key]) / progress
            for key, progress in list(self.progress.items())
            if progress > _UNDER_WAY and key in self.started
        ]


class _View(AbstractContextManager["_View"]):
    """Counts studies and trials; the two classes below show them."""

    def __init__(
        self, plans: Sequence[Plan], estimates: Mapping[str, Estimate], beside: int = 1
    ) -> None:
        #: how many studies run beside one another, each on cores of its own
        self._beside = max(1, beside)
        self._studies = len(plans)
        self._closed = 0
        self._watched: dict[str, _Watched] = {}
        self._estimates = dict(estimates)
        #: what trials of closed studies took, and what they should have taken
        self._took = self._should = 0.0
        self._waiting = {plan.identity: estimates[plan.identity].seconds for plan in plans}

    def __exit__(self, *error: object) -> None:
        """Nothing to clean up."""

    def opened(self, study: Shown) -> None:
        """A study begins or resumes."""
        identity = study.plan.identity
        self._waiting.pop(identity, None)
        self._watched[identity] = _Watched(study, self._estimates[identity])
        if study.damage:
            self._say(f"{study.plan.name}: {study.damage}")
        if study.resumed:
            self._say(
                f"{study.plan.name}: resumes, {study.resumed} of {study.trials} trials are kept"
            )

    def event(self, study: Shown, event: Event) -> None:
        """Something happened to one of its trials."""
        self._watched[event.job.study].note(event, time.monotonic())
        if isinstance(event, Ended) and study.stopped is None:
            run, (replicate, purpose) = event.outcome.run, event.job.trial.series
            score = run.validation_score if purpose == "tuning" else run.test_score
            said = (
                f"score {score:g}" if run.status == "completed" else f"{run.status}: {run.reason}"
            )
            tried = in_words(run.hyperparameters)
            of = f"replicate {replicate} " if study.plan.rules.replicates > 1 else ""
            self._say(
                f"[{study.done}/{study.trials}] {study.plan.name}: {of}{purpose} {run.number}, "
                f"{said} ({run.cost.seconds:.1f} s{f'; {tried}' if tried else ''})"
            )

    def closed(self, study: Shown) -> None:
        """Its result is written, or it has stopped."""
        watched = self._watched.pop(study.plan.identity)
        self._closed += 1
        self._took += sum(watched.took)
        self._should += len(watched.took) * watched.estimate.trial
        if study.stopped is None:
            self._say(f"{study.plan.name}: wrote {study.path}")
        else:
            self._say(f"{study.plan.name}: stopped after its first trial")

    def time_left(self) -> float:
        """Seconds until all studies end: the estimate, corrected by what trials took so far.

        A study is corrected by its own trials; one that has none yet, by all trials together.
        """
        now = time.monotonic()
        watched = list(self._watched.values())
        took, should = self._took, self._should
        for each in watched:
            took += sum(each.took)
            should += len(each.took) * each.estimate.trial
        overall = took / should if should else 1.0
        lefts = [overall * seconds for seconds in list(self._waiting.values())]
        for each in watched:
            # Trials beside one another: the same share of the study for each of them.
            share = each.estimate.rounds / each.study.trials
            known = list(each.took) or each.projected(now)
            trial = statistics.fmean(known) if known else overall * each.estimate.trial
            lefts.append(each.trials_left * share * trial)
        if self._beside == 1:
            return sum(lefts)
        return max(max(lefts, default=0.0), sum(lefts) / self._beside)

    @abstractmethod
    def _say(self, line: str) -> None:
        """Show one line permanently."""


class PlainView(_View):
    """One line per event, for logs and pipes."""

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class LiveView(_View):
    """A table that redraws itself: trial i of n, best so far, curves, time left."""

    def __init__(
        self, plans: Sequence[Plan], estimates: Mapping[str, Estimate], beside: int = 1
    ) -> None:
        super().__init__(plans, estimates, beside)
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
        studies = f"{self._closed} of {self._studies} studies done"
        table.add_row(studies, f"{duration(self.time_left())} left")
        return table


def make_view(
    plans: Sequence[Plan], estimates: Mapping[str, Estimate], *, beside: int = 1
) -> _View:
    """The live view on a terminal, plain lines otherwise.

    `plans` are the studies that will run; `estimates` says what each should take by its identity,
    and `beside` how many run on cores of their own.
    """
    shown = LiveView if sys.stderr.isatty() else PlainView
    return shown(plans, estimates, beside)
