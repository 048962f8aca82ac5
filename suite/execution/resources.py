"""What trials share on one machine: its GPUs and its memory."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from suite.results.model import Run

_MEMORY = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup")


def gpus() -> list[str]:
    """The GPUs that trials may use, as CUDA_VISIBLE_DEVICES names them.

    Those of the first one's kind: one result, one kind of machine.
    """
    import torch  # seconds, and many commands do without

    count = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in given.split(",")] if given else [*map(str, range(count))]
    if count < 2:  # to ask for its kind would take memory of it
        return names[:count]
    kinds = [torch.cuda.get_device_name(number) for number in range(count)]
    return [name for name, kind in zip(names, kinds, strict=False) if kind == kinds[0]]


def gpus_of_slots(jobs: int, per_device: int | None) -> list[str]:
    """The GPU of each of the first slots; the others run no trial on a GPU.

    Each GPU has `per_device` slots; without, as many as `jobs` slots make.
    """
    found = gpus()
    if not found:
        return []
    each = math.ceil(jobs / len(found)) if per_device is None else per_device
    return (found * each)[:jobs]


def available_memory() -> int | None:
    """Bytes of memory that new processes can get, in this container; None where unknown."""
    try:
        left = [int(_number(_MEMORY.read_text(), r"^MemAvailable:\s*(\d+) kB")) * 1024]
    except (OSError, ValueError):
        return None
    try:
        limit = int((_CONTAINER / "memory.max").read_text())
        used = int((_CONTAINER / "memory.current").read_text())
        # Files that were read and can be dropped count as used.
        cached = int(_number((_CONTAINER / "memory.stat").read_text(), r"^inactive_file (\d+)"))
        left.append(limit - used + cached)
    except (OSError, ValueError):  # no limit, or an older kernel
        pass
    return min(left)


def _number(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def ran_out_of_memory(run: Run) -> bool:
    """Whether a trial, or its audit, ended because it got no memory."""
    reason = (run.reason or "").lower()
    said = "out of memory" in reason or "outofmemory" in reason or "alloc_failed" in reason
    return run.status == "out_of_memory" or (run.status == "failed" and said)
