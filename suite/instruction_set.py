"""The instruction set that arithmetic on a CPU uses: AVX2 wherever a processor has it.

By default torch, MKL and oneDNN each take the widest instructions of the processor, so that sums
are rounded in another order on the next one: of 24 trials, 2 were equal to the bit with AVX-512 and
with AVX2. With the settings here all 24 were, also where MKL was told that the processor has no
more than AVX2. The price is 7% of AdamW's time on twelve core tasks (6.99 and 6.55 s), and more
where matrices are multiplied in bfloat16.
"""

from __future__ import annotations

import os
from pathlib import Path

#: of torch's own kernels, of MKL's matrix products (which it calls a conditional numerical
#: reproducibility mode) and of oneDNN's convolutions. Each is read when its library first computes
SETTINGS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
_INFO = Path("/proc/cpuinfo")


def settings(info: Path = _INFO) -> dict[str, str]:
    """The variables of a process's environment; none where AVX2 is not known to be there.

    An instruction that a processor lacks would end the process.
    """
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    flags = next((line for line in lines if line.startswith("flags")), "")
    return dict(SETTINGS) if "avx2" in flags.split() else {}


def fix() -> None:
    """Set them for this process and those that it starts.

    Too late for a library that has computed in this process: trials run in others.
    """
    os.environ.update(settings())


def in_use() -> str:
    """The name of the instruction set that trials run with, as torch calls it."""
    return "AVX2" if settings() else here()


def here() -> str:
    """That of this process."""
    import torch  # seconds, and many commands do without

    return torch.backends.cpu.get_cpu_capability()
