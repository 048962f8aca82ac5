"""Studies: tuning and evaluation of one method on one task, from the plan to the result file."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from suite.disk import naming_full
from suite.errors import NotApplicable, StudyStopped, SuiteError
from suite.execution.executor import NOT_COUNTED, Job
from suite.results import environment
from suite.results import files as results
from suite.results.model import PURPOSES, DataRecord, EnvironmentRecord, Purpose, Result, Run
from suite.studies.plan import Plan
from suite.studies.storage import StudyStorage
from suite.studies.tuning import best, propose
from suite.training.reasons import Frame, frames_of
from suite.training.trial import Outcome


class Study:
    """The state of one study: gives out trials, takes outcomes, and ends in a result file.

    Without `keep_going` it stops if its first trial, with the defaults, ends in an error of the
    method's code: most probably all trials would, and a result of nothing else is of no use. Such a
    trial is not kept, since its reason may be elsewhere, as a missing package.

    Raises UsageError if the file's folder cannot be written to.
    """

    def __init__(
        self, plan: Plan, storage: StudyStorage, path: Path, *, keep_going: bool = True
    ) -> None:
        self.plan = plan
        #: why it stopped, if it did
        self.stopped: StudyStopped | None = None
        self._keep_going = keep_going
        self.path = path
        self.result: Result | None = None
        # Checked now, not after the first trials have run.
        results.make_folder(path.parent)
        self._storage = storage
        # The environment at the start: a study that ends on another machine did not all run there.
        began = environment.record(plan.device, plan.packages).model_dump(mode="json")
        self._environment = EnvironmentRecord.model_validate(storage.keep("environment", began))
        # For later estimates: a trial elsewhere says nothing about one here.
        storage.keep("settings", {"device": plan.device, "threads": plan.threads})
        self._finished = {purpose: storage.finished(purpose) for purpose in PURPOSES}
        self._batches = self._plan_batches()
        self._ready: deque[Job] = deque()
        self._open = 0
        self.resumed = self.done
        #: which lines were damaged and moved away, in words
        self.damage = storage.damage
        first = self._finished["tuning"].get(0)
        if first is not None:  # kept by a run with --keep-going
            self._stop_for(first.run)
        self._advance()

    @property
    def trials(self) -> int:
        """Trials of the whole study, tuning and evaluation."""
        return self.plan.trials

    @property
    def done(self) -> int:
        """Trials that have ended, with any status."""
        return sum(len(outcomes) for outcomes in self._finished.values())

    @property
    def best_score(self) -> float | None:
        """The best validation score among the tuning trials so far."""
        # The live view asks from another thread: a copy, because trials may end meanwhile.
        tuned = list(self._finished["tuning"].values())
        scores = [outcome.run.validation_score for outcome in tuned]
        if not scores:
            return None
        return scores[best(scores, self.plan.task.score.higher_is_better)]

    def next_job(self) -> Job | None:
        """A trial that can run now, or None while others must finish first."""
        return self._ready.popleft() if self._ready else None

    def take(self, job: Job, outcome: Outcome, seconds: float | None = None) -> None:
        """Keep a finished trial and prepare the trials that can follow; or stop.

        `seconds` is what it took here, with all that surrounds a trial.
        """
        purpose, run = job.trial.purpose, outcome.run
        if purpose == "tuning" and run.number == 0:
            self._stop_for(run)
        if self.stopped is not None:
            self._ready.clear()
            return
        score = run.validation_score if purpose == "tuning" else run.test_score
        assert score is not None
        self._storage.finish(purpose, outcome, score, seconds)
        self._finished[purpose][run.number] = outcome
        self._open -= 1
        self._advance()

    def _advance(self) -> None:
        """Open the next batch of trials once all before it have ended; conclude after the last."""
        while not self._open and self.result is None and self.stopped is None:
            batch = next(self._batches, None)
            if batch is None:
                self.result = self._conclude()
                self._write(self.result)
            else:
                self._ready.extend(batch)
                self._open = len(batch)

    def _stop_for(self, first: Run) -> None:
        """Stop if the first trial ended in an error, unless the others are wanted all the same."""
        if not self._keep_going and _raised(first):
            self.stopped = StudyStopped(_why_stopped(self.plan, first))

    def _write(self, result: Result) -> None:
        """Write the result, under the name that is right for it now.

        A study with another seed, source or device has another journal, so that it may have run
        beside this one, ended first, and taken the name that was free when this study began.
        """
        for last_try in (False, False, True):  # another process may take either name meanwhile
            self.path, there = self.plan.result_path()
            try:
                with naming_full(self.path.parent):
                    results.write(result, self.path, replace=there is not None)
                break
            except FileExistsError:
                if last_try:
                    raise
        self.plan.end()

    def _plan_batches(self) -> Iterator[list[Job]]:
        """The study in batches: generations of tuning trials, then the evaluation."""
        plan, rules, method = self.plan, self.plan.rules, self.plan.method
        space = method.distributions()
        for first in range(0, rules.trials, rules.generation):
            history = [
                (method.flat(run.hyperparameters), run.validation_score)
                for run in self._tuned()[:first]
            ]
            proposed = propose(space, rules, plan.seed, plan.direction, history)
            yield self._plan_trials("tuning", first, proposed)
        chosen = method.flat(self._tuned()[self._choose()].hyperparameters)
        yield self._plan_trials("evaluation", 0, [chosen] * rules.seeds)

    def _plan_trials(
        self, purpose: Purpose, first: int, wanted: Sequence[dict[str, Any]]
    ) -> list[Job]:
        """Record the trials from number `first` on; return those that have not finished.

        An earlier plan is used again if it equals the present one. It differs if an outcome that it
        depended on was lost with a damaged line, and came out differently.
        """
        planned = self._storage.planned(purpose)
        limit = self.plan.time_limit or self.plan.task.time_limit
        jobs = []
        for number, flat in enumerate(wanted, first):
            if number in planned and _equal(planned[number], flat):
                flat = planned[number]
            else:
                self._storage.plan(purpose, number, flat)
                self._finished[purpose].pop(number, None)
            if number not in self._finished[purpose]:
                trial = self.plan.trial(purpose, number, self.plan.method.nested(flat))
                jobs.append(Job(self.plan.identity, trial, self.plan.task, limit))
        return jobs

    def _tuned(self) -> list[Run]:
        """Finished tuning runs, in trial order."""
        return [outcome.run for _, outcome in sorted(self._finished["tuning"].items())]

    def _choose(self) -> int:
        scores = [run.validation_score for run in self._tuned()]
        return best(scores, self.plan.task.score.higher_is_better)

    def _conclude(self) -> Result:
        plan = self.plan
        outcomes = [
            outcome
            for purpose in PURPOSES
            for _, outcome in sorted(self._finished[purpose].items())
        ]
        return results.seal(
            {
                "task": plan.task_record(),
                "method": plan.method_record(),
                "protocol": plan.protocol_record(),
                "device": plan.device,
                "threads": plan.threads,
                "data": _one_data([outcome.data for outcome in outcomes if outcome.data]),
                "replicates": [
                    {
                        "seed": plan.seed,
                        "tuning": [outcome.run for outcome in outcomes[: plan.rules.trials]],
                        "chosen": self._choose(),
                        "evaluation": [outcome.run for outcome in outcomes[plan.rules.trials :]],
                    }
                ],
                "environment": self._environment.model_copy(
                    update={"finished": self._storage.last_end()}
                ),
            }
        )


def _raised(run: Run) -> bool:
    """Whether a trial, or its audit, ended in an error of the method's code: not by divergence."""
    refused = run.reason is not None and run.reason.startswith(NOT_COUNTED)
    return run.status == "failed" and (run.traceback is not None or refused)


def _why_stopped(plan: Plan, run: Run) -> str:
    """The error, and the line of the user's own file that raised it."""
    reason, lines = run.reason or run.status, []
    frame = None if reason.startswith(NotApplicable.__name__) else _own_frame(plan, run)
    if frame is not None:
        file = next(path for path in _files(plan) if path.name == Path(frame.file).name)
        reason = reason.removesuffix(f" (in {file.name}, line {frame.line}, {frame.function})")
        lines.append(f"  {file}, line {frame.line}, in {frame.function}")
        lines += [f"    {frame.text}"] if frame.text else []
    lines.append(f"  {reason}")
    if plan.rules.budget_fraction < 1 and "more than the whole budget" in reason:
        share = f"a {1 / plan.rules.budget_fraction:.0f}th of the budget"
        lines.append(f"  The protocol {plan.rules.name} gives {share}: try --protocol quick.")
    return "\n".join(
        [
            f"{plan.name} stopped: its first trial, with the defaults, failed.",
            *lines,
            "No result is written. Run the same command again once it is mended; --keep-going runs "
            "the other trials all the same.",
        ]
    )


def _own_frame(plan: Plan, run: Run) -> Frame | None:
    """The innermost frame of the method's or task's own files; None if there is none."""
    names = {path.name for path in _files(plan)}
    found = [frame for frame in frames_of(run.traceback or "") if Path(frame.file).name in names]
    return found[-1] if found else None


def _files(plan: Plan) -> list[Path]:
    return [plan.task.path, *(component.path for component in plan.method.components)]


def _one_data(used: list[DataRecord]) -> DataRecord | None:
    """The data that all trials used."""
    if len({data.fingerprint for data in used}) > 1:
        sources = ", ".join(sorted({f"{data.source} ({data.fingerprint})" for data in used}))
        raise SuiteError(f"the data changed while the study ran: {sources}. Run it with --force.")
    return used[0] if used else None


def _equal(planned: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two trials are equal except for the last digits, as on another processor."""
    return planned.keys() == wanted.keys() and all(
        isinstance(value, float) and math.isclose(value, planned[name], rel_tol=1e-9)
        if isinstance(planned[name], float)
        else value == planned[name]
        for name, value in wanted.items()
    )
