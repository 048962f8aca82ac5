"""Full disks are told apart from other errors, also behind errors that do not say so."""

from __future__ import annotations

import errno
from collections import namedtuple
from contextlib import suppress

import pytest
import torch

from suite import disk


def raised(first, *others):
    """The last of some errors, each raised from the one before."""
    error = first
    for other in others:
        other.__cause__ = error
        error = other
    return error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(number):
    full = OSError(number, "no space")
    assert disk.is_full(full)
    assert disk.is_full(raised(full, RuntimeError("a writer broke"), ValueError("x")))


def test_other_errors():
    assert not disk.is_full(OSError(errno.EIO, "broken"))
    assert not disk.is_full(RuntimeError("[Errno 28] No space left on device"))
    assert not disk.is_full(None)
    circle = ValueError("x")
    circle.__context__ = RuntimeError("y")
    circle.__context__.__context__ = circle
    assert not disk.is_full(circle)


def test_what_torch_makes_of_it():
    with (
        suppress(OSError),  # from what the buffer still holds
        open("/dev/full", "wb") as full,
        pytest.raises(RuntimeError) as caught,
    ):
        torch.save(torch.zeros(100_000), full)
    assert disk.is_full(caught.value)


@pytest.fixture
def asked(monkeypatch):
    """The folders whose free space was asked for: each has 1,000 bytes."""
    usage = namedtuple("usage", "total used free")
    folders = []

    def disk_usage(folder):
        folders.append(folder)
        return usage(10**6, 10**6 - 1000, 1000)

    monkeypatch.setattr(disk.shutil, "disk_usage", disk_usage)
    return folders


def test_the_words(tmp_path, asked):
    assert disk.no_space(tmp_path) == (
        f"there is no space left in {tmp_path}: 1.0 kB are free, and more is needed"
    )
    assert disk.no_space(tmp_path, 12_000_000) == (
        f"there is no space left in {tmp_path}: 12 MB more are needed, 1.0 kB are free"
    )


def test_a_folder_that_does_not_exist_yet(tmp_path, asked):
    missing = tmp_path / "not" / "there"
    assert f"no space left in {missing}:" in disk.no_space(missing)
    assert asked == [tmp_path]
