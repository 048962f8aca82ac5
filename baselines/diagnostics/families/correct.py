"""Which of the probing examples are classified correctly."""

from __future__ import annotations

import torch

from suite import NotApplicable, Probe

from .features import compared


def correct(probe: Probe) -> torch.Tensor:
    """Whether each example is classified correctly, the same examples at every evaluation."""
    if probe.stream:
        raise NotApplicable("the examples of a stream do not come again")
    if probe.classes is None:
        raise NotApplicable("the targets of this task are no classes")
    outputs, targets = compared(probe)
    return (outputs.argmax(-1) == targets).flatten().cpu()
