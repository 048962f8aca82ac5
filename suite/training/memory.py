"""Peak memory of a trial."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch


def reset_peak_memory(device: str) -> None:
    """Forget the peak of trials that ran in this process before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        # Not permitted in some containers: the peak is then the process's own.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the tensors in an optimizer's state, whatever they are nested in."""
    seen: dict[int, int] = {}
    waiting: list[object] = list(optimizer.state.values())
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, torch.Tensor):
            seen[id(thing)] = thing.nelement() * thing.element_size()
        elif isinstance(thing, dict):
            waiting.extend(thing.values())
        elif isinstance(thing, (list, tuple)):
            waiting.extend(thing)
    return sum(seen.values())


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
