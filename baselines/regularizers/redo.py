"""ReDo: dormant units are reset."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search

from .families.units import ACTIVATIONS, Layer, Trace, Units, drawn, set_entries, silence


class ReDo(Regularizer):
    """Algorithm 1: every `period` steps, units whose score is at most `tau` are reset.

    A unit's score is E|h_i| / mean_k E|h_k| over its layer, on the training batch (eq. 1). Its
    incoming weights and bias are drawn from the values that its layer was initialized with, its
    outgoing weights become zero, and so does the optimizer's state of all these entries. A batch
    norm before the activation, which the paper's networks do not have, is reset for the unit too.

    Deviates from the paper: nothing, if the initial weights of a layer were drawn independently.
    In the authors' code a recycled unit's bias becomes zero, the initial value of all biases there;
    the counter of Adam's bias correction is left as it is, here and there.
    """

    def __init__(self, tau: float, period: int) -> None:
        self.tau = tau
        self.period = period
        self._steps = 0
        self._trace: Trace | None = None

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [m for m in model.modules() if isinstance(m, Layer)]
        if not layers or not any(isinstance(m, ACTIVATIONS) for m in model.modules()):
            raise NotApplicable("ReDo needs linear or convolutional layers and activation modules")
        self._initial: dict[Tensor, Tensor] = {p: p.detach().clone() for p in model.parameters()}
        self._generator = info.generator

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._steps += 1
        if self._trace is not None:
            layers, self._trace = self._trace.close(), None
            if not layers:
                raise NotApplicable(
                    "ReDo needs two weight layers with an activation module in between, both of "
                    "them with plain weights (not reparametrized or grouped)"
                )
            if self._steps % self.period == 0:
                self._recycle(layers, optimizer)
        # The second step is traced as well, to report at once if the model has no such layers.
        if self._steps == 1 or (self._steps + 1) % self.period == 0:
            self._trace = Trace(model)

    def _recycle(self, layers: list[Units], optimizer: torch.optim.Optimizer) -> None:
        found = [(units, units.activity <= self.tau * units.activity.mean()) for units in layers]
        for units, dormant in found:
            for module in (units.layer, *units.norms):
                for p in module.parameters(recurse=False):
                    values = drawn(self._initial[p], p[dormant].shape, self._generator)
                    set_entries(p, dormant, values, optimizer)
        # Afterwards, as a weight between two dormant units is both incoming and outgoing.
        for units, dormant in found:
            silence(units, dormant, optimizer)


regularizer(
    "redo",
    ReDo,
    summary="Re-initializes units whose activations have become small, at regular intervals.",
    paper="Sokar et al. 2023, The Dormant Neuron Phenomenon in Deep Reinforcement Learning",
    url="https://arxiv.org/abs/2302.12902",
    search={
        "tau": search.log_uniform(1e-3, 0.3, default=0.025),
        "period": search.choice(10, 30, 100, 300, 1000, default=1000),
    },
    claims=[
        Claim(
            says="Recycling dormant units improves performance on changing targets.",
            task="label_permuted_digits",
            method="adamw+redo",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="no number in the abstract: reduces the number of dormant neurons and results "
            "in improved performance, in deep reinforcement learning",
            place="abstract",
        ),
        Claim(
            says="Recycling dormant units keeps the power to memorize new random labels.",
            task="random_label_memory",
            method="adamw+redo",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="no number in the abstract: maintains the expressive power of networks, in deep "
            "reinforcement learning",
            place="abstract",
        ),
    ],
)
