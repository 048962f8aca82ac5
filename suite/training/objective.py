"""The objective is the closure: what an optimizer may compute of the loss, and what each use costs.

The training loop calls `optimizer.step(objective)`. Calling the objective zeroes the gradients,
runs the model forward and backward on the current batch, applies the regularizers and returns the
loss, which is all that a torch optimizer needs from a closure. Methods that need more call it by
name. Every use is charged to the trial's budget.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from suite.components.parameters import Layer, layers_of
from suite.components.regularizer import Regularizer
from suite.errors import NotApplicable
from suite.problems.metrics import Restrict, unrestricted
from suite.training import batch_source
from suite.training.batch_source import Batch
from suite.training.costs import COSTS
from suite.training.loss import GradientPipeline, Loss, Whole, zero_gradients
from suite.training.meter import Ledger
from suite.training.replay import Memory
from suite.training.watch import Seen, watching


class Objective:
    """The loss of the current batch as a function of the parameters.

    Attributes a method may read: `parameters` (those that are trained), `model`, `batch`,
    `batch_size`, `progress` (share of the budget spent, in [0, 1]), `spent` (examples charged so
    far), `last_loss` and `called` (whether the objective itself was called: only then are the
    regularizer hooks around a gradient evaluation used).

    Lists of tensors, given or returned, have one tensor for each of `parameters`, in their order
    and of their shapes. An optimizer with several groups finds the tensor of a parameter by
    `dict(zip(objective.parameters, tensors))`.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Tensor, Tensor], Tensor],
        source: int,
        ledger: Ledger,
        regularizers: Sequence[Regularizer] = (),
        gradient_delay: int = 0,
        create_graph: bool = False,
        restrict: Restrict = unrestricted,
    ) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.model = model
        self._source = source
        self._ledger = ledger
        self._delay = gradient_delay
        self._loss = Loss(model, criterion, regularizers, restrict)
        self._gradient = GradientPipeline(
            self._loss, self.parameters, regularizers, gradient_delay, create_graph
        )
        # With a graph, a gradient evaluation can be differentiated again: it costs as much.
        self._graph_cost = COSTS["hvp"] if create_graph else None
        self._batchers = [r for r in regularizers if r.overrides("batch")]
        for regularizer in regularizers:
            regularizer.objective = self
        self.last_loss: Tensor | float = float("nan")
        self.called = False
        self._inputs: Tensor
        self._targets: Tensor

    def __call__(self) -> Tensor:
        """Loss of the current batch, a scalar; leaves gradients in `.grad`. Cost: 1 per example."""
        self.called = True
        if self._graph_cost is not None:
            with self._ledger.at_cost(self._graph_cost), torch.enable_grad():
                self.last_loss = loss = self._gradient.evaluate(self.batch)
        elif torch.is_grad_enabled():  # torch's optimizers enable gradients
            self.last_loss = loss = self._gradient.evaluate(self.batch)
        else:
            with torch.enable_grad():
                self.last_loss = loss = self._gradient.evaluate(self.batch)
        return loss

    @property
    def _hidden(self) -> tuple[list[Regularizer], Regularizer | None]:
        """Regularizers whose hooks around a gradient evaluation were never called, and by whom."""
        return self._gradient.hidden()

    def loss(self) -> Tensor:
        """Loss only, a scalar without a graph; `.grad` is unchanged. Cost: 1/3 per example."""
        self._refuse_when_delayed("loss")
        with torch.no_grad():
            self.last_loss = loss = self._loss.of(self.batch)
        return loss

    def losses(self, batch: Batch | None = None) -> Tensor:
        """Loss of every example, of shape (examples,), of the current or of another batch.

        Each as of a batch of its own, without penalties. Cost: 1/3 per example.
        """
        self._refuse_when_delayed("losses")
        with torch.no_grad():
            return self._loss.each(batch or self.batch)

    def gradient(self, batch: Batch | None = None) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradient of the current or of another batch; `.grad` is unchanged.

        Of criterion and penalties, without the regularizers' hooks around an evaluation. Cost: 1
        per example.
        """
        self._refuse_when_delayed("gradient")
        with torch.enable_grad():
            loss = self._loss.of(batch or self.batch)
            found = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        self.last_loss = loss.detach()
        return self.last_loss, list(found)

    def per_example_gradients(self, chunk: int = 32) -> Iterator[list[Tensor]]:
        """Gradients of the current batch's examples, `chunk` of them at a time.

        Yields one tensor of shape (up to chunk, *parameter.shape) for each parameter: the gradient
        of the loss of each example as of a batch of its own, without penalties. Afterwards
        `last_loss` is the mean of the losses. Cost: 1 per example. Raises NotApplicable for a model
        with batch norm, where no example has a loss of its own.
        """
        self._refuse_when_delayed("per_example_gradients")
        self._refuse_batch_norm("per_example_gradients")
        self._ledger.charge(COSTS["gradient"] * self.batch_size)
        return self._per_example_gradients(chunk)

    def _per_example_gradients(self, chunk: int) -> Iterator[list[Tensor]]:
        def of_one(x: Tensor, y: Tensor) -> Tensor:
            return self._loss.of_examples((x.unsqueeze(0), y.unsqueeze(0)))

        whole = Whole(self.model, of_one)
        names = list(whole.trained())
        weights = dict(zip(names, (p.detach() for p in self.parameters), strict=True))

        def loss(weights: dict[str, Tensor], *example: Tensor) -> Tensor:
            value: Tensor = functional_call(whole, weights, example)
            return value

        each = vmap(grad_and_value(loss), in_dims=(None, 0, 0), randomness="different")
        total: Tensor | float = 0.0
        for inputs, targets in zip(
            self._inputs.split(chunk), self._targets.split(chunk), strict=True
        ):
            with self._transformed(0.0), torch.enable_grad():
                found, losses = each(weights, inputs, targets)
            total = total + losses.detach().sum()
            self.last_loss = total / self.batch_size
            yield [found[name].detach() for name in names]

    def losses_at(self, deltas: Iterable[Sequence[Tensor]], chunk: int = 16) -> Tensor:
        """Loss of the current batch at several points, of shape (points,).

        Each of `deltas` is the difference to the present weights, a list of tensors; a generator of
        them keeps only `chunk` in memory. All points share one draw of the model's noise. Cost: 1/3
        per example and point. Raises NotApplicable for a model with batch norm.
        """
        self._refuse_when_delayed("losses_at")
        self._refuse_batch_norm("losses_at")
        with self._transformed(0.0):
            self._loss.refuse_kept_weights()
        whole = Whole(self.model, lambda: self._loss.of(self.batch))
        names = list(whole.trained())

        def loss(weights: dict[str, Tensor]) -> Tensor:
            value: Tensor = functional_call(whole, weights, ())
            return value

        each, found, rest = vmap(loss, randomness="same"), [], iter(deltas)
        while some := list(itertools.islice(rest, chunk)):
            for one in some:
                self._refuse_other_shapes("losses_at", one)
            cost = len(some) * COSTS["forward"] * self.batch_size
            self._ledger.charge(cost)
            self._ledger.spent_forward += cost * self._ledger.factor
            points = {
                name: p.detach() + torch.stack([one[i] for one in some])
                for i, (name, p) in enumerate(zip(names, self.parameters, strict=True))
            }
            with self._transformed(0.0), torch.no_grad():
                found.append(each(points))
        if not found:
            raise ValueError("'losses_at' needs at least one point")
        losses = torch.cat(found)
        self.last_loss = losses.mean()
        return losses

    def next_batch(self) -> None:
        """Draw the next batch; the loop does so before every step.

        Does all that a batch requires: a stream continues with the budget, an online task measures
        the batch. Ends the trial, regularly, when the budget is spent. A batch costs at least 1/3
        per example, charged at the next draw if less was used.
        """
        self._loss.new_batch()
        self._inputs, self._targets = batch_source.draw(self._source)
        if self._batchers:
            with torch.no_grad():
                for regularizer in self._batchers:
                    self._inputs, self._targets = regularizer.batch(self._inputs, self._targets)

    def memory(self, capacity: int, generator: torch.Generator) -> Memory:
        """A store of at most `capacity` training examples, drawn from with `generator`.

        Results state the capacity of all stores of a trial. An example that is sampled costs what a
        drawn one costs: at least 1/3.
        """
        return Memory(capacity, generator, self._ledger)

    def layers(self) -> list[Layer]:
        """The model's layers (module, name, depth, weight, bias), in the order it holds them."""
        return layers_of(self.model)

    @contextmanager
    def watch(self, layers: Sequence[Layer]) -> Iterator[dict[str, Seen]]:
        """Inside, each forward pass leaves what enters and leaves these layers, by layer name.

        `seen[layer.name].inputs` is the first input of the latest forward pass, `.outputs` its
        output and `.gradients` the loss's gradient with respect to that output, once a backward
        pass has computed it. Nothing is charged except what runs inside.
        """
        with watching(layers) as seen:
            yield seen

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
            outputs, _ = self._loss.compared(self.batch)
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
        with self._transformed(0.0):
            self._loss.refuse_kept_weights()
        whole = Whole(self.model, lambda: self._loss.of(self.batch))
        names = list(whole.trained())
        before = self._ledger.spent
        with self._higher_order("jvp"), torch.no_grad(), forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(p.detach(), t.detach())
                for p, t in zip(self.parameters, tangent, strict=True)
            ]
            # Penalties are part of the loss: they read the same weights inside the call.
            value = functional_call(whole, dict(zip(names, duals, strict=True)))
            loss, slope = forward_ad.unpack_dual(value)
        self._ledger.spent_jvp += self._ledger.spent - before
        self.last_loss = loss
        return loss, torch.zeros_like(loss) if slope is None else slope

    def hvp(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """Product of the batch loss's Hessian with `vector`, one tensor for each of `parameters`.

        `.grad` is unchanged. Cost: 3 per example.
        """
        self._refuse_other_shapes("hvp", vector)
        with self._hessian("hvp", COSTS["hvp"], 0.0) as hessian:
            return hessian.product(vector)

    @contextmanager
    def hessian(self) -> Iterator[Hessian]:
        """The Hessian of the batch loss, whose products share one graph.

        Has `loss`, `gradients` and `product(vector)`. Cost: 1 per example, and 2 for each product.
        """
        product = COSTS["hvp"] - COSTS["gradient"]
        with self._hessian("hessian", COSTS["gradient"], product) as hessian:
            yield hessian

    @contextmanager
    def _hessian(self, what: str, cost: float, product: float) -> Iterator[Hessian]:
        with self._higher_order(what, cost), torch.enable_grad():
            loss = self._loss.of(self.batch)
            gradients = torch.autograd.grad(
                loss, self.parameters, create_graph=True, materialize_grads=True
            )
            self.last_loss = loss.detach()

            def charged(vector: Sequence[Tensor]) -> list[Tensor]:
                self._refuse_other_shapes(what, vector)
                self._ledger.charge(product * self.batch_size)
                pairs = zip(gradients, vector, strict=True)
                with torch.enable_grad():
                    dot = torch.stack([(g * v).sum() for g, v in pairs]).sum()
                    found = torch.autograd.grad(
                        dot, self.parameters, materialize_grads=True, retain_graph=True
                    )
                return list(found)

            hessian = Hessian(loss.detach(), [g.detach() for g in gradients], charged)
            try:
                yield hessian
            finally:
                hessian.close()

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
    def _higher_order(self, what: str, cost: float | None = None) -> Iterator[None]:
        """Forward passes inside have the cost of `what` and can be differentiated that way."""
        self._refuse_when_delayed(what)
        with self._transformed(COSTS[what] if cost is None else cost):
            yield

    @contextmanager
    def _transformed(self, cost: float) -> Iterator[None]:
        """Forward passes inside have this cost and can be differentiated and vectorized."""
        # Of torch's attention kernels only the plain one has forward-mode and second derivatives,
        # and compiled code has neither.
        eager = torch.compiler.set_stance("force_eager")
        with self._ledger.at_cost(cost), sdpa_kernel(SDPBackend.MATH), eager:
            yield

    def _refuse_batch_norm(self, what: str) -> None:
        """Its statistics make one loss of all examples, and change in place."""
        if self._loss.has_batch_norm:
            raise NotApplicable(f"'{what}' cannot be computed for a model with batch norm")

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


class Hessian:
    """The Hessian of a batch's loss at the present weights."""

    def __init__(
        self,
        loss: Tensor,
        gradients: list[Tensor],
        product: Callable[[Sequence[Tensor]], list[Tensor]],
    ) -> None:
        #: a scalar without a graph
        self.loss = loss
        #: one tensor for each parameter, without a graph
        self.gradients = gradients
        self._product: Callable[[Sequence[Tensor]], list[Tensor]] | None = product

    def product(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """The product with a vector, both with one tensor for each parameter."""
        if self._product is None:
            raise RuntimeError("a Hessian has products only inside of `with objective.hessian()`")
        return self._product(vector)

    def close(self) -> None:
        """Free the graph."""
        self._product = None
