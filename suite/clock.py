"""Time and memory of a trial: training apart from evaluation, with the device synchronized."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from suite.tasks import Split, Task

_CALIBRATION_SECONDS = 0.04
_CALIBRATION_STEPS = 20


class Clock:
    """Seconds of training and of evaluation; start-up counts as neither."""

    def __init__(self, device: str) -> None:
        self.training = 0.0
        self.evaluation = 0.0
        self._device = device
        self._since: float | None = None
        self._paused = 0.0

    def start(self) -> None:
        """Training begins."""
        self._since = self._now()

    def stop(self) -> None:
        """Training ends."""
        if self._since is not None:
            self.training += self._now() - self._since
            self._since = None

    def pause(self) -> None:
        """Training rests while the suite evaluates, until `resume`."""
        self._paused = now = self._now()
        if self._since is not None:
            self.training += now - self._since

    def resume(self) -> None:
        """Evaluation ends and training goes on."""
        self._since = now = self._now()
        self.evaluation += now - self._paused

    def _now(self) -> float:
        synchronize(self._device)
        return time.perf_counter()


def synchronize(device: str) -> None:
    """Wait until the device has done all its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


_calibrations: dict[tuple[str, int, str, int], float] = {}


def warm_up() -> None:
    """Make torch's first optimizer, which imports its compiler, before anything is timed."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])


def calibrate(task: Task, train: Split, device: str) -> float:
    """Seconds of one AdamW step of a task on this machine: what other timings are read against.

    Timed once a process. Uses torch's global generator: call it before seeding.
    """
    key = (task.name, task.version, device, torch.get_num_threads())
    if key not in _calibrations:
        model = _ready(task, train, device)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        _calibrations[key] = _time_steps(task, model, train, device, optimizer.step)
    return _calibrations[key]


def time_gradient(task: Task, train: Split, device: str) -> float:
    """Seconds of one gradient evaluation, for estimates.

    Without an optimizer: making torch's first one imports its compiler, which takes seconds.
    """
    model = _ready(task, train, device)
    return _time_steps(task, model, train, device, lambda: None)


def _ready(task: Task, train: Split, device: str) -> nn.Module:
    model = task.problem.model().to(device)
    task.problem.initialize(model, train)
    task.problem.accelerate(model, device)
    return model.train()


def _time_steps(
    task: Task, model: nn.Module, train: Split, device: str, update: Callable[[], object]
) -> float:
    """Median seconds of up to 20 steps within 40 ms, after two of warm-up."""
    batches = task.problem.batches(train, task.batch_size, torch.Generator().manual_seed(0))
    seconds: list[float] = []
    for step in range(2 + _CALIBRATION_STEPS):
        inputs, targets = next(batches)
        synchronize(device)
        began = time.perf_counter()
        model.zero_grad()
        task.problem.criterion(model(inputs), targets).backward()
        update()
        synchronize(device)
        if step >= 2:
            seconds.append(time.perf_counter() - began)
            if sum(seconds) > _CALIBRATION_SECONDS:
                break
    return statistics.median(seconds)


def time_evaluation(task: Task, model: nn.Module, split: Split) -> float:
    """Seconds of one evaluation of a model on a split, for estimates."""
    model.eval()
    began = time.perf_counter()
    with torch.no_grad():
        task.problem.evaluate(model, split)
    return time.perf_counter() - began


def reset_peak_memory(device: str) -> None:
    """Forget the peak of trials that ran in this process before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        # Not permitted in some containers: the peak is then the process's own.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: str) -> int:
    """Peak memory: of the device on a GPU, of the whole process on a CPU."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
