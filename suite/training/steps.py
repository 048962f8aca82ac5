"""The steps of a method: the optimizer's step and every hook around it, in their order.

Used by the training loop and by the audit, so that both run the same.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import profiler
from torch.optim.optimizer import _global_optimizer_post_hooks as _global_after
from torch.optim.optimizer import _global_optimizer_pre_hooks as _global_before

from suite.components.method import Parts
from suite.components.regularizer import Regularizer
from suite.errors import NotApplicable
from suite.training.missing_gradient import GradientReadFirst, MissingGradients, blamed
from suite.training.objective import Objective

#: steps in which a gradient that is read before it exists is noticed; the audit looks at all of its
CHECKED_STEPS = 3


class Steps:
    """Takes steps of a method on a model."""

    def __init__(
        self, model: nn.Module, parts: Parts, objective: Objective, checked: int = CHECKED_STEPS
    ) -> None:
        self._model = model
        self._parts = parts
        self._objective = objective
        self.count = 0
        #: the weights to evaluate with, by name; None: the model's own
        self.average: dict[str, Tensor] | None = None
        self._checked = 0 if parts.gradient_first else checked
        self._started = False
        regularizers = parts.regularizers
        self._starting = [r for r in regularizers if r.overrides("start")]
        self._after_step = [r.after_step for r in regularizers if r.overrides("after_step")]
        self._averages = [r.average for r in regularizers if r.overrides("average")]
        self._change_hooks = [r.on_task_change for r in regularizers if r.overrides(_CHANGE)]
        told = getattr(parts.optimizer, _CHANGE, None)
        if callable(told):
            self._change_hooks.append(told)
        self._step = self._composed()

    def start(self) -> None:
        """Let regularizers begin with the first batch; the first step uses it as well."""
        if not self._starting:
            return
        self._objective.next_batch()
        self._started = True
        for regularizer in self._starting:
            regularizer.start(self._model, self._objective)

    def take(self, progress: float) -> None:
        """One step that begins when the share `progress` of the budget is spent."""
        if self._parts.schedules is not None:
            self._parts.schedules.apply(progress)
        if self._started:
            self._started = False
        else:
            self._objective.next_batch()
        if self.count < self._checked:
            self._step_without_gradients()
        else:
            self._step()
        self.count += 1
        if self._after_step:
            with torch.no_grad():
                for hook in self._after_step:
                    hook(self._model, self._parts.optimizer)
        if self.count == 1:
            self._refuse_idle_regularizers()

    def _step_without_gradients(self) -> None:
        """A step in which a gradient that is read before it exists is an error."""
        try:
            with MissingGradients(self._objective.parameters):
                self._step()
        except GradientReadFirst as error:
            # With the line that read it, which a reason shows.
            raise blamed(error, self._parts).with_traceback(error.__traceback__) from None

    def take_average(self) -> None:
        """Let regularizers average the weights that the step, and the task, ended with."""
        if not self._averages:
            return
        with torch.no_grad():
            weights = _tensors(self._model)
            for average in self._averages:
                weights = {**weights, **average(weights)}
        self.average = weights

    def change_task(self, task: int) -> None:
        """Tell the method that the next batch is of another task."""
        for hook in self._change_hooks:
            hook(self._model, task)

    @property
    def recalibrated_batches(self) -> int:
        """The number of latest batches that batch norm is to be computed on for evaluations."""
        return max((r.recalibrate for r in self._parts.regularizers), default=0)

    def _composed(self) -> Callable[[], Any]:
        """The optimizer's step inside of what regularizers do around it, the last one outermost."""
        step = _optimizer_step(self._parts, self._objective)
        updating = [r for r in self._parts.regularizers if r.overrides("update")]
        if updating:
            parameters, optimizer = self._objective.parameters, self._parts.optimizer
            step = functools.partial(_updated, step, updating, parameters, optimizer)
        for regularizer in self._parts.regularizers:
            if regularizer.overrides("around_step"):
                step = functools.partial(regularizer.around_step, step, self._objective)
        return step

    def _refuse_idle_regularizers(self) -> None:
        """Without these hooks the run would be another method's, under this method's name."""
        if self._objective.called:
            self._refuse_hidden_regularizers()
            return
        for name, regularizer in zip(self._parts.names, self._parts.regularizers, strict=True):
            if regularizer.overrides("evaluate") or regularizer.overrides("gradients"):
                raise NotApplicable(
                    f"'{name}' works on gradient evaluations, and the optimizer's first step made "
                    "none by calling the objective: it would change nothing"
                )

    def _refuse_hidden_regularizers(self) -> None:
        """An `evaluate` hook that computes the gradient itself calls nothing inside of it."""
        hidden, by = self._objective._hidden
        if by is None:
            return
        names = self._parts.names
        found = {id(r): n for n, r in zip(names, self._parts.regularizers, strict=True)}
        hiding = found[id(by)]
        listed = " and ".join(f"'{found[id(regularizer)]}'" for regularizer in hidden)
        order = ",".join([hiding, *(name for name in names if name != hiding)])
        alone = " Of several that compute gradients themselves, only the last one can act."
        raise NotApplicable(
            f"'{hiding}' computes gradients itself and does not use those of what stands before "
            f"it: {listed} would change nothing. Name it first: --regularizer {order}."
            + (alone if any(regularizer.overrides("evaluate") for regularizer in hidden) else "")
        )


_CHANGE = "on_task_change"


def _optimizer_step(parts: Parts, objective: Objective) -> Callable[[], Any]:
    """The optimizer's step on the objective, as its signature wants it."""
    step = _without_wrapper(parts.optimizer)
    if takes_closure(parts.optimizer.step):
        if not parts.gradient_first:
            return functools.partial(step, objective)

        def evaluated_and_called() -> Any:
            loss = objective()
            answer = step(objective)
            return loss if answer is None else answer

        return evaluated_and_called

    def evaluated() -> Any:
        loss = objective()
        step()
        return loss

    return evaluated


def _without_wrapper(optimizer: torch.optim.Optimizer) -> Callable[..., Any]:
    """The optimizer's step without torch's wrapper, as long as that has nothing to do.

    The wrapper announces each step to the profiler and looks for hooks. That takes 10 to 40
    microseconds: with a small model more than all of the suite.
    """
    step: Callable[..., Any] = optimizer.step
    function = getattr(step, "__func__", None)
    if "step" in vars(optimizer) or getattr(function, "__code__", None) is not _WRAPPER:
        return step
    inner = function.__wrapped__  # type: ignore[union-attr]

    def bare(*arguments: Any) -> Any:
        hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
        if hooks or _global_before or _global_after or profiler._is_profiler_enabled:
            return step(*arguments)
        return inner(optimizer, *arguments)

    return bare


#: the code of the function that torch puts around each optimizer's step
_WRAPPER = torch.optim.Optimizer.profile_hook_step(lambda optimizer: None).__code__


def takes_closure(step: Callable[..., Any]) -> bool:
    """Whether an optimizer's bound `step` has a parameter for the closure."""
    kinds = inspect.Parameter
    positional = kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL
    return any(p.kind in positional for p in inspect.signature(step).parameters.values())


def _updated(
    step: Callable[[], Any],
    regularizers: Sequence[Regularizer],
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> Any:
    """A step whose differences pass through `update` hooks."""
    before = [p.detach().clone() for p in parameters]
    decay = _decoupled_decay(optimizer)
    loss = step()
    with torch.no_grad():
        for p, old in zip(parameters, before, strict=True):
            factor = decay.get(p, 0.0)
            if factor:
                old.mul_(1 - factor)
        deltas = [p - old for p, old in zip(parameters, before, strict=True)]
        versions = [delta._version for delta in deltas]
        for regularizer in regularizers:
            regularizer.update(parameters, deltas)
        for p, old, delta, version in zip(parameters, before, deltas, versions, strict=True):
            if delta._version != version:
                p.copy_(old.add_(delta))
    return loss


def _decoupled_decay(optimizer: torch.optim.Optimizer) -> dict[Tensor, Any]:
    """The share of each weight that the optimizer takes away in a step, where its groups say so."""
    return {
        p: group["lr"] * group["weight_decay"]
        for group in optimizer.param_groups
        if group.get("decoupled_weight_decay") and group.get("weight_decay")
        for p in group["params"]
    }


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and floating-point buffers by name."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach() for name, tensor in named if tensor.is_floating_point()}
