"""Continual backpropagation: the least useful of the older units are replaced, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from suite import (
    Claim,
    NotApplicable,
    Objective,
    Regularizer,
    TaskInfo,
    regularizer,
    search,
)

from .families.units import (
    ACTIVATIONS,
    Layer,
    Trace,
    Units,
    drawn,
    outgoing,
    set_entries,
    silence,
)

#: of the average of a unit's utility over steps
DECAY = 0.99


class ContinualBackprop(Regularizer):
    """Dohare et al. 2024, algorithm 1, after every step and for each layer of hidden units.

    The age of every unit grows by 1, and its utility is the average over steps
    u = 0.99 u + 0.01 E|h| sum_k |w_k|, with the mean of its activations over the batch and the sum
    over its outgoing weights. Of the n units older than `maturity`, n * `rate` are to be replaced:
    a counter adds these up, and for each whole number in it the unit with the least u / (1 -
    0.99^age) starts anew. Its incoming weights are drawn as at the beginning, its bias, its
    outgoing weights, its age and its utility become zero.

    Deviates from the paper: u is divided by 1 - 0.99^age, as in the authors' code; their code also
    adds what a unit gave on average to the next layer's bias, but only after it has set that
    average to 0. Incoming weights are drawn from the initial ones of the layer. The optimizer's
    state of all these weights becomes zero, as in the authors' code for Adam, except for the
    counter of Adam's bias correction, which torch has for a whole tensor. A batch norm before the
    activation starts anew for the unit too.
    """

    def __init__(self, rate: float, maturity: int) -> None:
        self.rate = rate
        self.maturity = maturity
        self._layers: dict[nn.Module, _Bookkeeping] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [m for m in model.modules() if isinstance(m, Layer)]
        if not layers or not any(isinstance(m, ACTIVATIONS) for m in model.modules()):
            raise NotApplicable(
                "continual backpropagation needs linear or convolutional layers and activation "
                "modules"
            )
        self._initial: dict[Tensor, Tensor] = {p: p.detach().clone() for p in model.parameters()}
        self._generator = info.generator

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._trace = Trace(model)

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        layers = self._trace.take()
        if not layers:
            raise NotApplicable(
                "continual backpropagation needs two weight layers with an activation module in "
                "between, both of them with plain weights (not reparametrized or grouped), and an "
                "optimizer that passes batches through the model one by one"
            )
        for units in layers:
            kept = self._layers.get(units.layer)
            if kept is None:
                count = len(units.activity)
                kept = _Bookkeeping(torch.zeros_like(units.activity), torch.zeros(count))
                self._layers[units.layer] = kept
            kept.age += 1
            kept.utility.lerp_(units.activity * outgoing(units), 1 - DECAY)
            mature = kept.age > self.maturity
            kept.due += self.rate * int(mature.sum())
            if kept.due >= 1:
                self._replace(units, kept, mature, optimizer)

    def _replace(
        self, units: Units, kept: _Bookkeeping, mature: Tensor, optimizer: torch.optim.Optimizer
    ) -> None:
        count = int(kept.due)
        kept.due -= count
        utility = kept.utility.cpu() / (1 - DECAY**kept.age)
        utility[~mature] = float("inf")
        worst = torch.zeros(len(utility), dtype=torch.bool)
        worst[utility.topk(min(count, int(mature.sum())), largest=False).indices] = True
        there = worst.to(kept.utility.device)
        bias = units.layer.bias
        for module in (units.layer, *units.norms):
            for p in module.parameters(recurse=False):
                shape = p[there].shape
                values = 0.0 if p is bias else drawn(self._initial[p], shape, self._generator)
                set_entries(p, there, values, optimizer)
        silence(units, there, optimizer)
        kept.utility[there] = 0
        kept.age[worst] = 0


@dataclass
class _Bookkeeping:
    """The units of one layer."""

    #: average of the contribution, shape (units,)
    utility: Tensor
    #: steps since the unit began, shape (units,), on the CPU
    age: Tensor
    #: units that are to be replaced, a fraction included
    due: float = 0.0


regularizer(
    "cbp",
    ContinualBackprop,
    summary="Replaces units of little use, a few at a time, so that learning can go on.",
    paper="Dohare et al. 2024, Loss of plasticity in deep continual learning",
    url="https://doi.org/10.1038/s41586-024-07711-7",
    search={
        "rate": search.log_uniform(1e-6, 1e-2, default=1e-4),
        "maturity": search.choice(20, 100, 1000, default=100),
    },
    claims=[
        Claim(
            says="Continual backpropagation keeps plasticity under ever new inputs, which "
            "backpropagation loses.",
            task="permuted_digits_short",
            method="adamw+cbp",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="online permuted MNIST, 800 tasks: no loss of plasticity and the best level "
            "of performance",
            place="extended data figure 4",
        ),
        Claim(
            says="Continual backpropagation keeps plasticity under ever new tasks.",
            task="label_permuted_digits",
            method="adamw+cbp",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="plasticity is maintained indefinitely only by methods that inject "
            "diversity; no number",
            place="abstract",
        ),
        Claim(
            says="With SGD it ends better than SGD alone.",
            task="permuted_digits_short",
            method="sgd+cbp",
            rival="sgd",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="online permuted MNIST, 800 tasks: no loss of plasticity and the best level "
            "of performance",
            place="extended data figure 4",
        ),
    ],
)
