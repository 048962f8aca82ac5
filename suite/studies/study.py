"""Studies: tuning and evaluation of one method on one task, from the plan to the result file."""

from __future__ import annotations

from pathlib import Path

from suite.disk import naming_full
from suite.errors import NotApplicable, StudyStopped, SuiteError
from suite.execution.executor import NOT_COUNTED, Job
from suite.results import environment
from suite.results import files as results
from suite.results.model import DataRecord, EnvironmentRecord, Replicate, Result, Run
from suite.studies.plan import Plan
from suite.studies.replicate import RunningReplicate
from suite.studies.storage import StudyStorage
from suite.studies.tuning import best
from suite.training.reasons import Frame, frames_of
from suite.training.trial import Outcome


class Study:
    """The state of one study: gives out trials, takes outcomes, and ends in a result file.

    Without `keep_going` it stops if its first trial, with the defaults, ends in an error of the
    method's code: most probably all trials would, and a result of nothing else is of no use. Such a
    trial is not kept, since its reason may be elsewhere, as a missing package.

    `here` is where its trials run: without, this machine. A study that is resumed on another kind
    of machine stops, too: one result, one kind.

    Raises UsageError if the file's folder cannot be written to.
    """

    def __init__(
        self,
        plan: Plan,
        storage: StudyStorage,
        path: Path,
        *,
        keep_going: bool = True,
        here: EnvironmentRecord | None = None,
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
        here = here or environment.record(plan.device, plan.packages)
        # For later estimates: a trial elsewhere says nothing about one here.
        storage.keep("settings", {"device": plan.device, "threads": plan.threads})
        self._replicates = [
            RunningReplicate(number, plan, storage) for number in range(plan.rules.replicates)
        ]
        self.resumed = self.done
        # The environment of the first trial: a study that ends on another machine, or begins
        # there without a trial, did not all run there.
        kept = storage.keep("environment", here.model_dump(mode="json"), anew=not self.resumed)
        self._environment = EnvironmentRecord.model_validate(kept)
        #: which lines were damaged and moved away, in words
        self.damage = storage.damage
        if self.done < self.trials:
            self._stop_on_another_kind(here)
        first = self._replicates[0].first
        if first is not None and self.stopped is None:  # kept by a run with --keep-going
            self._stop_for(first)
        if self.stopped is None:
            for replicate in self._replicates:
                replicate.advance()
            self._conclude_if_whole()

    @property
    def trials(self) -> int:
        """Trials of the whole study: tuning and evaluation of all replicates."""
        return self.plan.trials

    @property
    def done(self) -> int:
        """Trials that have ended, with any status."""
        return sum(replicate.done for replicate in self._replicates)

    @property
    def best_score(self) -> float | None:
        """The best validation score among the tuning trials so far."""
        scores = [score for replicate in self._replicates for score in replicate.scores]
        if not scores:
            return None
        return scores[best(scores, self.plan.task.score.higher_is_better)]

    def next_job(self) -> Job | None:
        """A trial that can run now, or None while others must finish first."""
        if self.stopped is not None:
            return None
        return next(filter(None, (replicate.next_job() for replicate in self._replicates)), None)

    def take(self, job: Job, outcome: Outcome, seconds: float | None = None) -> None:
        """Keep a finished trial and prepare the trials that can follow; or stop.

        `seconds` is what it took here, with all that surrounds a trial.
        """
        if job.trial.series == (0, "tuning") and outcome.run.number == 0:
            self._stop_for(outcome.run)
        if self.stopped is None:
            self._replicates[job.trial.replicate].take(job, outcome, seconds)
            self._conclude_if_whole()

    def _stop_for(self, first: Run) -> None:
        """Stop if the first trial ended in an error, unless the others are wanted all the same."""
        if not self._keep_going and _raised(first):
            self.stopped = StudyStopped(_why_stopped(self.plan, first))

    def _stop_on_another_kind(self, here: EnvironmentRecord) -> None:
        """Stop if the trials that have ended ran on another kind of machine than this one."""
        found = environment.differences(self._environment, here)
        if found:
            changes = "; ".join(f"{name}: {was}, now {now}" for name, was, now in found)
            self.stopped = StudyStopped(
                f"{self.plan.name} stopped: {self.done} of its {self.trials} trials ran on another "
                f"kind of machine, and a result is of one kind. {changes}.\n"
                "Run the same command on a machine of that kind (--slurm constraint=... chooses "
                f"one), or restart the study: with --force or, for an element, once you have "
                f"moved {self.plan.journal} away."
            )

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

    def _conclude_if_whole(self) -> None:
        """Write the result once every replicate has ended."""
        ended = [replicate.record for replicate in self._replicates if replicate.record]
        if len(ended) == len(self._replicates):
            self.result = self._conclude(ended)
            self._write(self.result)

    def _conclude(self, replicates: list[Replicate]) -> Result:
        plan = self.plan
        return results.seal(
            {
                "task": plan.task_record(),
                "method": plan.method_record(),
                "protocol": plan.protocol_record(),
                "device": plan.device,
                "threads": plan.threads,
                "data": _one_data([d for replicate in self._replicates for d in replicate.data]),
                "replicates": replicates,
                "environment": self._environment.model_copy(
                    update={"finished": self._storage.last_end()}
                ),
                "authors": list(plan.authors),
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
