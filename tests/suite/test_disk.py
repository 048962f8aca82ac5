"""Full disks are told apart from other errors, also behind errors that do not say so."""

from __future__ import annotations

import errno
from contextlib import suppress

import pytest
import torch

from suite import disk
from suite.words import human_size


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


def test_the_words(tmp_path, monkeypatch):
    free = human_size(disk.shutil.disk_usage(tmp_path).free)
    missing = tmp_path / "not" / "there"
    assert (
        disk.no_space(missing)
        == f"there is no space left in {missing}: {free} are free, and more is needed"
    )
    text = disk.no_space(tmp_path, 12_000_000)
    assert text.startswith(f"there is no space left in {tmp_path}: 12 MB more are needed, ")
