"""MNIST's, EMNIST's and CIFAR-100's layouts, as made-up files: read, fetched, told apart."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from suite.data import catalog, download, load_images, prepare_images
from suite.data.vision import torchvision_module
from suite.errors import DamagedData, MissingData, UsageError
from tests.servers import serving

RANDOM = np.random.default_rng(0)
COUNTS = {"train": 30, "test": 20}
IMAGES = {
    split: RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    for split, count in COUNTS.items()
}
LABELS = {
    split: RANDOM.permutation(np.arange(count, dtype=np.uint8) % 10)
    for split, count in COUNTS.items()
}
#: content of the test images' files, as MNIST and as EMNIST name them
IDX = {
    (split, kind): struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
    + array.tobytes()
    for split in COUNTS
    for kind, array in (("images-idx3", IMAGES[split]), ("labels-idx1", LABELS[split]))
}
MNIST = {
    f"{'t10k' if split == 'test' else 'train'}-{kind}-ubyte": content
    for (split, kind), content in IDX.items()
}
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in MNIST.items()}


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def source(monkeypatch):
    """torchvision's class, made to expect other values."""

    def expect(name, **values):
        found = getattr(torchvision_module("torchvision.datasets"), name)
        for key, value in values.items():
            monkeypatch.setattr(found, key, value)

    return expect


@pytest.fixture
def expected(source):
    """MNIST's archives are those above."""
    source("MNIST", resources=[(name, md5(content)) for name, content in PACKED.items()])


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def check_content(images):
    """Every image is there with its label, as uint8 (N, 1, 28, 28)."""
    for name, count in COUNTS.items():
        split = getattr(images, name)
        assert split.inputs.shape == (count, 1, 28, 28)
        assert split.inputs.dtype == torch.uint8
        assert split.targets.dtype == torch.int64
        expected = zip(IMAGES[name], LABELS[name], strict=True)
        known = {image.tobytes(): label for image, label in expected}
        found = zip(split.inputs.numpy(), split.targets.tolist(), strict=True)
        assert {image.tobytes(): label for image, label in found} == known


def test_archives_are_read_where_they_lie_without_a_trace(folder, expected):
    place = folder / "MNIST" / "raw"
    write(place, PACKED)
    place.chmod(0o555)
    images = load_images("mnist", folder)
    place.chmod(0o755)
    check_content(images)
    assert images.canonical
    assert images.source == "MNIST, official files"
    assert sorted(path.name for path in place.iterdir()) == sorted(PACKED)


def test_other_packagings_have_the_same_fingerprint_but_nothing_vouches_for_them(folder, expected):
    write(folder / "MNIST" / "raw", PACKED)
    official = load_images("mnist", folder)
    repacked = {f"{name}.gz": gzip.compress(body, mtime=1) for name, body in MNIST.items()}
    for other, files in (("repacked", repacked), ("unpacked", MNIST)):
        write(folder / other / "MNIST" / "raw", files)
        images = load_images("mnist", folder / other)
        check_content(images)
        assert images.fingerprint == official.fingerprint
        assert not images.canonical
        assert images.source == "MNIST, unverified files"


def test_a_known_fingerprint_vouches_for_any_packaging(folder, expected, monkeypatch):
    write(folder / "MNIST" / "raw", MNIST)
    entry = catalog.get("mnist")
    fingerprint = entry.check(folder).fingerprint
    assert catalog.get("fashion_mnist").canonical
    known = type(entry)(**{**vars(entry), "canonical": fingerprint})
    monkeypatch.setattr(catalog, "get", lambda name: known)
    assert load_images("mnist", folder).canonical


def test_missing_archives_are_fetched_from_the_mirrors(folder, source, expected):
    place = folder / "MNIST" / "raw"
    names = list(PACKED)
    write(place, {name: PACKED[name] for name in names[:3]})
    with pytest.raises(MissingData, match="MNIST was not found"):
        load_images("mnist", folder)
    with serving(status=404) as gone, serving(PACKED[names[3]]) as site:
        source("MNIST", mirrors=[f"{gone.url}/", f"{site.url}/"])
        prepare_images("mnist", folder)
        prepare_images("mnist", folder)
    assert (len(gone.requests), len(site.requests)) == (1, 1)
    assert load_images("mnist", folder).canonical


@pytest.mark.parametrize("damage", [b"", b"text", PACKED["train-images-idx3-ubyte.gz"][:-300]])
def test_damaged_archives(folder, expected, damage):
    place = folder / "MNIST" / "raw"
    write(place, {**PACKED, "train-images-idx3-ubyte.gz": damage})
    with pytest.raises(DamagedData, match="damaged or incomplete") as caught:
        load_images("mnist", folder)
    assert str(place) in str(caught.value)
    assert "suite data fetch mnist" in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"text", MNIST["train-images-idx3-ubyte"][:-300]])
def test_damaged_unpacked_files(folder, damage):
    write(folder / "MNIST" / "raw", {**MNIST, "train-images-idx3-ubyte": damage})
    with pytest.raises(DamagedData, match="damaged or incomplete"):
        load_images("mnist", folder)


def emnist_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for (split, kind), content in IDX.items():
            packed = gzip.compress(content, mtime=0)
            archive.writestr(f"gzip/emnist-balanced-{split}-{kind}-ubyte.gz", packed)
            archive.writestr(f"gzip/emnist-digits-{split}-{kind}-ubyte.gz", b"unused")
    return buffer.getvalue()


def test_emnist_is_read_from_its_zip_file(folder, source):
    body = emnist_zip()
    source("EMNIST", md5=md5(body))
    entry = catalog.get("emnist_balanced")
    with serving(body) as site:
        source("EMNIST", url=f"{site.url}/gzip.zip")
        with pytest.raises(MissingData, match="`suite data fetch emnist_balanced"):
            prepare_images("emnist_balanced", folder)  # too large to start on its own
        assert site.requests == []
        entry.obtain(folder)
        assert len(site.requests) == 1
    images = load_images("emnist_balanced", folder)
    check_content(images)
    assert images.canonical
    assert entry.check(folder).fingerprint == images.fingerprint


def test_emnist_unpacked_by_torchvision(folder):
    files = {f"emnist-balanced-{s}-{kind}-ubyte": content for (s, kind), content in IDX.items()}
    write(folder / "EMNIST" / "raw", files)
    images = load_images("emnist_balanced", folder)
    check_content(images)
    assert not images.canonical


def test_cifar100_has_fine_labels(folder, source):
    pixels = RANDOM.integers(0, 256, (200, 3 * 32 * 32), dtype=np.uint8)
    fine = RANDOM.permutation(np.arange(200) % 100).tolist()
    batch = {"data": pixels, "fine_labels": fine, "coarse_labels": [0] * 200}
    files = {
        "train": pickle.dumps(batch),
        "test": pickle.dumps(batch),
        "meta": pickle.dumps({"fine_label_names": [str(n) for n in range(100)]}),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    meta = torchvision_module("torchvision.datasets").CIFAR100.meta
    source(
        "CIFAR100",
        tgz_md5=md5(buffer.getvalue()),
        train_list=[["train", md5(files["train"])]],
        test_list=[["test", md5(files["test"])]],
        meta={**meta, "md5": md5(files["meta"])},
    )
    with serving(buffer.getvalue()) as site:
        source("CIFAR100", url=site.url)
        prepare_images("cifar100", folder)
    images = load_images("cifar100", folder, train=200, test=200)
    assert images.canonical
    assert images.train.inputs.shape == (200, 3, 32, 32)
    assert images.train.targets.bincount().tolist() == [2] * 100
    known = {row.tobytes(): label for row, label in zip(pixels, fine, strict=True)}
    found = zip(images.test.inputs.numpy(), images.test.targets.tolist(), strict=True)
    assert {image.tobytes(): label for image, label in found} == known
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == ["cifar-100-python"]


def test_an_archive_that_does_not_unpack(folder, source):
    with serving(b"no archive") as site:
        source("CIFAR100", url=site.url, tgz_md5=md5(b"no archive"))
        with pytest.raises(MissingData, match=r"unpacking .* failed"):
            prepare_images("cifar100", folder)
    assert not (folder / "cifar-100-python").exists()


def test_names_of_other_kinds(folder):
    with pytest.raises(UsageError, match="does not consist of images"):
        load_images("shakespeare", folder)
    with pytest.raises(UsageError, match="Did you mean 'cifar10"):
        load_images("cifar", folder)
