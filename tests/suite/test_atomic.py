"""Atomic writes: the old file or the new one, and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from suite import atomic
from tests.commands import environment


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.json"


def put(path, content, **options):
    atomic.write(path, lambda file: file.write(content), **options)


def test_the_file_has_the_content_and_can_be_read_by_everybody(path):
    put(path, b"one")
    put(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_it_has_the_name(path, monkeypatch):
    put(path, b"old")
    order = []

    def watch(name):
        function = getattr(os, name)

        def watched(*arguments):
            order.append((name, path.read_bytes()))
            return function(*arguments)

        monkeypatch.setattr(os, name, watched)

    watch("fsync")
    watch("replace")
    put(path, b"new")
    assert order == [("fsync", b"old"), ("replace", b"old")]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), OSError(errno.EIO, "x")])
def test_a_writer_that_fails_leaves_everything_as_it_was(path, error):
    put(path, b"old")

    def fail(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        atomic.write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_name_that_is_taken_is_kept_without_replace(path):
    put(path, b"first", replace=False)
    with pytest.raises(FileExistsError):
        put(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_a_name_that_is_taken_by_a_dangling_link(path):
    path.symlink_to(path.with_name("nothing"))
    with pytest.raises(FileExistsError):
        put(path, b"first", replace=False)
    put(path, b"second")
    assert not path.is_symlink()
    assert path.read_bytes() == b"second"


def test_a_file_system_without_hard_links(path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    put(path, b"first", replace=False)
    with pytest.raises(FileExistsError):
        put(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


HANG = """
import sys
import time
from pathlib import Path
from suite import atomic

def hang(file):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)

atomic.write(Path(sys.argv[1]), hang)
"""


@pytest.fixture
def hanging(path, tmp_path_factory):
    """A process in the middle of a write."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANG, str(path)],
        env=environment(tmp_path_factory.mktemp("home")),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def others(path: Path) -> list[str]:
    return [found.name for found in path.parent.iterdir() if found != path]


def test_what_a_killed_process_left_is_removed_by_the_next_write(path, hanging):
    (mine,) = others(path)
    assert mine.startswith(".file.json.")
    assert mine.endswith(".part")
    hanging.send_signal(signal.SIGKILL)
    hanging.wait()
    assert others(path) == [mine]
    path.with_name(".file.json.txt").touch()  # not a temporary file of it
    put(path, b"whole")
    assert others(path) == [".file.json.txt"]
    assert path.read_bytes() == b"whole"


def test_what_another_process_is_writing_is_left_alone(path, hanging):
    before = others(path)
    put(path, b"whole")
    assert others(path) == before != []


def test_a_file_that_was_taken_for_an_abandoned_one_is_made_again(path, monkeypatch):
    """Between making the file and locking it, another process may remove it."""
    flock = atomic.fcntl.flock
    removed = []

    def remove_first(handle, how):
        if not removed:
            removed.extend(path.parent.iterdir())
            removed[0].unlink()
        flock(handle, how)

    monkeypatch.setattr(atomic.fcntl, "flock", remove_first)
    put(path, b"whole")
    assert len(removed) == 1
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]
