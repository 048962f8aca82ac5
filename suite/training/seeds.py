"""Every random draw comes from a stable hash of (seed, purpose): streams are independent."""

from __future__ import annotations

import hashlib

#: how many replicates a result seed has room for
REPLICATES = 100


def replicate_seed(result_seed: int, replicate: int) -> int:
    """The seed of a result's replicate, which all other seeds of the replicate derive from.

    It does not depend on how many replicates a protocol has: methods are compared by it.
    """
    return REPLICATES * result_seed + replicate


def derive(seed: int, *purpose: str | int) -> int:
    """A seed in [0, 2**63) for one purpose: the same on every machine and Python version."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
