"""A small network with batch normalization, for methods that act on it.

Ghost batch normalization (Hoffer et al. 2017, "Train longer, generalize better"), weight averaging,
whose statistics are computed anew (Izmailov et al. 2018), and weight standardization (Qiao et al.
2019) need convolutions that are followed by it. Large batches of few images are where the first of
them is reported to help.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from suite import mark_head, score, task

from .digits import Digits
from .digits_data import CLASSES, PIXELS


class NormalizedDigits(Digits):
    """The images of `Digits` by 3 x 3 convolutions, each with `nn.BatchNorm2d` as torch makes it.

    The first keeps the 8 x 8 pixels; each further one halves both sides. A linear layer reads the
    mean over what is left.
    """

    def model(self) -> nn.Module:
        side = math.isqrt(PIXELS)
        channels = [1, *(self.width * 2**stage for stage in range(self.depth))]
        layers: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
        for stage, (inputs, outputs) in enumerate(pairwise(channels)):
            stride = 1 if stage == 0 else 2
            # Its bias would be subtracted by the normalization.
            convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
        head = mark_head(nn.Linear(channels[-1], CLASSES))
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


task(
    "digits_batchnorm",
    NormalizedDigits(train=500, validation=500, width=16, depth=2),
    version=1,
    track="mini",
    contrast=("adamw", "lion"),
    summary="Digits by convolutions with batch norm, batches of 250: mean test loss over training.",
    source="batch norm: Ioffe and Szegedy 2015; scikit-learn's digits",
    batch_size=250,
    budget=250 * 200,
    evaluations=40,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.2,
)
