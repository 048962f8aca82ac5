"""Peak memory of a trial."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch


def reset_peak_memory(device: str) -> None:
    """Forget the peak of earlier trials in this process."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        # Not permitted in some containers: the peak is then that of the whole process.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the tensors in an optimizer's state, at any depth of nesting."""
    seen: dict[int, int] = {}
    waiting: list[object] = list(optimizer.state.values())
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor):
            seen[id(item)] = item.nelement() * item.element_size()
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
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
