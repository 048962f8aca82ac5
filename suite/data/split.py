"""Examples in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Split:
    """Examples in memory: `inputs` and `targets` share their first dimension."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: str | torch.device) -> Split:
        """The same split on a device."""
        return Split(self.inputs.to(device), self.targets.to(device))
