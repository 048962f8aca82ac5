"""One file over HTTP from a real server: resumed, checked, never half there, every fault named."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import pty
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import suppress
from email.utils import formatdate

import pytest

from suite.data import download as module
from suite.data.download import DownloadFailed, Remote, download
from suite.data.space import NoSpace
from tests.commands import environment
from tests.servers import serving

BODY = random.Random(0).randbytes(300_000)


def remote(url, body=BODY, algorithm="sha256", size=None):
    return Remote((url,), f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}", size)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.5)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "file.bin"


@pytest.fixture
def part(target):
    target.parent.mkdir()
    return target.with_name("file.bin.part")


def failure(wanted, target, kind=DownloadFailed):
    with pytest.raises(kind) as caught:
        download(wanted, target)
    assert not target.exists()
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize("length", [True, False])
def test_a_whole_file(target, algorithm, length, capfd):
    with serving(BODY, length=length) as site:
        download(remote(site.url, algorithm=algorithm), target)
        assert target.read_bytes() == BODY
        download(remote(site.url, algorithm=algorithm), target)
    assert site.requests == [""]
    assert [p.name for p in target.parent.iterdir() if p.name[0] != "."] == ["file.bin"]
    of = " of 300 kB" if length else ""
    assert capfd.readouterr().err == f"file.bin: 300 kB{of}\n"


def test_a_target_of_other_content_is_replaced(target, part):
    target.write_bytes(b"from an older version")
    with serving(BODY) as site:
        download(remote(site.url), target)
    assert target.read_bytes() == BODY


def test_an_earlier_part_is_completed(target, part):
    part.write_bytes(BODY[:120_000])
    with serving(BODY) as site:
        download(remote(site.url), target)
    assert site.requests == ["bytes=120000-"]
    assert target.read_bytes() == BODY
    assert not part.exists()


def test_a_connection_that_breaks_off_is_taken_up_until_all_is_there(target):
    with serving(BODY, breaks_after=100_001) as site:
        download(remote(site.url), target)
    assert site.requests == ["", "bytes=100001-", "bytes=200002-"]
    assert target.read_bytes() == BODY


def test_a_server_without_ranges_sends_all_of_it_again(target, part):
    part.write_bytes(BODY[:120_000])
    with serving(BODY, ranges=False) as site:
        download(remote(site.url), target)
    assert len(site.requests) == 1
    assert target.read_bytes() == BODY


def test_a_server_without_ranges_that_breaks_off_is_given_up(target):
    with serving(BODY, ranges=False, breaks_after=100_000) as site:
        text = failure(remote(site.url), target)
    assert "the connection ended after 100,000 of 300,000 bytes" in text
    assert len(site.requests) == 2


def test_a_part_that_is_already_complete(target, part):
    part.write_bytes(BODY)
    with serving(BODY) as site:
        download(remote(site.url), target)
    assert site.requests == ["bytes=300000-"]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("old", [b"x" * 120_000, b"x" * 300_000, b"x" * 400_000])
def test_a_part_of_another_version_is_thrown_away(target, part, old):
    part.write_bytes(old)
    with serving(BODY) as site:
        download(remote(site.url), target)
    assert site.requests[-1] == ""
    assert target.read_bytes() == BODY


def test_wrong_content_is_not_kept(target):
    with serving(b"a login page") as site:
        text = failure(remote(site.url), target)
        assert site.url in text
        assert hashlib.sha256(b"a login page").hexdigest() in text
        assert hashlib.sha256(BODY).hexdigest() in text
        assert "file.bin" in text
        assert len(site.requests) == 1
    assert not target.with_name("file.bin.part").exists()


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000, "-1", "many"])
def test_a_length_that_is_no_number(target, length):
    with serving(BODY, length=False, headers={"Content-Length": length}) as site:
        download(remote(site.url), target)
    assert target.read_bytes() == BODY


def test_another_size_is_noticed_before_the_transfer(target):
    with serving(BODY) as site:
        text = failure(remote(site.url, size=1_000_000), target)
    assert "the server has 300,000 bytes of it, not 1,000,000" in text
    assert not target.with_name("file.bin.part").exists()


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (403, "Forbidden")])
def test_a_server_that_refuses(target, status, reason):
    with serving(b"gone", status=status) as site:
        text = failure(remote(site.url), target)
    assert f"{site.url}: the server answered {status} {reason}" in text
    assert len(site.requests) == 1


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, with a PAUSE_SECONDS of 1; none is waited for."""
    made = []
    monkeypatch.setattr(module, "PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(module.time, "sleep", made.append)
    return made


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_growing_pauses(target, pauses, status):
    with serving(BODY, first=[status, status]) as site:
        download(remote(site.url), target)
    assert target.read_bytes() == BODY
    assert len(site.requests) == 3
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "reason"), [(429, "Too Many Requests"), (503, "Service Unavailable")]
)
def test_a_server_that_stays_busy_is_given_up(target, pauses, status, reason):
    with serving(b"busy", status=status) as site:
        text = failure(remote(site.url), target)
    assert f"{site.url}: the server answered {status} {reason}, 3 times" in text
    assert len(site.requests) == 3
    assert pauses == [1.0, 2.0]


def test_a_busy_server_in_the_middle_of_a_transfer(target, part, pauses):
    part.write_bytes(BODY[:100_000])
    with serving(BODY, first=[503]) as site:
        download(remote(site.url), target)
    assert site.requests == ["bytes=100000-"] * 2
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("as_date", [False, True])
def test_the_pause_that_a_server_asks_for(target, pauses, as_date):
    wanted = formatdate(time.time() + 30, usegmt=True) if as_date else "30"
    with serving(BODY, first=[429], headers={"Retry-After": wanted}) as site:
        download(remote(site.url), target)
    assert pauses == [pytest.approx(30, abs=5 if as_date else 0)]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "header", ["soon", "-5", "\xb2", "9" * 5000, "Thu, 01 Jan 1970 00:00:00 GMT", ""]
)
def test_a_pause_that_says_nothing_changes_nothing(target, pauses, header):
    with serving(BODY, first=[429], headers={"Retry-After": header}) as site:
        download(remote(site.url), target)
    assert pauses == [1.0]


def test_a_pause_that_is_too_long_is_named_and_not_made(target, pauses):
    with serving(status=429, headers={"Retry-After": "7200"}) as site:
        text = failure(remote(site.url), target)
    assert "429 Too Many Requests, and asks for a pause of 2 h 0 min" in text
    assert (len(site.requests), pauses) == (1, [])


@pytest.mark.parametrize("target_scheme", ["ftp", "file"])
def test_a_redirect_to_another_protocol_is_not_followed(target, target_scheme):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.2)
        address = f"{target_scheme}://127.0.0.1:{other.getsockname()[1]}/file.bin"
        with serving(status=302, headers={"Location": address}) as site:
            text = failure(remote(site.url), target)
        with pytest.raises(TimeoutError):
            other.accept()
    assert address in text


def test_a_redirect_to_another_server_is_followed(target):
    with serving(BODY) as site, serving(status=302, headers={"Location": site.url}) as first:
        download(remote(first.url), target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("size", [None, 100_000])
def test_more_than_the_file_can_have_is_not_taken(target, monkeypatch, length, size):
    monkeypatch.setattr(module, "_CHUNK", 1 << 12)
    most = 100_000 if size is None else 10**9
    with serving(BODY, length=length) as site:
        wanted = Remote((site.url,), remote(site.url).checksum, size, most)
        text = failure(wanted, target)
        assert len(site.requests) == 1
    assert "100,000" in text
    assert not target.with_name("file.bin.part").exists()


def test_the_next_mirror_is_tried(target):
    with serving(status=404) as gone, serving(BODY) as site:
        wanted = remote(site.url)
        download(Remote((gone.url, site.url), wanted.checksum), target)
    assert (len(gone.requests), len(site.requests)) == (1, 1)
    assert target.read_bytes() == BODY


def test_no_server(target):
    with serving() as site:
        url = site.url
    assert "refused" in failure(remote(url), target)


def test_a_server_that_stalls_keeps_what_came(target):
    with serving(BODY, stalls_after=100_000) as site:
        download(remote(site.url), target)  # each attempt brings something
        assert len(site.requests) == 3
        target.unlink()
        site.stalls_after = 0
        assert "no data for 0.5 seconds" in failure(remote(site.url), target)


def test_a_server_that_stalls_for_good_leaves_a_part_to_go_on_from(target, part):
    part.write_bytes(BODY[:100_000])
    with serving(BODY, stalls_after=0) as site:
        failure(remote(site.url), target)
        assert part.read_bytes() == BODY[:100_000]
        site.stalls_after = None
        download(remote(site.url), target)
    assert target.read_bytes() == BODY


def test_too_little_space_is_noticed_before_the_transfer(target, part, monkeypatch):
    part.write_bytes(BODY[:100_000])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6 - 1000, 1000))
    with serving(BODY) as site:
        text = failure(remote(site.url), target, NoSpace)
    assert f"no space left in {target.parent}: 200 kB more are needed, 1.0 kB are free" in text
    assert "--data-dir" in text
    assert part.read_bytes() == BODY[:100_000]


def test_a_disk_that_fills_up_during_the_transfer(target, part):
    part.symlink_to("/dev/full")  # every write to it really ends in "no space left on device"
    with serving(BODY) as site:
        text = failure(remote(site.url), target, NoSpace)
    assert f"no space left in {target.parent}" in text
    with pytest.raises(OSError, match="No space") as real, open("/dev/full", "wb", 0) as full:
        full.write(b"x")
    assert real.value.errno == errno.ENOSPC


def test_a_folder_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(module.MissingData, match="cannot write to"):
        download(remote("http://127.0.0.1:9"), blocked / "data" / "file.bin")


def test_two_processes_at_once_share_one_transfer(target):
    with serving(BODY, breaks_after=100_000) as site:
        context = multiprocessing.get_context("fork")
        arguments = (remote(site.url), target)
        processes = [context.Process(target=download, args=arguments) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]
        assert len(site.requests) == 3
    assert target.read_bytes() == BODY


DOWNLOAD = """
import sys
from pathlib import Path
from suite.data.download import Remote, download
download(Remote((sys.argv[1],), sys.argv[2]), Path(sys.argv[3]))
"""


def test_a_bar_on_a_terminal(target, tmp_path):
    leader, follower = pty.openpty()
    with serving(BODY) as site:
        wanted = remote(site.url)
        process = subprocess.Popen(
            [sys.executable, "-c", DOWNLOAD, site.url, wanted.checksum, str(target)],
            env={**environment(tmp_path / "home"), "TERM": "xterm", "COLUMNS": "120"},
            stderr=follower,
        )
        os.close(follower)
        shown = b""
        with suppress(OSError):  # raised when the other side is closed
            while more := os.read(leader, 4096):
                shown += more
        assert process.wait(60) == 0
    os.close(leader)
    assert "file.bin" in shown.decode()
    assert "300.0/300.0 kB" in shown.decode()
