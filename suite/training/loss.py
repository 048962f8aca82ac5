"""The training loss and its gradient, with what regularizers make of them."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from suite.components.regularizer import Regularizer
from suite.problems.metrics import Restrict, unrestricted
from suite.training.batch_source import Batch

_Criterion = Callable[[Tensor, Tensor], Tensor]


class Loss:
    """The training loss: the task's criterion, changed by regularizers, and their penalties."""

    def __init__(
        self,
        model: nn.Module,
        criterion: _Criterion,
        regularizers: Sequence[Regularizer],
        restrict: Restrict = unrestricted,
    ) -> None:
        self._model = model
        self._restrict = restrict
        self._logits = [r for r in regularizers if r.overrides("logits")]
        self._penalties = [r for r in regularizers if r.overrides("penalty")]
        self._criterion: _Criterion | Criterion = criterion
        for regularizer in regularizers:
            if regularizer.overrides("criterion"):
                self._criterion = Criterion(regularizer, self._criterion)
        self._unchecked = list(self._penalties)
        self._norms = [m for m in model.modules() if has_running_statistics(m)]
        self._statistics_moved = False
        #: nothing comes between the model and its criterion
        changed = self._logits or self._penalties or self._norms
        self._plain = restrict is unrestricted and not changed

    @property
    def has_batch_norm(self) -> bool:
        """Whether the examples of a batch depend on one another in the model."""
        return bool(self._norms)

    def new_batch(self) -> None:
        """The next forward pass is the first one of another batch."""
        self._statistics_moved = False

    def of(self, batch: Batch) -> Tensor:
        """A scalar, with a graph where gradients are on."""
        if self._plain:
            return self._criterion(self._model(batch[0]), batch[1])
        loss = self.of_examples(batch)
        for regularizer in self._penalties:
            loss = loss + regularizer.penalty(self._model)
        return loss

    def of_examples(self, batch: Batch) -> Tensor:
        """The same without penalties."""
        outputs, targets = self.compared(batch)
        for regularizer in self._logits:
            outputs = regularizer.logits(outputs)
        return self._criterion(outputs, targets)

    def compared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Outputs and targets that the task compares.

        Before all hooks: a loss in place of the task's must see the same classes.
        """
        inputs, targets = batch
        return self._restrict(self.outputs(inputs), targets)

    def refuse_kept_weights(self) -> None:
        """Raise ValueError for a penalty that holds the weights instead of reading the model's.

        Where other weights pass through the model (`jvp`, `losses_at`), it would be that of the
        present ones, without a word. Checked with other weights, until its gradient is not 0.
        """
        for regularizer in tuple(self._unchecked):
            whole = Whole(self._model, functools.partial(regularizer.penalty, self._model))
            weights = whole.trained()
            with torch.enable_grad():
                here = regularizer.penalty(self._model)
                if not isinstance(here, Tensor) or not here.requires_grad:
                    continue
                gradients = torch.autograd.grad(here, list(weights.values()), allow_unused=True)
            if not any(g is not None and g.any() for g in gradients):
                continue
            self._unchecked.remove(regularizer)
            other = {name: 1.37 * p.detach() + 0.11 for name, p in weights.items()}
            with torch.no_grad():
                there = functional_call(whole, other, ())
            if torch.equal(there, here.detach()):
                raise ValueError(
                    f"{type(regularizer).__name__}.penalty does not depend on the model that it is "
                    "given: it uses parameters that were kept from before. Read the weights from "
                    "`model` at every call"
                )

    def each(self, batch: Batch) -> Tensor:
        """The criterion of every example, of shape (examples,), without penalties."""
        outputs, targets = self.compared(batch)
        for regularizer in self._logits:
            outputs = regularizer.logits(outputs)
        return each(self._criterion, outputs, targets)

    def outputs(self, inputs: Tensor) -> Tensor:
        """A forward pass; only the first one of a batch moves batch norm's running statistics.

        Otherwise they would depend on how often a method evaluates the loss, as in SAM or a line
        search.
        """
        if self._norms and self._statistics_moved:
            with _statistics_kept(self._norms):
                outputs: Tensor = self._model(inputs)
            return outputs
        self._statistics_moved = True
        outputs = self._model(inputs)
        return outputs


class Whole(nn.Module):
    """A function of a model as a module, so that the weights can be replaced in a call."""

    def __init__(self, model: nn.Module, function: Callable[..., Tensor | float]) -> None:
        super().__init__()
        self.model = model
        self.forward = function

    def trained(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name, in their order."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}


class Criterion:
    """A criterion that a regularizer makes of the one before it."""

    def __init__(self, regularizer: Regularizer, before: _Criterion) -> None:
        self._regularizer = regularizer
        self._before = before

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._regularizer.criterion(outputs, targets, _Default(self._before))


class _Default:
    """What a regularizer's `criterion` gets as `default`."""

    def __init__(self, criterion: _Criterion) -> None:
        self._criterion = criterion

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._criterion(outputs, targets)

    def each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of every example as of a batch of its own, of shape (examples,)."""
        return each(self._criterion, outputs, targets)


def each(criterion: _Criterion, outputs: Tensor, targets: Tensor) -> Tensor:
    """A criterion of every example as of a batch of its own, of shape (examples,)."""

    def of_one(output: Tensor, target: Tensor) -> Tensor:
        return criterion(output.unsqueeze(0), target.unsqueeze(0))

    return vmap(of_one, randomness="different")(outputs, targets)


def has_running_statistics(module: nn.Module) -> bool:
    """Whether a module normalizes by its batch and keeps statistics for evaluations."""
    kinds = nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm
    return isinstance(module, kinds) and module.track_running_stats


@contextmanager
def _statistics_kept(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Inside, running statistics stay as they are; batches are normalized by their own."""
    for norm in norms:
        norm.track_running_stats = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True  # type: ignore[assignment]


class GradientPipeline:
    """A gradient evaluation with every regularizer around it, in command-line order.

    With a `delay`, each evaluation leaves the gradient of one that many evaluations before.
    """

    def __init__(
        self,
        loss: Loss,
        parameters: list[nn.Parameter],
        regularizers: Sequence[Regularizer],
        delay: int = 0,
        create_graph: bool = False,
    ) -> None:
        self._loss = loss
        self._create_graph = create_graph
        self._parameters = parameters
        self._layers = [
            (r, r.overrides("evaluate"), r.overrides("gradients"))
            for r in regularizers
            if r.overrides("evaluate") or r.overrides("gradients")
        ]
        #: how many of the layers, from the last one inwards, were called in some evaluation
        self._reached = 0
        # Before the first gradient arrives, the gradients are zeros.
        none: list[Tensor | None] = [torch.zeros_like(p) for p in parameters] if delay else []
        self._late = deque([none] * delay)

    def evaluate(self, batch: Batch) -> Tensor:
        """The loss of a batch, without a graph; gradients are in `.grad`. Gradients must be on."""
        if not self._layers and not self._late:
            return self._evaluate(batch)
        loss = self._with_layers(batch, len(self._layers))
        if self._late:
            self._late.append([p.grad for p in self._parameters])
            for parameter, late in zip(self._parameters, self._late.popleft(), strict=True):
                parameter.grad = late
        return loss

    def hidden(self) -> tuple[list[Regularizer], Regularizer | None]:
        """The regularizers that no evaluation has reached yet, and the one that calls none of them.

        Empty and None if there are none.
        """
        inside = len(self._layers) - self._reached
        if not inside:
            return [], None
        return [r for r, *_ in self._layers[:inside]], self._layers[inside][0]

    def _with_layers(self, batch: Batch, depth: int) -> Tensor:
        self._reached = max(self._reached, len(self._layers) - depth + 1 if depth else 0)
        if not depth:
            return self._evaluate(batch)
        regularizer, around, transforms = self._layers[depth - 1]
        if around:
            loss = regularizer.evaluate(
                lambda: self._with_layers(batch, depth - 1), self._parameters
            )
        else:
            loss = self._with_layers(batch, depth - 1)
        if transforms:
            with torch.no_grad():
                regularizer.gradients(self._parameters)
        return loss

    def _evaluate(self, batch: Batch) -> Tensor:
        zero_gradients(self._parameters)
        loss = self._loss.of(batch)
        if self._create_graph:
            self._leave_graph(loss)
        else:
            loss.backward()
        return loss.detach()

    def _leave_graph(self, loss: Tensor) -> None:
        """Gradients that can be differentiated again, in `.grad` until the next evaluation."""
        found = torch.autograd.grad(loss, self._parameters, create_graph=True, allow_unused=True)
        for parameter, gradient in zip(self._parameters, found, strict=True):
            # Optimizers detach gradients in place, which torch refuses for views.
            view = gradient is not None and gradient._is_view()
            parameter.grad = gradient.clone() if view else gradient


def zero_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Forget the gradients of the last evaluation."""
    for parameter in parameters:
        parameter.grad = None
