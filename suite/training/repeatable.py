"""The same seed gives the same bits: process-wide settings, and every global generator."""

from __future__ import annotations

import random

import numpy as np
import torch


def make_repeatable(threads: int, device: str = "cpu") -> None:
    """The process-wide settings under which the same seed gives the same bits.

    A GPU has no repeatable kernel for some operators (adaptive max pooling backward is one): there
    torch warns in the log instead of refusing the model.
    """
    torch.set_num_threads(threads)
    # Numbers below 1e-38 take a CPU many times as long as others, so that a method would look slow
    # for bringing the loss to nothing: they are zero here, as in many kernels of a GPU.
    torch.set_flush_denormal(True)
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    # Fresh memory is not filled with NaN, which takes time. A method that reads what it never wrote
    # fails the tests of equal reruns instead, which cover all methods in the repo, but no others.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def seed_everything(seed: int, device: str) -> None:
    """Seed every global generator that a method may draw from."""
    # torch.manual_seed looks for every kind of device, half a millisecond where there is none.
    seed_torch = torch.default_generator.manual_seed if device == "cpu" else torch.manual_seed
    seed_torch(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # numpy takes 32 bits
