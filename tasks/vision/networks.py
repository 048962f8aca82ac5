"""Networks for small images, in bfloat16 on a GPU and in float32 elsewhere.

Each is `features`, which a task may compile, and a head. Weights keep torch's usual memory layout,
as methods reshape them; images are stored channels last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from suite import mark_head


class ImageNetwork(nn.Module):
    """Features, flattened, and a head: images (N, C, H, W) to float32 scores (N, classes)."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        kind = images.device.type
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"):
            scores = self.head(self.features(images).flatten(1))
        return scores.float()


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, normalized: bool) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_convolution(inputs, outputs, 3, stride, normalized),
            nn.ReLU(),
            *_convolution(outputs, outputs, 3, 1, normalized),
        )
        same = stride == 1 and inputs == outputs
        shortcut = [] if same else _convolution(inputs, outputs, 1, stride, normalized)
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.relu(self.convolutions(images) + self.shortcut(images))


def _convolution(
    inputs: int, outputs: int, size: int, stride: int, normalized: bool
) -> list[nn.Module]:
    bias = not normalized
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=bias)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return [convolution, nn.BatchNorm2d(outputs)] if normalized else [convolution]


def resnet(
    classes: int, *, width: int, blocks: tuple[int, ...], normalized: bool = True
) -> ImageNetwork:
    """He et al. 2016, "Deep Residual Learning for Image Recognition", for 32 x 32 pixels.

    A 3 x 3 stem without pooling, stages of `blocks` basic blocks, each stage with half the
    resolution and twice the channels of the one before, and the mean over what is left. ResNet-18
    is `width=64, blocks=(2, 2, 2, 2)`; ResNet-20 is `width=16, blocks=(3, 3, 3)`, except that
    there the authors' shortcuts have no weights.
    """
    layers: list[nn.Module] = [*_convolution(3, width, 3, 1, normalized), nn.ReLU()]
    channels = width
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(BasicBlock(channels, width * 2**stage, stride, normalized))
            channels = width * 2**stage
    layers.append(nn.AdaptiveAvgPool2d(1))
    return ImageNetwork(nn.Sequential(*layers), mark_head(nn.Linear(channels, classes)))


class Whitening(nn.Conv2d):
    """A 2 x 2 convolution to 24 channels whose weights decorrelate patches; only its bias learns.

    Its weights come from data: see `fit`.
    """

    def __init__(self) -> None:
        super().__init__(3, 24, 2)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def fit(self, images: Tensor, ridge: float = 5e-4) -> None:
        """Take the eigenvectors of the images' 2 x 2 patches, scaled to variance 1, and negated.

        `images` are normalized, (N, 3, H, W); `ridge` bounds the scale of patterns that hardly
        occur.
        """
        patches = nn.functional.unfold(images, 2).transpose(1, 2).flatten(0, 1).double()
        variances, patterns = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (patterns / (variances + ridge).sqrt()).T.flip(0).view(12, 3, 2, 2)
        self.weight.copy_(torch.cat((filters, -filters)))


class AirbenchBlock(nn.Sequential):
    """Two 3 x 3 convolutions, the first one max-pooled; both batch-normalized, then GELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            *(_dirac_convolution(inputs, outputs), nn.MaxPool2d(2)),
            *(_biased_norm(outputs), nn.GELU()),
            *(_dirac_convolution(outputs, outputs), _biased_norm(outputs), nn.GELU()),
        )


def _dirac_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """The first `inputs` filters pass their channel on, the others are torch's default."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(convolution.weight[:inputs])
    return convolution


def _biased_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalization that learns a bias but no scale, and averages over few batches."""
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm


class Scaled(nn.Linear):
    """A linear layer without bias whose outputs are multiplied by 1/9."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) / 9


def airbench(classes: int, widths: tuple[int, ...] = (64, 256, 256)) -> ImageNetwork:
    """Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU": the network of airbench94.

    Its first layer is a `Whitening`, at `features[0]`, which is to be fitted to training images.
    """
    blocks = [AirbenchBlock(*pair) for pair in pairwise((24, *widths))]
    features = nn.Sequential(Whitening(), nn.GELU(), *blocks, nn.MaxPool2d(3))
    return ImageNetwork(features, mark_head(Scaled(widths[-1], classes, bias=False)))


def five_layers(classes: int, width: int) -> ImageNetwork:
    """Four convolutions of k, 2k, 4k and 8k channels and a linear layer.

    Nakkiran et al. 2020, "Deep Double Descent": batch-normalized, pooled by 1, 2, 2 and 8.
    The authors' convolutions have biases, which the normalization cancels.
    """
    layers: list[nn.Module] = []
    channels = 3
    for stage, pooled in enumerate((1, 2, 2, 8)):
        outputs = width * 2**stage
        layers += [*_convolution(channels, outputs, 3, 1, normalized=True), nn.ReLU()]
        layers += [nn.MaxPool2d(pooled)] if pooled > 1 else []
        channels = outputs
    return ImageNetwork(nn.Sequential(*layers), mark_head(nn.Linear(channels, classes)))


def two_and_two(classes: int) -> ImageNetwork:
    """Two 5 x 5 convolutions and two linear layers, for 28 x 28 gray pixels.

    Schneider et al. 2019, "DeepOBS: A Deep Learning Optimizer Benchmark Suite": the network "2c2d".
    """

    def layers() -> Iterator[nn.Module]:
        for inputs, outputs in ((1, 32), (32, 64)):
            yield from (nn.Conv2d(inputs, outputs, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        yield from (nn.Flatten(), nn.Linear(64 * 7 * 7, 1024), nn.ReLU())

    return ImageNetwork(nn.Sequential(*layers()), mark_head(nn.Linear(1024, classes)))
