"""What changes from task to task of a stream: the order of pixels, or the labels of classes."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import Split


def pixel_order(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random order of the pixels of images (N, ...), on their device."""
    return torch.randperm(images[0].numel(), generator=generator).to(images.device)


def label_exchange(split: Split, classes: int, generator: torch.Generator) -> Tensor:
    """A random exchange of labels: class k gets the label at k, on the device of the split."""
    return torch.randperm(classes, generator=generator).to(split.targets.device)
