"""What the image tasks share: splits, augmentation by index, normalization; and their networks."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.data.vision import torchvision_module
from tests.images import write_image_folders

MODULE = sys.modules[type(registry.get("task", "cifar10_resnet18").problem).__module__]
IMAGES = sys.modules[MODULE.ImageProblem.__module__]
NETWORKS = sys.modules[MODULE.resnet.__module__]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(count=200):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator())


@pytest.mark.parametrize(("margin", "reflect"), [(2, True), (4, False)])
def test_augmentation_mirrors_and_crops(margin, reflect):
    images = some_images()
    changed = IMAGES.flip_and_crop(images, generator(), "cifar10", margin, reflect)
    assert changed.shape == images.shape
    assert changed.is_contiguous(memory_format=torch.channels_last)
    frame = (margin,) * 4
    normalized = IMAGES.normalize(images, "cifar10")
    padded = nn.functional.pad(normalized, frame, "reflect" if reflect else "constant")
    seen = set()
    places = range(2 * margin + 1)
    for before, after in zip(padded, changed, strict=True):
        windows = before.unfold(1, 32, 1).unfold(2, 32, 1)
        # The mean color in whole bytes is zero but for rounding.
        cropped = {(row, column): windows[:, row, column] for row in places for column in places}
        distance = {
            (flip, *place): float(((crop.flip(2) if flip else crop) - after).abs().max())
            for place, crop in cropped.items()
            for flip in (False, True)
        }
        best = min(distance, key=distance.get)
        assert distance[best] < 0.01
        seen.add(best)
    assert {flip for flip, _, _ in seen} == {False, True}
    assert {row for _, row, _ in seen} == {column for _, _, column in seen} == set(places)
    assert torch.equal(
        changed, IMAGES.flip_and_crop(images, generator(), "cifar10", margin, reflect)
    )


def test_splits_have_the_declared_sizes_and_are_disjoint(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    write_image_folders(tmp_path, train=6, test=3)
    problem = MODULE.ResNet18("cifar10", train=40, validation=15, test=25)
    data = problem.data(tmp_path, generator())
    splits = (data.train, data.validation, data.test)
    rows = [{tuple(row) for row in split.inputs.flatten(1).tolist()} for split in splits]
    assert [len(found) for found in rows] == [40, 15, 25]
    assert len(set.union(*rows)) == 80
    assert not data.canonical


def test_resnet18_computes_what_torchvisions_does():
    """With torchvision's stem exchanged for the one of 32 x 32 pixels."""
    models = torchvision_module("torchvision.models")
    reference = models.resnet18(num_classes=10)
    reference.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    reference.maxpool = nn.Identity()
    ours = NETWORKS.resnet(10, width=64, blocks=(2, 2, 2, 2))
    assert sum(p.numel() for p in ours.parameters()) == 11_173_962

    def shapes(model):
        return sorted(
            (m._get_name(), tuple(m.weight.shape)) for m in model.modules() if hasattr(m, "weight")
        )

    assert shapes(ours) == shapes(reference)
    # Both list weights in the order of computation, a block's shortcut last.
    for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    images = torch.randn(2, 3, 32, 32, generator=generator())
    with torch.no_grad():
        assert torch.allclose(ours.eval()(images), reference.eval()(images), atol=1e-4)


def test_resnet20_has_the_published_depth():
    model = NETWORKS.resnet(10, width=16, blocks=(3, 3, 3))
    convolutions = [
        m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert len(convolutions) + 1 == 20


def test_airbench_has_the_published_shape():
    model = NETWORKS.airbench(10)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert "features.0.weight" in fixed and "features.0.bias" in learned
    filters = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    biases = 24 + 2 * (64 + 256 + 256)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count == filters + biases + 256 * 10 == 1_971_352
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 6
    assert all(not n.weight.requires_grad and n.momentum == 0.4 and n.eps == 1e-12 for n in norms)
    # Dirac: a block's first convolution passes its input channels on.
    first = model.features[2][0]
    passed = first(torch.randn(1, 24, 8, 8, generator=generator()).requires_grad_())[:, :24]
    assert torch.equal(passed, torch.randn(1, 24, 8, 8, generator=generator()))


def test_whitening_decorrelates_patches():
    images = torch.randn(50, 3, 32, 32, generator=generator())
    images = nn.functional.avg_pool2d(images, 3, stride=1, padding=1)
    layer = NETWORKS.Whitening()
    layer.fit(images, ridge=0.0)
    with torch.no_grad():
        outputs = layer(images).transpose(0, 1).flatten(1)
    assert torch.allclose(outputs[:12], -outputs[12:], atol=1e-5)
    covariance = outputs[:12] @ outputs[:12].T / outputs.shape[1]
    assert torch.allclose(covariance, torch.eye(12), atol=1e-3)


def test_six_views_weigh_as_published():
    """Half of the weight on the image in place, half on it moved up-left and down-right."""
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, 10, 10] = 1.0

    def pixels(images):
        return images[:, 0].flatten(1)

    views = MODULE.six_views(pixels, image).view(32, 32)
    assert views[10, 10] == views[10, 21] == 0.25
    assert views[9, 9] == views[11, 11] == views[9, 22] == views[11, 20] == 0.125
    assert views.sum() == 1.0


@pytest.mark.parametrize("build", ["resnet", "airbench", "five_layers", "two_and_two"])
def test_networks_mark_their_head_and_keep_the_weights_layout(build):
    arguments = {"resnet": {"width": 8, "blocks": (1, 1)}, "five_layers": {"width": 2}}
    model = getattr(NETWORKS, build)(10, **arguments.get(build, {}))
    assert model.head.is_head
    size = (2, 1, 28, 28) if build == "two_and_two" else (2, 3, 32, 32)
    images = torch.randn(size, generator=generator()).contiguous(memory_format=torch.channels_last)
    model(images).sum().backward()
    learned = [p for p in model.parameters() if p.requires_grad]
    assert all(p.is_contiguous() and p.grad.is_contiguous() for p in learned)
