"""Snapshots of a run for diagnostics: copies of what it held at chosen evaluations.

While a run goes on, nothing of a diagnostic runs: the loop only copies tensors and numbers. The
diagnostics look at the copies after the last step, so that they cannot change the run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]
Tensors = dict[str, Tensor]

#: memory for the snapshots of a run; a large model is seen at fewer evaluations
MAX_BYTES = 4 * 2**30
#: of a stream, the latest batches are kept: earlier data does not come again
STREAM_BATCHES = 8
#: a step is expected to cost up to this many times what the last one did
_LONGER = 2.0


@dataclass(frozen=True)
class Snapshot:
    """What a run held at one evaluation; every tensor is a copy."""

    #: the number of the evaluation, counted from 0 before training
    point: int
    #: share of the budget spent
    progress: float
    #: gradient evaluations spent
    spent: float
    steps: int
    #: parameters and buffers by name
    weights: Tensors
    #: the trained parameters before the last update; None before the first, and where a step came
    #: unexpectedly early
    before: Tensors | None
    #: what the last step left in `.grad`, by the parameter's name
    gradients: Tensors
    #: numbers in the optimizer's group of each trained parameter, such as its `lr`
    settings: Mapping[str, Mapping[str, float]]
    #: tensors that the optimizer keeps for each trained parameter, of its shape
    state: Mapping[str, Tensors]
    #: the latest batches of a stream, as drawn; empty on other tasks
    batches: tuple[Batch, ...]


def chosen_points(evaluations: int, count: int) -> list[int]:
    """Numbers of `count` evaluations, evenly spread: the one before training, ..., the last."""
    count = min(count, evaluations + 1)
    return sorted({round(i * evaluations / max(1, count - 1)) for i in range(count)})


class Snapshots:
    """Takes the snapshots of one run; see `suite.training.loop` for when."""

    def __init__(self, count: int, evaluations: int, interval: float, batch_size: int) -> None:
        self._count = count
        self._evaluations = evaluations
        self._interval = interval
        self._batch_size = batch_size
        self._wanted: deque[int] = deque()
        #: the trained parameters when the last two steps began
        self._begun: deque[tuple[int, Tensors]] = deque(maxlen=2)
        #: what the last step cost
        self.last_cost = 0.0
        self._latest: deque[Batch] | None = None
        #: of the last model that may count, see `keep`
        self._kept: Snapshot | None = None
        self.taken: list[Snapshot] = []
        #: seconds that the copies took
        self.seconds = 0.0

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer, *, stream: bool) -> None:
        """Training begins."""
        self._model = model
        self._optimizer = optimizer
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._latest = deque(maxlen=STREAM_BATCHES) if stream else None
        size = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
        # A snapshot holds the weights four times: now, before, gradients and the optimizer's state.
        count = max(2, min(self._count, MAX_BYTES // max(1, 5 * size)))
        self._wanted = deque(chosen_points(self._evaluations, count))

    def drawn(self, batch: Batch) -> None:
        """A batch of a stream was drawn."""
        if self._latest is not None:
            self._latest.append((batch[0].clone(), batch[1].clone()))

    def step_begins(self, spent: float, steps: int) -> None:
        """Before every step: copies the weights if its end may be a chosen evaluation."""
        if self._wanted and spent + _LONGER * self.last_cost >= self._wanted[0] * self._interval:
            began = time.perf_counter()
            self._begun.append((steps, _copies(self._trained)))
            self.seconds += time.perf_counter() - began

    def take(self, point: int, spent: float, budget: float, steps: int, *, last: bool) -> None:
        """Evaluation number `point` was made: take a snapshot if it is a chosen one, or the last.

        An evaluation that a long step passed over is made up for at the next one.
        """
        if (self._wanted and point >= self._wanted[0]) or last:
            self.taken.append(self._snapshot(point, spent, budget, steps))
            self._pass_over(point)

    def keep(self, point: int, spent: float, budget: float, steps: int) -> None:
        """A model was measured that counts as the last one unless another step ends."""
        self._kept = self._snapshot(point, spent, budget, steps)

    def use_kept(self) -> None:
        """It does count: its measurement is on the curve."""
        if self._kept is not None:
            self.taken.append(self._kept)
            self._wanted.clear()

    def _pass_over(self, point: int) -> None:
        while self._wanted and self._wanted[0] <= point:
            self._wanted.popleft()

    def _snapshot(self, point: int, spent: float, budget: float, steps: int) -> Snapshot:
        began = time.perf_counter()
        # An online task is measured after the next step has begun, a batch later.
        before = next((w for number, w in self._begun if number == steps - 1), None)
        named = {**dict(self._model.named_parameters()), **dict(self._model.named_buffers())}
        found = Snapshot(
            point=point,
            progress=spent / budget,
            spent=spent / self._batch_size,
            steps=steps,
            weights=_copies(named),
            before=before,
            gradients=_copies({n: p.grad for n, p in self._trained.items() if p.grad is not None}),
            settings=self._settings(),
            state=self._state(),
            batches=tuple(self._latest or ()),
        )
        self.seconds += time.perf_counter() - began
        return found

    def _settings(self) -> dict[str, dict[str, float]]:
        groups: dict[int, dict[str, float]] = {}
        for group in self._optimizer.param_groups:
            numbers = _numbers(group)
            groups.update(dict.fromkeys(map(id, group["params"]), numbers))
        return {name: groups[id(p)] for name, p in self._trained.items() if id(p) in groups}

    def _state(self) -> dict[str, Tensors]:
        found: dict[str, Tensors] = {}
        for name, p in self._trained.items():
            # Not `state[p]`: that would add an entry to what the optimizer keeps.
            kept = self._optimizer.state.get(p)
            if not isinstance(kept, Mapping):
                continue
            tensors = {
                k: t for k, t in kept.items() if isinstance(t, Tensor) and isinstance(k, str)
            }
            found[name] = _copies({k: t for k, t in tensors.items() if t.shape == p.shape})
            steps = kept.get("step")
            if isinstance(steps, Tensor) and steps.numel() == 1:
                found[name]["step"] = steps.detach().to("cpu", copy=True)
        return found


def _numbers(group: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an optimizer's group; a pair such as `betas` as "betas_0" and "betas_1"."""
    found: dict[str, float] = {}
    for name, value in group.items():
        values = value if isinstance(value, (tuple, list)) else [value]
        if name == "params" or not 1 <= len(values) <= 4:
            continue
        for number, one in enumerate(values):
            if isinstance(one, Tensor) and one.numel() == 1:
                one = one.item()
            if isinstance(one, (int, float)) and not isinstance(one, bool):
                found[name if values is not value else f"{name}_{number}"] = float(one)
    return found


def _copies(tensors: Mapping[str, Tensor]) -> Tensors:
    """Copies in the CPU's memory."""
    return {name: t.detach().to("cpu", copy=True) for name, t in tensors.items()}
