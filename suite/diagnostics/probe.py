"""The probe: what a diagnostic may look at, at one evaluation of a run."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from suite.diagnostics.snapshots import Batch, Snapshot, Tensors
from suite.errors import NotApplicable
from suite.problems.metrics import LossName, Restrict
from suite.training.loss import Loss, each

#: that the probing batch is cut into
PARTS = 8
_Found = TypeVar("_Found")


class Probe:
    """A copy of the model at one evaluation, a fixed probing batch, and the run's past.

    A measure may change the model and the batch, which are made anew for the next one. It only
    reads snapshots and what `once` returns: others get them, too. The model is in
    evaluation mode: without dropout, batch norm with its running statistics. Its weights are the
    trained ones, not an average that a method evaluates with. The loss is the task's, without a
    method's penalties.
    """

    def __init__(
        self,
        model: nn.Module,
        snapshot: Snapshot,
        earlier: tuple[Snapshot, ...],
        batch: Batch,
        *,
        criterion: Callable[[Tensor, Tensor], Tensor],
        restrict: Restrict,
        classes: int | None,
        loss_name: LossName | None,
        stream: bool,
        device: str,
        cache: dict[Any, Any],
    ) -> None:
        self.model = model
        #: trained parameters of the model by name
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        #: up to 256 training examples (of sequences, up to 2048 positions), the same ones at every
        #: evaluation and for every method; of a stream, the latest ones that were drawn
        self.batch = batch
        #: the present snapshot: weights, last update, the optimizer's settings and state
        self.now = snapshot
        #: snapshots of the earlier chosen evaluations, the one before training first
        self.earlier = earlier
        #: number of classes, if the outputs score classes
        self.classes = classes
        #: "cross_entropy", "mse" or None for another loss
        self.loss_name = loss_name
        #: whether the data changes along the run
        self.stream = stream
        self.device = device
        #: a random stream of this diagnostic and evaluation
        self.generator = torch.Generator()
        #: what this diagnostic keeps for the later evaluations of the run
        self.kept: dict[str, Any] = {}
        self._criterion = criterion
        self._loss = Loss(model, criterion, (), restrict)
        self._named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        #: what `once` has computed
        self.cache = cache

    def own(self) -> Probe:
        """The same probe for one diagnostic: the model as it was, and nothing that others change.

        Only what `once` computes is common to them.
        """
        other = copy.copy(self)
        other.parameters = dict(self.parameters)
        other.batch = (self.batch[0].clone(), self.batch[1].clone())
        other.generator = torch.Generator()
        other.kept = {}
        other.load(self.now.weights)
        for parameter in self._named.values():
            parameter.grad = None
        return other

    @functools.cached_property
    def parts(self) -> tuple[Batch, ...]:
        """The examples of the probing batch in up to 8 parts of equal size, as mini-batches."""
        inputs, targets = (tensor.tensor_split(PARTS) for tensor in self.batch)
        return tuple(part for part in zip(inputs, targets, strict=True) if len(part[0]))

    # -- the past -----------------------------------------------------------------------------

    @property
    def initial(self) -> Tensors:
        """The trained parameters before training, by name."""
        weights = (*self.earlier, self.now)[0].weights
        return {name: weights[name].to(self.device, copy=True) for name in self.parameters}

    @property
    def before(self) -> Tensors:
        """The trained parameters before the last update; raises NotApplicable if there is none."""
        if self.now.before is None:
            raise NotApplicable("no update is known at this evaluation")
        return {name: t.to(self.device, copy=True) for name, t in self.now.before.items()}

    @property
    def update(self) -> Tensors:
        """The last update, after minus before; raises NotApplicable if there is none."""
        before = self.before
        return {name: p.detach() - before[name] for name, p in self.parameters.items()}

    def setting(self, name: str) -> float:
        """A number that the optimizer's groups share, such as "lr".

        Raises NotApplicable if there is none, or if the groups differ.
        """
        found = {settings.get(name) for settings in self.now.settings.values()}
        (value,) = found if len(found) == 1 else (None,)
        if value is None:
            raise NotApplicable(f"the optimizer has no single '{name}' for all parameters")
        return value

    def load(self, weights: Tensors) -> None:
        """Give the model other weights, such as `probe.earlier[0].weights`, by name."""
        with torch.no_grad():
            for name, tensor in weights.items():
                self._named[name].copy_(tensor)

    def anew(self) -> Probe:
        """The same probe with nothing computed yet: for a model whose weights were changed."""
        other = copy.copy(self)
        other.cache = {}
        return other

    # -- the model ------------------------------------------------------------------------------

    def outputs(self, batch: Batch | None = None) -> Tensor:
        """Outputs of the model that the task compares with the targets, with a graph."""
        return self._loss.compared(batch or self.batch)[0]

    def compared(self, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        """The outputs, and the targets that the task compares them with."""
        return self._loss.compared(batch or self.batch)

    def loss(self, batch: Batch | None = None) -> Tensor:
        """The task's mean loss, a scalar with a graph."""
        return self._loss.of_examples(batch or self.batch)

    def losses(self, batch: Batch | None = None) -> Tensor:
        """The loss of every example, of shape (examples,), with a graph."""
        return each(self._criterion, *self._loss.compared(batch or self.batch))

    def gradient(self, batch: Batch | None = None) -> Tensors:
        """The gradient of `loss` by parameter name, without a graph; 0 where there is none."""
        with torch.enable_grad():
            found = torch.autograd.grad(
                self.loss(batch), list(self.parameters.values()), materialize_grads=True
            )
        return dict(zip(self.parameters, found, strict=True))

    @contextmanager
    def hessian(self, batch: Batch | None = None) -> Iterator[Callable[[Tensor], Tensor]]:
        """The product of the loss's Hessian with a flat vector, of shape (parameters,).

        Entries are in the order of `flat`. The first product costs 3 gradient evaluations, each
        further one 2.
        """
        parameters = list(self.parameters.values())
        # The fast kernels of attention cannot be differentiated twice.
        with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
            gradients = torch.autograd.grad(
                self.loss(batch), parameters, create_graph=True, materialize_grads=True
            )
            gradient = torch.cat([g.flatten() for g in gradients])

            def product(vector: Tensor) -> Tensor:
                if not gradient.requires_grad:  # the loss is linear
                    return torch.zeros_like(vector)
                found = torch.autograd.grad(
                    gradient @ vector.detach(),
                    parameters,
                    retain_graph=True,
                    materialize_grads=True,
                )
                return torch.cat([f.flatten() for f in found])

            yield product

    def flat(self, tensors: Tensors) -> Tensor:
        """Tensors of the trained parameters as one vector, of shape (parameters,)."""
        return torch.cat([tensors[name].detach().flatten() for name in self.parameters])

    def once(self, name: str, compute: Callable[[Probe], _Found]) -> _Found:
        """What `compute(probe)` returns, computed once at this evaluation for all diagnostics.

        `name` is unique to what is computed. Do not change what you get: others get it, too.
        """
        if name not in self.cache:
            self.cache[name] = compute(self)
        found: _Found = self.cache[name]
        return found
