"""The training loop: one trial, from its seeds to its `Run`.

One method, one set of hyperparameters, one seed. The loop owns batches, budget and evaluation; the
method owns everything between two batches, and sees only the model, the batch and its progress.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.components import registry
from suite.components.method import Parts, build
from suite.components.regularizer import TaskInfo
from suite.data.split import Split
from suite.errors import MissingData, NotApplicable
from suite.problems.streams import TaskStream
from suite.problems.task import Task
from suite.results.model import AuditRecord, Cost, DataRecord, Run, Status
from suite.training.calibration import calibrate
from suite.training.clock import Clock
from suite.training.evaluator import Evaluator, switch_mode
from suite.training.memory import peak_memory_bytes, reset_peak_memory
from suite.training.meter import Ledger, meter, unmeter
from suite.training.objective import Objective
from suite.training.reasons import reason_of, trace_of
from suite.training.recorder import Diverged, Recorder, rounded
from suite.training.repeatable import make_repeatable, seed_everything
from suite.training.seeds import derive
from suite.training.trial import Outcome, Trial, refuse_changed_sources

Report = Callable[[float, float], None]


def run_trial(
    trial: Trial,
    report: Report = lambda progress, metric: None,
    audit: AuditRecord | None = None,
) -> Outcome:
    """Run one trial to its end and return its record, whatever happens in the method.

    `report(progress, metric)` is called after every evaluation. Only errors that the user can mend
    (missing data, a component file that cannot be loaded or was edited meanwhile) are raised.
    """
    for path in trial.files:
        registry.load_file(path)
    task: Task = registry.get("task", trial.task)
    refuse_changed_sources(trial, task)
    make_repeatable(trial.threads, trial.device)
    reset_peak_memory(trial.device)
    session = _Session(trial, task, report)
    status: Status = "completed"
    reason, trace = None, None
    try:
        session.run()
    except MissingData:
        raise
    except Diverged as error:
        status, reason = "diverged", str(error)
    except KeyboardInterrupt:
        status, reason = "interrupted", "KeyboardInterrupt was raised inside the trial"
    except Exception as error:
        status = "out_of_memory" if _is_out_of_memory(error) else "failed"
        reason, trace = reason_of(error), trace_of(error)
    return Outcome(session.record(status, reason, trace), session.data)


class _Session:
    """The state of one trial."""

    def __init__(self, trial: Trial, task: Task, report: Report) -> None:
        self._trial = trial
        self._task = task
        self.data: DataRecord | None = None
        self._budget = task.budget * trial.budget_fraction
        self._ledger = Ledger(self._budget, slack=4 * task.batch_size)
        self._clock = Clock(trial.device)
        self._aside = _Aside(self._clock, self._ledger)
        self._recorder = Recorder(task, trial.splits, self._budget, report)
        self._steps = 0
        self._losses: list[float] = []
        self._unread: list[Tensor | float] = []
        self._calibration: float | None = None

    def run(self) -> None:
        """The whole trial; raises whatever ends it early."""
        self._prepare()
        meter(self._model, self._ledger)
        try:
            self._build()
            try:
                self._train()
            finally:
                self._objective.close()
        finally:
            # Nothing refers to itself any more: the model's memory is free when the session is,
            # not when Python next looks for circles, which may be some trials later.
            unmeter(self._model)

    def _prepare(self) -> None:
        """Data, model and batches, each from its own random stream."""
        trial, task, problem = self._trial, self._task, self._task.problem
        data = problem.data(Path(trial.data_folder), self._generator("split"))
        self.data = DataRecord(
            fingerprint=data.fingerprint, canonical=data.canonical, source=data.source
        )
        train = data.train.to(trial.device)
        held_out = {} if problem.online else {"validation": data.validation, "test": data.test}
        self._splits = {name: _present(held_out.get(name), trial.device) for name in trial.splits}
        self._calibration = rounded(calibrate(task, train, trial.device))

        seed_everything(derive(trial.seed, "initialization"), trial.device)
        self._model = problem.model().to(trial.device)
        problem.initialize(self._model, train)
        problem.accelerate(self._model, trial.device)
        self._batches = iter(problem.batches(train, task.batch_size, self._generator("batches")))
        self._stream = self._batches if isinstance(self._batches, TaskStream) else None

    def _build(self) -> None:
        """The method, and what the loop asks of it."""
        trial, task, problem, model = self._trial, self._task, self._task.problem, self._model
        seed_everything(derive(trial.seed, "method"), trial.device)
        info = TaskInfo(
            batch_size=task.batch_size,
            steps=int(self._budget // task.batch_size),
            classes=problem.classes,
            generator=self._generator("method"),
        )
        self._parts: Parts = build(trial.components, trial.hyperparameters, model, info)
        optimizer, regularizers = self._parts.optimizer, self._parts.regularizers
        self._objective = Objective(
            model,
            problem.criterion,
            self._batches,
            self._ledger,
            regularizers,
            gradient_delay=problem.gradient_delay,
        )
        self._evaluator = Evaluator(problem, model, optimizer, regularizers, self._splits)

    def _train(self) -> None:
        """Steps until the budget is spent or the score is settled."""
        model, optimizer, schedule = self._model, self._parts.optimizer, self._parts.schedule
        regularizers = self._parts.regularizers
        after_step = [r.after_step for r in regularizers if r.overrides("after_step")]
        objective, ledger, aside = self._objective, self._ledger, self._aside
        step: Callable[[Any], Any] = optimizer.step
        problem, budget = self._task.problem, self._budget
        online, every_step = problem.online, problem.every_step
        constrained = problem.overrides("constrain")
        follows_losses = problem.overrides("training_metrics")
        # Charges are sums of thirds: without a tolerance the last step could be lost to rounding.
        end = budget * (1 + 1e-9)
        interval = budget / self._evaluations
        next_evaluation = interval
        switch_mode(model, optimizer, training=True)
        if problem.initial_evaluation:
            self._evaluate()
        self._clock.start()
        while True:
            before = ledger.spent
            progress = before / budget
            if schedule is not None:
                schedule.apply(progress)
            for regularizer in regularizers:
                regularizer.progress = progress
            self._next_batch(progress)
            if online:
                with aside:
                    self._evaluator.measure_batch(objective)
            step(objective)
            if after_step:
                with torch.no_grad():
                    for hook in after_step:
                        hook(model, optimizer)
            if constrained:
                with torch.no_grad():
                    problem.constrain(model)
            if problem.measures_plasticity:
                with aside:
                    self._evaluator.measure_again(objective)
            if follows_losses:
                self._unread.append(objective.last_loss)
            self._steps += 1
            spent = ledger.spent
            cost = spent - before
            if cost <= 0:
                raise RuntimeError("a step asked neither for the loss nor for its gradient")
            # A step starts only if one like the last still fits: nobody gets more than others.
            last = spent + cost > end
            if last or spent >= next_evaluation * (1 - 1e-9):
                self._evaluate()
                if last or self._recorder.settled():
                    break
                next_evaluation = (spent * (1 + 1e-9) // interval + 1) * interval
            elif every_step:
                with aside:
                    self._evaluator.observe(spent / budget)
        self._clock.stop()
        self._refuse_idle_regularizers()

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
            cost=Cost(
                examples=round(self._ledger.spent, 3),
                gradient_evaluations=round(self._ledger.spent / self._task.batch_size, 3),
                steps=self._steps,
                seconds=rounded(self._clock.training),
                evaluation_seconds=rounded(self._clock.evaluation),
                peak_memory_bytes=peak_memory_bytes(trial.device),
                calibration_step_seconds=self._calibration,
            ),
        )

    @property
    def _evaluations(self) -> float:
        """How many evaluations the trial's share of the budget holds, at least one."""
        return max(1.0, self._task.evaluations * self._trial.budget_fraction)

    def _refuse_idle_regularizers(self) -> None:
        """Without them the run was the optimizer's alone: it must not count as their method's.

        Asked at the end, as a method may ask for its first gradient late.
        """
        if self._objective.called:
            return
        names = [name for kind, name in self._trial.components if kind == "regularizer"]
        for name, regularizer in zip(names, self._parts.regularizers, strict=True):
            if regularizer.overrides("evaluate") or regularizer.overrides("gradients"):
                raise NotApplicable(
                    f"'{name}' works on gradient evaluations, and the optimizer made none by "
                    "calling the objective: it changed nothing"
                )

    def _next_batch(self, progress: float) -> None:
        stream = self._stream
        if stream is None:
            self._objective.next_batch()
            return
        stream.progress, before = progress, stream.task
        self._objective.next_batch()
        if self._task.problem.boundaries_known and -1 < before < stream.task:
            for regularizer in self._parts.regularizers:
                regularizer.on_task_change(self._model)

    def _evaluate(self) -> None:
        spent = self._ledger.spent
        with self._aside:
            metrics = self._evaluator.measure(spent / self._budget)
            loss = float(self._objective.last_loss) if self._steps else None
            if self._task.problem.overrides("training_metrics"):
                found = self._task.problem.training_metrics(self._read_losses(), spent)
                metrics = {split: {**values, **found} for split, values in metrics.items()}
        self._recorder.add(spent, self._clock.training, loss, metrics)

    def _read_losses(self) -> list[float]:
        """The loss of every step; read in one go, as asking a GPU for each would stall it."""
        unread = [torch.as_tensor(loss, device=self._trial.device) for loss in self._unread]
        self._losses += torch.stack(unread).tolist() if unread else []
        self._unread.clear()
        return self._losses

    def _generator(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive(self._trial.seed, purpose))


class _Aside:
    """Inside, the suite measures: the time counts as evaluation and nothing is charged.

    Entered at every step of a stream, so not a generator, which takes twice as long.
    """

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger

    def __enter__(self) -> None:
        self._clock.pause()
        self._ledger.price = 0.0

    def __exit__(self, *error: object) -> None:
        self._ledger.price = None
        self._clock.resume()


def _present(split: Split | None, device: str) -> Split | None:
    return None if split is None else split.to(device)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
