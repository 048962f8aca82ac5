"""The training loop: one trial, from its seeds to its `Run`.

One method, one set of hyperparameters, one seed. The loop controls batches, budget and evaluation;
the method controls everything between two batches, and sees only the model, the batch and its
progress.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from suite.components import registry
from suite.data.split import Split
from suite.diagnostics.record import Probed
from suite.diagnostics.snapshots import Snapshots
from suite.errors import MissingData
from suite.problems.streams import TaskStream
from suite.problems.task import Task
from suite.results.model import AuditRecord, Cost, DataRecord, Run, Status
from suite.training import setup
from suite.training.audit import Undercharged, audited_factor
from suite.training.batch_source import Batch, BatchSource
from suite.training.clock import Clock
from suite.training.evaluator import Averages, Evaluator, modules_of, switch_optimizer
from suite.training.measured_time import Measuring
from suite.training.memory import peak_memory_bytes, reset_peak_memory, state_bytes
from suite.training.meter import TOLERANCE, BudgetSpent, Ledger, TrialEnds, meter, unmeter
from suite.training.objective import Objective
from suite.training.reasons import reason_of, trace_of
from suite.training.recorder import Diverged, Recorder, rounded
from suite.training.steps import Steps
from suite.training.trial import Outcome, Trial

Report = Callable[[float, float], None]
#: metrics by split
Metrics = dict[str, dict[str, float]]


def run_trial(
    trial: Trial,
    report: Report = lambda progress, metric: None,
    audit: AuditRecord | None = None,
) -> Outcome:
    """Run one trial to its end and return its record, whatever happens in the method.

    `report(progress, metric)` is called after every evaluation; `audit` is the method's operation
    count (`suite.training.audit`). Only errors that the user can fix (missing data, a component
    file that cannot be loaded or was edited meanwhile) are raised.
    """
    task = setup.load(trial)
    reset_peak_memory(trial.device)
    session = _Session(trial, task, report, audit)
    status: Status = "completed"
    reason, trace = None, None
    try:
        session.run()
    except MissingData as error:
        if session.data is None:
            raise
        # Raised by the method: it must not end other studies.
        status, reason, trace = "failed", reason_of(error), trace_of(error)
    except Diverged as error:
        status, reason = "diverged", str(error)
    except Undercharged as error:
        status, reason = "undercharged", str(error)
    except TrialEnds as error:
        status, reason = "failed", str(error)
    except KeyboardInterrupt:
        status, reason = "interrupted", "KeyboardInterrupt was raised inside the trial"
    except Exception as error:
        status = "out_of_memory" if _is_out_of_memory(error) else "failed"
        reason, trace = reason_of(error), trace_of(error)
    run = session.record(status, reason, trace)
    return Outcome(run, session.data, session.probed(run) if trial.probes else None)


class _Session:
    """The state of one trial."""

    def __init__(self, trial: Trial, task: Task, report: Report, audit: AuditRecord | None) -> None:
        self._trial = trial
        self._task = task
        self._audit = audit
        self.data: DataRecord | None = None
        self._budget = task.budget_under(trial.budget_fraction)
        self._ledger = Ledger(self._budget)
        self._clock = Clock(trial.device)
        self._measuring = Measuring(self._clock, self._ledger)
        self._recorder = Recorder(task, trial.splits, self._budget, report, trial.stop_at)
        #: evaluations after the first step, at equal distances over the budget
        self._evaluations = max(1, round(task.evaluations * self._budget / task.budget))
        self._interval = self._budget / self._evaluations
        self._count = 0
        self._losses: list[float] = []
        self._unread: list[Tensor | float] = []
        self._calibration: float | None = None
        self._state_bytes: int | None = None
        #: an evaluation between two points, which counts if no later step ends within the budget
        self._last: tuple[float, float, float | None, Metrics] | None = None
        #: cost so far when the model was last measured, and the method's part in its cost
        self._measured_at = -1.0
        #: cost at the last point on the curve
        self._recorded_at = 0.0
        self._evaluation_cost = 0.0
        #: copies for diagnostics, which look at them after the run; None if there are none
        self._snapshots: Snapshots | None = None
        if trial.probes:
            self._snapshots = Snapshots(
                trial.probe_points, self._evaluations, self._interval, task.batch_size
            )

    def run(self) -> None:
        """The whole trial; raises the error that ends it early."""
        factor = audited_factor(self._trial, self._audit)
        data = setup.load_data(self._trial, self._task)
        self.data = data.record
        model = setup.make_model(self._trial, self._task, data.train)
        self._train_data, self._hooks = data.train, model.hooks
        self._streams = isinstance(model.batches, TaskStream)
        self._calibration = model.calibration
        self._model = model.module
        growth = setup.Growth(self._trial, self._task, model, data.train)
        self._parts = setup.build_method(self._trial, self._task, model, data.train)
        self._ledger.factor = factor * growth.ratio()
        meter(self._model, self._ledger)
        source = self._source = self._make_source(model)
        try:
            self._make_objective(model, data)
            self._train()
        finally:
            # Without reference cycles the model's memory is free when the session is, and not
            # when Python's garbage collector next runs.
            source.close()
            unmeter(self._model)

    def _make_source(self, model: setup.Model) -> BatchSource:
        online = self._task.problem.online
        return BatchSource(
            model.batches,
            self._ledger,
            before_draw=self._before_draw,
            changing=self._tell_of_change,
            drawn=self._drawn if online or self._watched_stream else None,
        )

    def _make_objective(self, model: setup.Model, data: setup.Data) -> None:
        problem, parts = self._task.problem, self._parts
        self._objective = Objective(
            self._model,
            problem.criterion,
            self._source.key,
            self._ledger,
            parts.regularizers,
            gradient_delay=problem.gradient_delay,
            restrict=problem.restrict,
            create_graph=parts.create_graph,
        )
        self._trained = {id(parameter) for parameter in self._objective.parameters}
        self._steps = Steps(self._model, parts, self._objective)
        self._evaluator = Evaluator(
            problem,
            self._model,
            parts.optimizer,
            parts.regularizers,
            data.held_out,
            self._measuring,
            model.hooks,
            Averages(self._steps, self._source),
        )
        if self._snapshots is not None:
            self._snapshots.begin(self._model, parts.optimizer, stream=self._streams)
        self._constrained = problem.overrides("constrain")
        self._follows_losses = problem.overrides("training_metrics")

    # -- training ---------------------------------------------------------------------------------

    def _train(self) -> None:
        """Steps until the budget is spent or the score is settled, then the end of the curve."""
        switch_optimizer(self._parts.optimizer, training=True)
        self._clock.start()
        try:
            if not self._task.problem.online:
                self._record()
            self._make_steps()
            if self._trial.stop_at >= 1:  # the batches of a run that is stopped are not all drawn
                self._source.finish()
            self._end_curve()
        finally:
            self._clock.stop()
            self._state_bytes = state_bytes(self._parts.optimizer)

    def _make_steps(self) -> None:
        """Steps until one is the last, or is cut off because it exceeds the budget."""
        try:
            self._steps.start()
            while self._step():
                pass
        except (TrialEnds, Exception):
            # What a method raises after it was cut off says nothing about the method.
            ended = self._ledger.ended
            if ended is None:
                raise
            if not isinstance(ended, BudgetSpent):
                raise ended from None
        if not self._count:
            raise RuntimeError(
                "the first step asked for more than the whole budget of "
                f"{self._budget / self._task.batch_size:.4g} gradient evaluations. A step may call "
                "the closure several times, and each call is charged: limit them, as torch's LBFGS "
                "does with max_iter=4"
            )

    def _step(self) -> bool:
        """One step of the method; return whether another one may follow."""
        ledger = self._ledger
        before = ledger.spent
        if self._snapshots is not None:
            with self._measuring:
                self._snapshots.step_begins(before, self._count)
        self._steps.take(before / self._budget)
        if ledger.ended is not None:  # the method caught it
            raise ledger.ended
        if self._constrained:
            with torch.no_grad():
                self._task.problem.constrain(self._model)
        self._steps.take_average()
        if self._follows_losses:
            self._unread.append(self._objective.last_loss)
        self._count += 1
        cost = ledger.spent - before
        if cost <= 0:
            raise RuntimeError(
                "a step asked neither for the loss nor for its gradient: the optimizer's step must "
                "call the closure that it is given. If it is a library's that expects gradients "
                "instead, register it with gradient_first=True"
            )
        if self._snapshots is not None:
            self._snapshots.last_cost = cost
        return self._measure_step(cost)

    def _measure_step(self, cost: float) -> bool:
        """Evaluate after a step if a point is due; return whether another step may follow."""
        problem, ledger, budget = self._task.problem, self._ledger, self._budget
        if problem.measures_plasticity:
            with self._measuring:
                self._evaluator.measure_again()
        if not problem.online:
            if self._due():
                self._record()
            elif ledger.spent + cost + self._evaluation_cost > budget * (1 + TOLERANCE):
                # A step like this one does not fit any more: this may be the last model to measure.
                measurement = self._measurement()
                self._last = (ledger.spent, *measurement)
                self._snap(kept=True)
        # A rest of the budget that is too small for any use counts as no rest.
        return ledger.spent < budget * (1 - TOLERANCE) and not self._recorder.settled

    def _before_draw(self) -> None:
        """Apply the effects of a new batch on the rest of the trial, at any place in a step."""
        spent = self._ledger.spent
        progress = spent / self._budget
        for regularizer in self._parts.regularizers:
            regularizer.progress = progress
        problem = self._task.problem
        if problem.online:
            if self._evaluator.pending and self._due():
                self._record()
            elif self._evaluator.pending and problem.every_step:
                with self._measuring:
                    self._evaluator.observe(progress)
        elif problem.every_step and spent > self._measured_at:
            self._evaluator.observe(progress)
            self._measured_at = spent

    def _tell_of_change(self, task: int) -> None:
        if self._task.problem.boundaries_known:
            self._steps.change_task(task)

    @property
    def _watched_stream(self) -> bool:
        return self._snapshots is not None and self._streams

    def _drawn(self, batch: Batch) -> None:
        """Before a method gets a new batch: it may write into it."""
        if self._snapshots is not None and self._streams:
            with self._measuring:
                self._snapshots.drawn(batch)
        if self._task.problem.online:
            self._measure_batch(batch)

    def _measure_batch(self, batch: Batch) -> None:
        """Measure a new batch of an online task; the first of all shows the untrained model."""
        progress = self._ledger.spent / self._budget
        self._evaluator.measure_batch(Split(*batch), progress)
        if not self._recorder.points:
            metrics = self._with_training_metrics(self._evaluator.untrained())
            self._recorder.add(0.0, self._clock.training, None, metrics)
            self._snap()

    # -- the curve --------------------------------------------------------------------------------

    def _due(self) -> int:
        """How many evaluation points the budget has reached that are not on the curve."""
        spent, points = self._ledger.spent * (1 + TOLERANCE), self._recorder.points
        if spent < points * self._interval:
            return 0
        return min(int(spent / self._interval), self._evaluations) - (points - 1)

    def _record(self) -> None:
        """Evaluate, and put the point on the curve; skipped points have the values before."""
        measurement = self._measurement()
        if not self._recorder.points:
            self._add(0.0, *measurement)
        else:
            self._fill(self._due() - 1)
            self._add(self._ledger.spent, *measurement)
        self._snap()

    def _snap(self, *, kept: bool = False) -> None:
        """A snapshot for diagnostics, if one is wanted here: of the last point, or `kept`."""
        if self._snapshots is None:
            return
        point = self._recorder.points - (0 if kept else 1)
        with self._measuring:
            if kept:
                self._snapshots.keep(point, self._ledger.spent, self._budget, self._count)
            else:
                settled = self._recorder.settled
                spent = self._ledger.spent if point else 0.0
                self._snapshots.take(point, spent, self._budget, self._count, last=settled)

    def _add(self, spent: float, seconds: float, loss: float | None, metrics: Metrics) -> None:
        self._recorder.add(spent, seconds, loss, metrics)
        self._recorded_at = spent
        self._last = None

    def _fill(self, count: int) -> None:
        for _ in range(count):
            self._recorder.repeat(self._recorder.points * self._interval, self._clock.training)

    def _end_curve(self) -> None:
        """All points of the budget are on the curve, unless the score is settled."""
        if self._recorder.settled:
            return
        missing = self._evaluations - (self._recorder.points - 1)
        if missing and self._task.problem.online:
            # A method's part in it may cost more than is left: then the batches do not count.
            with suppress(TrialEnds):
                self._record_rest()
        elif missing and self._last is not None:
            self._add(*self._last)
            if self._snapshots is not None:
                self._snapshots.use_kept()
        self._fill(self._evaluations - (self._recorder.points - 1))

    def _record_rest(self) -> None:
        """The batches of an online task since the last point, if they cost anything."""
        if self._evaluator.pending and self._ledger.spent > self._recorded_at:
            self._record()

    def _measurement(self) -> tuple[float, float | None, Metrics]:
        """Training seconds, training loss and metrics as of now."""
        spent, ended = self._ledger.spent, self._ledger.ended
        self._evaluator.observe(spent / self._budget)
        self._measured_at = self._ledger.spent
        self._evaluation_cost = self._ledger.spent - spent
        if self._ledger.ended is not None and ended is None:
            raise self._ledger.ended
        self._refuse_lost_parameters()
        with self._measuring:
            loss = float(self._objective.last_loss) if self._count else None
            metrics = self._with_training_metrics(self._evaluator.latest())
        return self._clock.training, loss, metrics

    def _with_training_metrics(self, metrics: Metrics) -> Metrics:
        if not self._follows_losses:
            return metrics
        found = self._task.problem.training_metrics(self._read_losses(), self._ledger.spent)
        return {split: {**values, **found} for split, values in metrics.items()}

    def _read_losses(self) -> list[float]:
        """The loss of every step; read all at once, since single reads would stall a GPU."""
        unread = [torch.as_tensor(loss, device=self._trial.device) for loss in self._unread]
        self._losses += torch.stack(unread).tolist() if unread else []
        self._unread.clear()
        return self._losses

    # -- errors that must not stay unnoticed ------------------------------------------------------

    def _refuse_lost_parameters(self) -> None:
        """A parameter that was replaced after the optimizer was built would not be trained."""
        known = self._trained
        here = (m._parameters.values() for m in modules_of(self._model))
        if known == {id(p) for some in here for p in some if p is not None}:
            return
        there = dict(self._model.named_parameters())
        new = [name for name, p in there.items() if p.requires_grad and id(p) not in known]
        if new or known - {id(p) for p in there.values()}:
            what = f"the parameter '{new[0]}'" if new else "a parameter"
            raise RuntimeError(
                f"{what} of the model was replaced, added or removed after the optimizer was "
                "built, so that it would not be trained. Change the model in 'attach', and values "
                "in place"
            )

    def record(self, status: Status, reason: str | None, trace: str | None) -> Run:
        """The trial as it goes into the result."""
        trial, recorder = self._trial, self._recorder
        completed = status == "completed"
        reported = trial.splits[-1]
        reached, seconds = recorder.reached(reported)
        return Run(
            number=trial.number,
            seed=trial.seed,
            hyperparameters=trial.hyperparameters,
            status=status,
            reason=reason,
            traceback=trace,
            validation_score=recorder.score("validation", completed),
            test_score=recorder.score("test", completed) if reported == "test" else None,
            time_to_target=reached,
            seconds_to_target=seconds,
            curve=recorder.curve(),
            cost=self._cost(),
        )

    def probed(self, run: Run) -> Probed | None:
        """What the diagnostics find in the snapshots of the finished run; None if it failed."""
        if self._snapshots is None or run.status not in ("completed", "diverged"):
            return None
        from suite.diagnostics.measuring import Ground, measure  # a run without any has no use

        ground = Ground(
            self._task,
            self._model,
            self._hooks,
            self._train_data,
            self._trial.seed,
            self._trial.device,
            self._streams,
        )
        diagnostics = [registry.get("diagnostic", name) for name in self._trial.probes]
        points = len(run.curve.gradient_evaluations)
        found = measure(diagnostics, self._snapshots.taken, points, ground)
        return replace(found, snapshot_seconds=rounded(self._snapshots.seconds))

    def _cost(self) -> Cost:
        spent, audit = self._ledger.spent, self._audit
        return Cost(
            examples=round(spent, 3),
            gradient_evaluations=round(spent / self._task.batch_size, 3),
            steps=self._count,
            seconds=rounded(self._clock.training),
            evaluation_seconds=rounded(self._clock.evaluation),
            peak_memory_bytes=peak_memory_bytes(self._trial.device),
            cost_factor=rounded(self._ledger.factor),
            audit=audit,
            operations=None
            if audit is None
            else rounded(spent * audit.example * (audit.slope or 0)),
            optimizer_state_bytes=self._state_bytes,
            stored_examples=self._ledger.stored_examples,
            step_cost=self._step_cost(),
        )

    def _step_cost(self) -> float | None:
        """A step's busy seconds relative to those of a bare AdamW step; None if there was none."""
        if self._calibration is None or not self._count:
            return None
        return rounded(self._clock.busy / self._count / self._calibration)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
