"""The evaluator: measures a model between steps. A method gets no part of it.

One forward pass by the suite is free: `Problem.evaluate`. What a method does for an evaluation
(averaging weights, switching an optimizer between two kinds of weights) is charged and timed as
training, and the method's hooks on modules are off meanwhile unless it declares that it needs them.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from suite.components.regularizer import Regularizer
from suite.data.split import Split
from suite.problems.problem import Point, Problem
from suite.training.batch_source import BatchSource
from suite.training.loss import has_running_statistics
from suite.training.steps import Steps

#: an optimizer class or a regularizer whose hooks on modules have to run in evaluations says so
HOOKS_IN_EVALUATION = "hooks_in_evaluation"


class ModelChanged(Exception):
    """The model after an evaluation differed from the model before it."""


class Evaluator:
    """Measures a model on held-out splits, or on a stream's batches before they are trained on.

    `measuring` is a context in which nothing is charged and the time counts as evaluation.
    """

    def __init__(
        self,
        problem: Problem,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        regularizers: Sequence[Regularizer],
        held_out: Mapping[str, Split | None],
        measuring: AbstractContextManager[None],
        hooks: ModuleHooks,
        averages: Averages,
    ) -> None:
        self._problem = problem
        self._model = model
        self._optimizer = optimizer
        self._averages = averages
        self._averaging = [r for r in regularizers if r.overrides("averaged")]
        self._held_out = held_out
        self._measuring = measuring
        declared = any(getattr(m, HOOKS_IN_EVALUATION, False) for m in (optimizer, *regularizers))
        self._hooks = None if declared else hooks
        self._window: list[tuple[dict[str, float], float]] = []
        #: batches of the present step, with their place in the window: for plasticity
        self._to_repeat: list[tuple[dict[str, float], Split]] = []
        self._history: dict[str, list[Point]] = {name: [] for name in held_out}

    def measure(self, progress: float) -> dict[str, dict[str, float]]:
        """Metrics by split. On a stream: means over the batches since the last call."""
        self.observe(progress)
        with self._measuring:
            return self.latest()

    def latest(self) -> dict[str, dict[str, float]]:
        """Metrics by split as they were observed last; the suite is measuring already."""
        return {
            split: {**points[-1].metrics, **self._problem.summarize(points)}
            for split, points in self._history.items()
            if points
        }

    def observe(self, progress: float) -> None:
        """Measure without a record, for metrics that use the whole history."""
        for split, metrics in self._measured(progress).items():
            self._history[split].append(Point(progress, metrics))

    def untrained(self) -> dict[str, dict[str, float]]:
        """On a stream, metrics by split of the first batch, measured before the first step."""
        metrics = dict(self._window[0][0])
        if self._problem.measures_plasticity:
            metrics["plasticity"] = 0.0  # no step has reduced a loss yet
        found = {**metrics, **self._problem.summarize([Point(0.0, metrics)])}
        return {split: found for split in self._held_out}

    @property
    def pending(self) -> bool:
        """Whether batches were measured since the last measurement was read."""
        return bool(self._window)

    def measure_batch(self, batch: Split, progress: float) -> None:
        """Measure a batch before training on it; it was drawn at a share of the budget."""
        metrics = self._of_batch(batch)
        self._window.append((metrics, progress))
        if self._problem.measures_plasticity:
            # A copy: the method may write into the batch that it is given.
            kept = Split(batch.inputs.clone(), batch.targets.clone())
            self._to_repeat.append((metrics, kept))

    def measure_again(self) -> None:
        """Measure the batches of a step again after it: by how much it reduced their loss.

        Plasticity as Elsayed and Mahmood 2024, "Addressing Loss of Plasticity and Catastrophic
        Forgetting in Continual Learning", define it: 1 - loss after / loss before, in [0, 1].
        """
        for metrics, batch in self._to_repeat:
            before, after = metrics["loss"], self._of_batch(batch)["loss"]
            plasticity = 1.0 - after / max(before, 1e-8)
            # A loss that is not finite stays so: the recorder must see it.
            kept = min(1.0, max(0.0, plasticity)) if math.isfinite(plasticity) else plasticity
            metrics["plasticity"] = kept
        self._to_repeat.clear()

    def _measured(self, progress: float) -> dict[str, dict[str, float]]:
        if self._problem.online:
            self.measure_again()
            window, self._window = self._window, []
            means = _weighted_means(window, progress)
            return {split: means for split in self._held_out}
        with self._evaluated_model(exact=True) as model:
            return {
                name: self._problem.evaluate(model, split)
                for name, split in self._held_out.items()
                if split is not None
            }

    def _of_batch(self, batch: Split) -> dict[str, float]:
        with self._evaluated_model(exact=False) as model:
            return self._problem.evaluate(model, batch)

    def rehearse(self) -> None:
        """All that a method does for an evaluation, without a measurement."""
        with self._evaluated_model(exact=False):
            pass

    def _runs_code(self, modules: Sequence[nn.Module]) -> bool:
        """Whether anything except the task's own modules runs in an evaluation."""
        return self._hooks is None or bool(self._averaging) or not self._hooks.are_all(modules)

    @contextmanager
    def _evaluated_model(self, exact: bool) -> Iterator[nn.Module]:
        """The averaged model in evaluation mode; everything is restored afterwards."""
        modules = modules_of(self._model)
        modes = [module.training for module in modules]
        switch_optimizer(self._optimizer, training=False)
        own: list[tuple[Tensor, Tensor]] = []
        try:
            own = self._averages.swap_in(self._model)
            with torch.no_grad():
                model = self._model
                if self._averaging:
                    # In evaluation mode: a copy is then made in it, and no statistics change.
                    self._model.eval()
                    for regularizer in self._averaging:
                        model = regularizer.averaged(model)
                    model.eval()
                with self._measuring:
                    if not self._averaging:
                        _switch_to_evaluation(modules)
                    shown = modules if model is self._model else modules_of(model)
                    if self._hooks is not None:
                        self._hooks.switch_off(shown)
                    try:
                        before = _State(model, shown, exact and self._runs_code(shown))
                        yield model
                        before.compare()
                    finally:
                        if self._hooks is not None:
                            self._hooks.switch_on()
                        for module, mode in zip(modules, modes, strict=True):
                            # Setting the flag the usual way takes ten times as long.
                            vars(module)["training"] = mode
        finally:
            for tensor, data in own:
                tensor.data = data
            switch_optimizer(self._optimizer, training=True)


class Averages:
    """The weights to evaluate with, and batch norm's statistics that fit them."""

    def __init__(self, steps: Steps, source: BatchSource) -> None:
        self._steps = steps
        self._source = source
        if steps.recalibrated_batches:
            source.latest = deque(maxlen=steps.recalibrated_batches)

    def swap_in(self, model: nn.Module) -> list[tuple[Tensor, Tensor]]:
        """Give the model the averaged weights; returns its tensors with their own data.

        The forward passes that batch norm needs for its statistics are charged.
        """
        average = self._steps.average
        if average is None:
            return []
        named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        _refuse_wrong(average, named)
        latest = self._source.latest
        norms = [m for m in model.modules() if has_running_statistics(m)] if latest else []
        statistics = [b for norm in norms for b in norm.buffers(recurse=False)]
        own = [(named[name], named[name].data) for name in average]
        own += [(buffer, buffer.data) for buffer in statistics]
        try:
            for name, tensor in average.items():
                named[name].data = tensor.detach()
            if latest and norms:
                for buffer in statistics:
                    buffer.data = buffer.data.clone()
                _recalibrate(model, norms, latest)
        except BaseException:
            for tensor, data in reversed(own):
                tensor.data = data
            raise
        return own[::-1]


def _refuse_wrong(average: Mapping[str, Tensor], named: Mapping[str, Tensor]) -> None:
    """Raise ValueError for averages that the model has no place for."""
    for name, tensor in average.items():
        if name not in named:
            raise ValueError(f"'average' returned the weight '{name}', which the model has not")
        if tensor.shape != named[name].shape or tensor.dtype != named[name].dtype:
            raise ValueError(
                f"'average' returned '{name}' as {tuple(tensor.shape)} of {tensor.dtype}, not as "
                f"{tuple(named[name].shape)} of {named[name].dtype}"
            )


def _recalibrate(
    model: nn.Module, norms: Sequence[nn.Module], batches: Iterable[tuple[Tensor, Tensor]]
) -> None:
    """Compute running statistics again, as the mean over some batches.

    As `torch.optim.swa_utils.update_bn`, except that only the norms are in training mode.
    """
    momenta = [norm.momentum for norm in norms]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for norm in norms:
            norm.reset_running_stats()  # type: ignore[operator]
            norm.momentum = None  # type: ignore[assignment]
            norm.train()
        with torch.no_grad():
            for inputs, _ in batches:
                model(inputs)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode


def _switch_to_evaluation(modules: Iterable[nn.Module]) -> None:
    """As `eval()` of the whole model, in a fifth of the time."""
    for module in modules:
        kind = type(module)
        if kind.train is nn.Module.train and kind.eval is nn.Module.eval:
            vars(module)["training"] = False
        else:
            module.eval()


def _weighted_means(
    window: Sequence[tuple[dict[str, float], float]], end: float
) -> dict[str, float]:
    """Means over batches, each with the share of the budget from its draw to the next draw."""
    starts = [start for _, start in window]
    weights = [after - start for start, after in zip(starts, [*starts[1:], end], strict=True)]
    if sum(weights) <= 0:  # all were drawn and none was used
        weights = [1.0] * len(window)
    total = sum(weights)
    return {
        name: sum(w * metrics[name] for w, (metrics, _) in zip(weights, window, strict=True))
        / total
        for name in window[0][0]
    }


class ModuleHooks:
    """The forward hooks that a task put on its model, and those that a method added to them.

    Made before the method sees the model. Hooks for all modules of a process are a method's.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = set(model.modules())
        self._own = {
            module: (OrderedDict(module._forward_hooks), OrderedDict(module._forward_pre_hooks))
            for module in model.modules()
            if module._forward_hooks or module._forward_pre_hooks
        }
        self._kept: list[tuple[Any, dict[int, Any], dict[int, Any]]] = []

    def are_all(self, modules: Sequence[nn.Module]) -> bool:
        """Whether these are modules of the task's own model, as the task made them."""
        return self._modules.issuperset(modules) and not any(
            "forward" in vars(module) for module in modules[1:]
        )

    def switch_off(self, modules: Sequence[nn.Module]) -> None:
        """Take the method's hooks off these modules until `switch_on`."""
        for module in modules:
            if module._forward_hooks or module._forward_pre_hooks:
                own = self._own.get(module, (OrderedDict(), OrderedDict()))
                self._kept.append((module, module._forward_hooks, module._forward_pre_hooks))
                module._forward_hooks, module._forward_pre_hooks = own
        for hooks in (torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks):
            if hooks:
                self._kept.append((hooks, dict(hooks), {}))
                hooks.clear()

    def switch_on(self) -> None:
        """Put all hooks back."""
        for place, hooks, pre_hooks in self._kept:
            if isinstance(place, nn.Module):
                place._forward_hooks, place._forward_pre_hooks = hooks, pre_hooks
            else:
                place.update(hooks)
        self._kept.clear()


class _State:
    """The modules, parameters, buffers and hooks of a model, to be compared later.

    Compared are the objects themselves and torch's counters of changes in place, which are quick to
    read; `.data` bypasses the counters, and with `exact` the values are compared, too.
    """

    def __init__(self, model: nn.Module, modules: Sequence[nn.Module], exact: bool) -> None:
        self._model = model
        self._modules = modules
        self._tensors, self._children, self._hooks = _parts_of(modules)
        self._versions = [tensor._version for tensor in self._tensors]
        self._values = [tensor.detach().clone() for tensor in self._tensors] if exact else []

    def compare(self) -> None:
        """Raise ModelChanged with the first tensor that has changed."""
        now, children, hooks = _parts_of(self._modules)
        # With the same children, these are still all modules of the model.
        if children != self._children:
            now, _, hooks = _parts_of(modules_of(self._model))
        if len(now) != len(self._tensors):
            self._refuse(self._tensors if len(now) < len(self._tensors) else now, now)
        for before, after, version in zip(self._tensors, now, self._versions, strict=True):
            if before is not after or after._version != version:
                self._refuse([before, after], now)
        if hooks != self._hooks:
            raise ModelChanged(
                "a hook was added or removed during an evaluation: do that in 'attach' or in a step"
            )
        for after, value in zip(now, self._values, strict=False):
            if not _same(after, value):
                self._refuse([after], now)

    def _refuse(self, changed: Sequence[Tensor], now: Sequence[Tensor]) -> None:
        known = {id(tensor) for tensor in self._tensors}
        new = [tensor for tensor in now if id(tensor) not in known]
        wanted = {id(tensor) for tensor in new or changed}
        named = [*self._model.named_parameters(), *self._model.named_buffers()]
        name = next((name for name, tensor in named if id(tensor) in wanted), "a parameter")
        raise ModelChanged(
            f"'{name}' was changed, replaced or removed during an evaluation. An evaluation must "
            "leave the model as it is: change weights in a step or in 'after_step'"
        )


def modules_of(model: nn.Module) -> list[nn.Module]:
    """A module and all below it, each once; `modules()` takes four times as long."""
    found = {model: None}
    waiting = [model]
    while waiting:
        for module in waiting.pop()._modules.values():
            if module is not None and module not in found:
                found[module] = None
                waiting.append(module)
    return list(found)


def _parts_of(modules: Iterable[nn.Module]) -> tuple[list[Tensor], list[int], list[int]]:
    """Parameters and buffers, numbers of the children, numbers of the forward hooks.

    torch gives each hook a unique number; named_parameters() takes several times as long.
    """
    tensors: list[Tensor] = []
    children: list[int] = []
    hooks: list[int] = []
    for module in modules:
        for group in (module._parameters, module._buffers):
            if group:
                tensors += [tensor for tensor in group.values() if tensor is not None]
        if module._modules:
            children += map(id, module._modules.values())
        if module._forward_hooks:
            hooks += module._forward_hooks
        if module._forward_pre_hooks:
            hooks += module._forward_pre_hooks
    return tensors, children, hooks


def _same(one: Tensor, other: Tensor) -> bool:
    # NaN equals NaN here: another check finds a run that diverges.
    return torch.equal(one, other) or torch.allclose(one, other, 0.0, 0.0, equal_nan=True)


def switch_optimizer(optimizer: torch.optim.Optimizer, *, training: bool) -> None:
    """Training or evaluation mode of optimizers that have both modes (schedule-free)."""
    switch = getattr(optimizer, "train" if training else "eval", None)
    if callable(switch):
        switch()
