"""The objective is the closure: what an optimizer may compute of the loss, and what each use costs.

The training loop calls `optimizer.step(objective)`. Calling the objective zeroes the gradients,
runs the model forward and backward on the current batch, applies the regularizers and returns the
loss, which is all that a torch optimizer needs from a closure. Methods that need more call it by
name. Every use is charged to the trial's budget.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from suite.components.regularizer import Regularizer
from suite.errors import NotApplicable
from suite.problems.metrics import Restrict, unrestricted
from suite.training import batch_source
from suite.training.batch_source import Batch
from suite.training.costs import COSTS
from suite.training.meter import Ledger


class Objective:
    """The loss of the current batch as a function of the parameters.

    Attributes a method may read: `parameters` (those that are trained), `batch`, `batch_size`,
    `progress` (share of the budget spent, in [0, 1]), `spent` (examples charged so far),
    `last_loss` and `called` (whether the objective itself was called: only then are the regularizer
    hooks around a gradient evaluation used).
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Tensor, Tensor], Tensor],
        source: int,
        ledger: Ledger,
        regularizers: Sequence[Regularizer] = (),
        gradient_delay: int = 0,
        restrict: Restrict = unrestricted,
    ) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self._model = model
        self._source = source
        self._ledger = ledger
        self._delay = gradient_delay
        self._restrict = restrict
        self._loss = Loss(model, criterion, regularizers, restrict)
        self._gradient = GradientPipeline(self._loss, self.parameters, regularizers, gradient_delay)
        self.last_loss: Tensor | float = float("nan")
        self.called = False
        self._inputs: Tensor
        self._targets: Tensor

    def __call__(self) -> Tensor:
        """Loss of the current batch, a scalar; leaves gradients in `.grad`. Cost: 1 per example."""
        self.called = True
        if torch.is_grad_enabled():  # torch's optimizers enable gradients
            self.last_loss = loss = self._gradient.evaluate(self.batch)
        else:
            with torch.enable_grad():
                self.last_loss = loss = self._gradient.evaluate(self.batch)
        return loss

    def loss(self) -> Tensor:
        """Loss only, a scalar without a graph; `.grad` is unchanged. Cost: 1/3 per example."""
        self._refuse_when_delayed("loss")
        with torch.no_grad():
            self.last_loss = loss = self._loss.of(self.batch)
        return loss

    def next_batch(self) -> None:
        """Draw the next batch; the loop does so before every step.

        Does all that a batch requires: a stream continues with the budget, an online task measures
        the batch. Ends the trial, regularly, when the budget is spent. A batch costs at least 1/3
        per example, charged at the next draw if less was used.
        """
        self._inputs, self._targets = batch_source.draw(self._source)

    def sampled_labels(self) -> Tensor:
        """As calling the objective, but with labels drawn from the model's own prediction.

        For Gauss-Newton-Bartlett estimates (Sophia, eq. 12): the outputs are class scores of shape
        (..., classes), and labels are among those that the task compares. Regularizers are not
        used. Cost: 1 per example. Raises NotApplicable on a task whose targets are numbers and not
        classes.
        """
        self._refuse_when_delayed("sampled_labels")
        self._refuse_without_classes("sampled_labels")
        with torch.enable_grad():
            zero_gradients(self.parameters)
            outputs, _ = self._restrict(self._model(self._inputs), self._targets)
            logits = outputs.detach().flatten(0, -2)
            labels = torch.multinomial(logits.softmax(-1), 1).view(outputs.shape[:-1])
            loss = self._criterion_only(outputs, labels)
            loss.backward()
            return loss.detach()

    def jvp(self, tangent: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Loss and its directional derivative along `tangent`, one tensor for each of `parameters`.

        Forward mode, no backward pass; `.grad` is unchanged. Cost: 1 per example.
        """
        self._refuse_other_shapes("jvp", tangent)
        whole = _Whole(self._model, lambda: self._loss.of(self.batch))
        names = [name for name, p in whole.named_parameters() if p.requires_grad]
        with self._higher_order("jvp"), torch.no_grad(), forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(p.detach(), t.detach())
                for p, t in zip(self.parameters, tangent, strict=True)
            ]
            # Penalties are part of the loss: they read the same weights inside the call.
            value = torch.func.functional_call(whole, dict(zip(names, duals, strict=True)))
            loss, slope = forward_ad.unpack_dual(value)
        self.last_loss = loss
        return loss, torch.zeros_like(loss) if slope is None else slope

    def hvp(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """Product of the batch loss's Hessian with `vector`, one tensor for each of `parameters`.

        `.grad` is unchanged. Cost: 3 per example.
        """
        self._refuse_other_shapes("hvp", vector)
        with self._higher_order("hvp"), torch.enable_grad():
            loss = self._loss.of(self.batch)
            gradients = torch.autograd.grad(
                loss, self.parameters, create_graph=True, materialize_grads=True
            )
            self.last_loss = loss.detach()
            pairs = zip(gradients, vector, strict=True)
            dot = torch.stack([(g * v).sum() for g, v in pairs]).sum()
            return list(torch.autograd.grad(dot, self.parameters, materialize_grads=True))

    def per_group_gradients(self) -> dict[int, list[Tensor]]:
        """One mean gradient per class or task in the batch, for gradient surgery.

        Keys are the target values, of which each example has one; values are one tensor per
        parameter; `.grad` is unchanged. Each group's examples pass forward and backward once.
        Cost: 1 per example. Raises NotApplicable if targets are numbers, ValueError if an example
        has several.
        """
        self._refuse_when_delayed("per_group_gradients")
        self._refuse_without_classes("per_group_gradients")
        if self._targets.ndim != 1:
            raise ValueError(
                "per_group_gradients groups examples by their target and needs one per example; "
                f"this task's targets have the shape {tuple(self._targets.shape)}"
            )
        groups: dict[int, list[Tensor]] = {}
        total = torch.zeros((), device=self._targets.device)
        with torch.enable_grad():
            for label in self._targets.unique().tolist():
                chosen = self._targets == label
                loss = self._loss.of((self._inputs[chosen], self._targets[chosen]))
                gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
                groups[int(label)] = list(gradients)
                total = total + loss.detach() * (int(chosen.sum()) / self.batch_size)
        self.last_loss = total
        return groups

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(1.0, self._ledger.spent / self._ledger.budget)

    @property
    def spent(self) -> float:
        """Examples passed forward and backward so far."""
        return self._ledger.spent

    @property
    def batch_size(self) -> int:
        """Examples in the current batch."""
        return len(self._inputs)

    @property
    def batch(self) -> tuple[Tensor, Tensor]:
        """The current batch's inputs and targets."""
        return self._inputs, self._targets

    @contextmanager
    def _higher_order(self, what: str) -> Iterator[None]:
        """Forward passes inside have the cost of `what` and can be differentiated that way."""
        self._refuse_when_delayed(what)
        # Of torch's attention kernels only the plain one has forward-mode and second derivatives,
        # and compiled code has neither.
        eager = torch.compiler.set_stance("force_eager")
        with self._ledger.at_cost(COSTS[what]), sdpa_kernel(SDPBackend.MATH), eager:
            yield

    def _refuse_when_delayed(self, what: str) -> None:
        """Only whole gradients are delivered late; other quantities would bypass the delay."""
        if self._delay:
            raise NotApplicable(
                f"this task delivers gradients {self._delay} evaluations late and offers nothing "
                f"else: the method requested '{what}'"
            )

    def _refuse_without_classes(self, what: str) -> None:
        if self._targets.is_floating_point() or self._targets.is_complex():
            raise NotApplicable(
                f"'{what}' needs targets that are classes, and this task's are numbers "
                f"({self._targets.dtype})"
            )

    def _refuse_other_shapes(self, what: str, vectors: Sequence[Tensor]) -> None:
        """Vectors in another order than the parameters' would give wrong products silently."""
        found, needed = [v.shape for v in vectors], [p.shape for p in self.parameters]
        if found != needed:
            raise ValueError(
                f"'{what}' takes one tensor for each of `objective.parameters`, in their order and "
                f"of their shapes: expected {_shapes(needed)}, got {_shapes(found)}"
            )

    @staticmethod
    def _criterion_only(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs.flatten(0, -2), labels.flatten())


def _shapes(shapes: Sequence[torch.Size]) -> str:
    return ", ".join(str(tuple(shape)) for shape in shapes)


class _Whole(nn.Module):
    """The whole loss as a module without inputs, so that its weights can be replaced in a call."""

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor]) -> None:
        super().__init__()
        self.model = model
        self.forward = loss


class Loss:
    """The training loss: the task's criterion, changed by regularizers, and their penalties."""

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Tensor, Tensor], Tensor],
        regularizers: Sequence[Regularizer],
        restrict: Restrict = unrestricted,
    ) -> None:
        self._model = model
        self._criterion = criterion
        self._restrict = restrict
        self._criteria = [r for r in regularizers if r.overrides("criterion")]
        self._penalties = [r for r in regularizers if r.overrides("penalty")]

    def of(self, batch: Batch) -> Tensor:
        """A scalar, with a graph where gradients are on."""
        inputs, labels = batch
        # Before all criteria: a regularizer's loss in place of the task's sees the same classes.
        outputs, targets = self._restrict(self._model(inputs), labels)
        if self._criteria:
            loss = self._of_outputs(outputs, targets, len(self._criteria))
        else:
            loss = self._criterion(outputs, targets)
        for regularizer in self._penalties:
            loss = loss + regularizer.penalty(self._model)
        return loss

    def _of_outputs(self, outputs: Tensor, targets: Tensor, depth: int) -> Tensor:
        """With the first `depth` regularizers' criteria, the last of them outermost."""
        if not depth:
            return self._criterion(outputs, targets)
        regularizer = self._criteria[depth - 1]

        def default(outputs: Tensor, targets: Tensor) -> Tensor:
            return self._of_outputs(outputs, targets, depth - 1)

        return regularizer.criterion(outputs, targets, default)


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
    ) -> None:
        self._loss = loss
        self._parameters = parameters
        self._layers = [
            (r, r.overrides("evaluate"), r.overrides("gradients"))
            for r in regularizers
            if r.overrides("evaluate") or r.overrides("gradients")
        ]
        # Before the first gradient arrives, the gradients are zeros.
        none: list[Tensor | None] = [torch.zeros_like(p) for p in parameters] if delay else []
        self._late = deque([none] * delay)

    def evaluate(self, batch: Batch) -> Tensor:
        """The loss of a batch, without a graph; gradients are in `.grad`. Gradients must be on."""
        loss = self._with_layers(batch, len(self._layers))
        if self._late:
            self._late.append([p.grad for p in self._parameters])
            for parameter, late in zip(self._parameters, self._late.popleft(), strict=True):
                parameter.grad = late
        return loss

    def _with_layers(self, batch: Batch, depth: int) -> Tensor:
        if not depth:
            zero_gradients(self._parameters)
            loss = self._loss.of(batch)
            loss.backward()
            return loss.detach()
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


def zero_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Forget the gradients of the last evaluation."""
    for parameter in parameters:
        parameter.grad = None
