"""Refined schedule: a learning rate computed from the gradient norms of a former run."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, NotApplicable, Objective, Regularizer, TaskInfo, regularizer, search

#: the share of the budget that the former run gets, and the width of the median filter
FORMER, WIDTH = 0.5, 0.1


class RefinedSchedule(Regularizer):
    """Defazio et al. 2023, algorithms 1 ("l2", for SGD) and 2 ("l1", for Adam).

    A former run of T steps, with a linear decay to 0, leaves the norms of its gradients, smoothed
    by a median filter of width 0.1 T: G_t. The run that counts begins at the same weights again.
    Its rate at step t is w_t (w_{t+1} + ... + w_T), divided by the largest of them, where w_t is
    1 / G_t^2, or 1 / G_t for the l1 norm. The last step has a rate of 0, as in the authors' code.

    Deviates from the paper: both runs share the budget, half of it each, and the former one is
    evaluated while it lasts. The optimizer's state is emptied between the runs: what an optimizer
    keeps elsewhere is kept, and one that makes its state when it is built cannot go on.
    """

    def __init__(self, norm: str) -> None:
        self.norm = norm
        self._norms: list[Tensor] = []
        self._start: dict[str, Tensor] = {}
        #: each group's rate without a factor, and the factors of the second run
        self._full: list[float] = []
        self._rates: list[float] = []

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.tasks is not None:
            raise NotApplicable("a stream cannot be run twice")

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._start = {name: t.clone() for name, t in model.state_dict().items()}

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        if not self._rates:
            found = [p.grad for p in parameters if p.grad is not None]
            order = 1.0 if self.norm == "l1" else 2.0
            self._norms.append(torch.nn.utils.get_total_norm(found, order).double())

    def after_step(self, model: nn.Module, optimizer: Optimizer) -> None:
        groups, progress = optimizer.param_groups, self.objective.progress
        if not self._full:
            self._full = [group["lr"] / self.lr_factor for group in groups]
        factor = 1 - progress / FORMER
        if progress >= FORMER:
            if not self._rates:
                norms = torch.stack(self._norms).tolist()
                self._rates = _refined(norms, 1 if self.norm == "l1" else 2)
                model.load_state_dict(self._start)
                optimizer.state.clear()
            # a share of the former run, which may have had more steps or fewer
            step = int((progress - FORMER) / (1 - FORMER) * len(self._rates) + 1e-6)
            factor = self._rates[min(step, len(self._rates) - 1)]
        for group, full in zip(groups, self._full, strict=True):
            group["lr"] = full * self.lr_factor * factor


def _refined(norms: list[float], power: int) -> list[float]:
    weights = [1 / max(g, 1e-30) ** power for g in _filtered(norms)]
    rates, rest = [], 0.0
    for weight in reversed(weights):
        rates.append(weight * rest)
        rest += weight
    largest = max(rates) or 1.0
    return [rate / largest for rate in reversed(rates)]


def _filtered(values: list[float]) -> list[float]:
    """Medians of an odd number of values; the first is repeated before, the last ones mirrored."""
    half, last = int(WIDTH * len(values)) // 2, len(values) - 1
    found = []
    for i in range(len(values)):
        places = range(i - half, i + half + 1)
        window = sorted(values[max(last - abs(last - j), 0)] for j in places)
        found.append(window[half])
    return found


regularizer(
    "refined_schedule",
    RefinedSchedule,
    summary="Trains twice: the second run's learning rates come from the first's gradient norms.",
    paper="Defazio et al. 2023, When, Why and How Much? Adaptive Learning Rate Scheduling by "
    "Refinement",
    url="https://arxiv.org/abs/2310.07831",
    search={"norm": search.choice("l1", "l2", default="l1")},
    claims=[
        Claim(
            says="Refined schedules improve on linear decay.",
            task="separable_logreg",
            method="sgd+refined_schedule",
            rival="sgd@linear_decay",
            measure="score",
            expect="better",
            number="no number in the abstract: further improvements over linear decay, with a "
            "suite of logistic regressions",
            place="abstract",
        ),
        Claim(
            says="Refined schedules improve on linear decay for language models.",
            task="lm_markov_short",
            method="adamw+refined_schedule",
            rival="adamw@linear_decay",
            measure="score",
            expect="better",
            number="no number in the abstract: further improvements over linear decay, with ten "
            "deep learning problems and a series of language models",
            place="abstract",
        ),
    ],
)
