"""References of losses, labels, data and dropout, on the small network under SGD with rate 0.05."""

from __future__ import annotations

import numpy as np
import torch

from tests.golden.golden import whole
from tests.golden.perceptron import backward, batch, descend, forward
from tests.golden.walk import SEED


def dropped(rate):
    """Dropout of the hidden units at `rate(progress, h)`, with the draws of torch's own stream."""

    def trajectory(setting):
        torch.manual_seed(SEED)

        def gradients(weights, step):
            inputs, targets = batch(setting, step)
            now = rate(step / setting.steps, setting.h)
            mask = np.ones((len(inputs), weights[0].shape[0]))
            if now > 0:
                kept = torch.empty(mask.shape, dtype=torch.float64).bernoulli_(1 - now).numpy()
                mask = kept / (1 - now)
            taken = forward(weights, inputs, targets, mask)
            return backward(weights, taken, taken.slope)

        return descend(setting, gradients)

    return trajectory


def always(progress, h):
    return h["rate"]


def late(progress, h):
    """Liu et al. 2023, section 5."""
    return h["rate"] * (progress >= h["start"])


def early(progress, h):
    """Liu et al. 2023, section 4."""
    left = max(0.0, 1 - progress / h["until"])
    return h["rate"] * (left if h["shape"] == "linear" else left > 0)


REGULARIZERS = {
    "dropout": whole("NumPy: Srivastava et al. 2014, section 4", dropped(always), on_network=True),
    "late_dropout": whole(
        "NumPy: Liu et al. 2023, section 5",
        dropped(late),
        hyper={"rate": 0.3, "start": 0.4},
        on_network=True,
    ),
    "early_dropout": whole(
        "NumPy: Liu et al. 2023, section 4",
        dropped(early),
        hyper={"rate": 0.3, "until": 0.5},
        variants=[{"shape": "linear"}, {"shape": "constant"}],
        on_network=True,
    ),
}
