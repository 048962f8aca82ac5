"""A full disk, on a small file system of its own: named as one, and nothing that came is lost."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import struct
import subprocess
import tarfile
from collections import deque
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from suite.data import catalog, download, load_images, prepare_images, tokens
from suite.data.download import Remote
from suite.data.space import NoSpace, full_disk_named
from suite.data.vision import torchvision_module
from suite.errors import DamagedData, MissingData
from tests.corpora import local_tokens, write_corpus
from tests.images import write_image_folders
from tests.servers import serving

SIZE = 256 * 1024


@pytest.fixture
def small(tmp_path):
    """A folder with room for 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no command mount")
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)


def fill(folder: Path, leave: int = 0) -> None:
    """Take all space of the folder but `leave` bytes, in whole pages."""
    other = (folder / "other").open("wb", buffering=0)
    with other, pytest.raises(OSError, match="No space left"):
        deque(other.write(b"x" * 4096) for _ in count())
    os.truncate(folder / "other", (folder / "other").stat().st_size - leave)


def no_space(action, *arguments, folder: Path, settings: str = "SUITE_HOME or --data-dir") -> None:
    """Check that an action ends in the one message for a full disk, with this folder."""
    with pytest.raises(MissingData) as caught:
        action(*arguments)
    assert isinstance(caught.value, NoSpace), caught.value
    text = str(caught.value)
    assert f"there is no space left in {folder}: " in text
    assert text.endswith(
        ". Free some space, or choose another folder with "
        f"{settings}; nothing that was downloaded is lost."
    )
    assert "damaged" not in text


def names(folder: Path) -> list[str]:
    """What lies in a folder beside locks."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def write_archives(folder: Path, images: int) -> None:
    """Fashion-MNIST's four archives, well packed, with a number of images in each split."""
    place = folder / "FashionMNIST" / "raw"
    place.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, array in (
            ("images-idx3", np.zeros((images, 28, 28), dtype=np.uint8)),
            ("labels-idx1", np.zeros(images, dtype=np.uint8)),
        ):
            head = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
            content = gzip.compress(head + array.tobytes(), mtime=0)
            (place / f"{split}-{kind}-ubyte.gz").write_bytes(content)


def test_good_archives_are_not_called_damaged(small, tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(small))
    write_archives(tmp_path / "data", 1000)  # 0.8 MB a split when they are unpacked
    no_space(load_images, "fashion_mnist", tmp_path / "data", folder=small / "cache")
    entry = catalog.get("fashion_mnist")
    no_space(entry.fetch, tmp_path / "data", folder=small / "cache")
    assert names(small / "cache") == []


def test_the_cache_of_decoded_images(small, tmp_path, monkeypatch):
    write_image_folders(tmp_path, train=10, test=2)  # 120 images, 369 kB when they are decoded
    monkeypatch.setenv("SUITE_HOME", str(small))
    no_space(load_images, "cifar10", tmp_path, folder=small / "cache")
    assert names(small / "cache") == []
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    assert len(load_images("cifar10", tmp_path).train) == 100


def test_checking_on_a_full_disk(small, tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(small))
    write_archives(tmp_path / "data", 1000)
    entry = catalog.get("fashion_mnist")
    no_space(entry.check, tmp_path / "data", folder=small / "cache")


def test_archives_that_are_damaged_are_still_called_so_on_a_full_disk(small, tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(small))
    write_archives(tmp_path / "data", 10)
    damaged = tmp_path / "data/FashionMNIST/raw/train-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(DamagedData, match="damaged or incomplete"):
        load_images("fashion_mnist", tmp_path / "data")


def test_a_folder_that_cannot_be_made_or_locked(small, tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))

    def full(*arguments, **options):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(Path, "mkdir", full)
    no_space(prepare_images, "fashion_mnist", small / "x", folder=small / "x/FashionMNIST/raw")


def test_unpacking_cifar_keeps_the_archive(small, monkeypatch):
    content = np.zeros(SIZE, dtype=np.uint8).tobytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("cifar-100-python/train")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    body = buffer.getvalue()
    cifar = torchvision_module("torchvision.datasets").CIFAR100
    monkeypatch.setattr(cifar, "tgz_md5", hashlib.md5(body).hexdigest())
    with serving(body) as site:
        monkeypatch.setattr(cifar, "url", site.url)
        no_space(prepare_images, "cifar100", small, folder=small)
        no_space(prepare_images, "cifar100", small, folder=small)
    assert len(site.requests) == 1
    assert (small / cifar.filename).read_bytes() == body
    assert names(small) == [cifar.filename]


@pytest.mark.parametrize("length", [True, False])
def test_a_download_keeps_its_part_and_goes_on(small, length):
    body = os.urandom(SIZE // 2)
    fill(small, leave=SIZE // 4)
    with serving(body, length=length) as site:
        wanted = Remote((site.url,), f"sha256:{hashlib.sha256(body).hexdigest()}")
        no_space(download.download, wanted, small / "file", folder=small)
        came = (small / "file.part").stat().st_size
        assert came == (0 if length else SIZE // 4)  # with a length, nothing is transferred
        (small / "other").unlink()
        download.download(wanted, small / "file")
    assert site.requests[-1] == ("" if length else f"bytes={came}-")
    assert (small / "file").read_bytes() == body


def test_tokens_go_on_where_the_disk_was_full(small, tmp_path):
    write_corpus(tmp_path)
    corpus = local_tokens(tmp_path)
    corpus.fetch(tmp_path / "data")
    whole = (tmp_path / "data/local/tokens.bin").read_bytes()
    fill(small, leave=32 * 1024)
    assert len(whole) > 32 * 1024
    no_space(corpus.fetch, small, folder=small / "local")
    begun = tokens.Index.read(small / "local/index.json")
    assert 0 < begun.documents < 3000
    (small / "other").unlink()
    corpus.fetch(small)
    assert (small / "local/tokens.bin").read_bytes() == whole


def test_a_full_disk_of_the_hubs_client_names_its_own_setting(tmp_path, monkeypatch):
    write_corpus(tmp_path)
    corpus = local_tokens(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))

    def full(revision):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    object.__setattr__(corpus, "documents", full)
    no_space(corpus.fetch, tmp_path / "data", folder=tmp_path / "hub", settings="HF_HOME")


def test_an_inner_folder_is_kept(tmp_path):
    def write():
        with full_disk_named(tmp_path / "outer"), full_disk_named(tmp_path / "inner"):
            raise OSError(errno.ENOSPC, "full")

    no_space(write, folder=tmp_path / "inner")


def test_other_errors_pass(tmp_path):
    with pytest.raises(ValueError, match="mine"), full_disk_named(tmp_path):
        raise ValueError("mine")
