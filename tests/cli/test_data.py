"""`suite data` and runs that need data, as a user meets them, against real servers.

Processes reach a server of the test in two ways: the unchanged command through the usual proxy
variables, where the real checksums make every transfer fail; or a launcher that first gives one
entry of the catalog another address and checksum.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from suite.data import catalog
from suite.results import files as result_file
from tests.commands import FILES, TINY, command, environment, suite
from tests.images import write_image_folders
from tests.servers import serving

TEXT = b"To be, or not to be, that is the question.\n" * 20_000
SHA256 = hashlib.sha256(TEXT).hexdigest()
LETTERS = str(FILES / "letters_task.py")
LAUNCHER = """
import dataclasses
import sys
from suite.cli import main
from suite.data import text
from suite.data.download import Remote

url, checksum, size = sys.argv[1:4]
(entry,) = text.DATASETS
remote = Remote((url,), checksum, int(size))
text.DATASETS = (dataclasses.replace(entry, remote=remote),)
main(sys.argv[4:])
"""


def redirected(site, *arguments):
    """The command whose Shakespeare is the text above, at a server of the test."""
    given = (site.url, f"sha256:{SHA256}", str(len(TEXT)))
    return [sys.executable, "-c", LAUNCHER, *given, *arguments]


def run(arguments, home, **variables):
    done = subprocess.run(
        arguments,
        env={**environment(home), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def shakespeare(home):
    return home / "data" / "tinyshakespeare.txt"


def test_fetch_shows_licence_and_size_first_and_does_nothing_twice(home, shakespeare):
    with serving(TEXT) as site:
        done = run(redirected(site, "data", "fetch", "shakespeare"), home)
        assert done.returncode == 0, done.stderr
        first, *_, last = done.stderr.splitlines()
        assert first == (
            f"Tiny Shakespeare: 1.1 MB to download into {home / 'data'}. Licence: none stated; "
            "the text is in the public domain (https://github.com/karpathy/char-rnn)."
        )
        assert last == "tinyshakespeare.txt: 860 kB of 860 kB"
        assert f"fetched into {home / 'data'}; canonical, fingerprint {SHA256[:16]}" in done.stdout
        assert shakespeare.read_bytes() == TEXT
        again = run(redirected(site, "data", "fetch", "shakespeare"), home)
        assert again.returncode == 0
        assert "already in" in again.stdout
        assert again.stderr == ""
    assert len(site.requests) == 1


def test_control_c_leaves_a_part_and_the_next_fetch_goes_on(home, shakespeare):
    part = shakespeare.with_name("tinyshakespeare.txt.part")
    with serving(TEXT, stalls_after=200_000) as site:
        process = subprocess.Popen(
            redirected(site, "data", "fetch", "shakespeare"),
            env=environment(home),
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size == 200_000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.splitlines()[-1] == "suite: interrupted"
        assert "Traceback" not in errors
        assert not shakespeare.exists()
        site.stalls_after = None
        done = run(redirected(site, "data", "fetch", "shakespeare"), home)
    assert done.returncode == 0, done.stderr
    assert site.requests == ["", "bytes=200000-"]
    assert shakespeare.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        ({"body": b"gone", "status": 404}, "the server answered 404 Not Found"),
        ({"body": b"a login page"}, "its checksum is md5:"),
    ],
)
def test_the_unchanged_command_and_a_server_that_fails(home, served, reason):
    with serving(**served) as site:
        done = run(command("data", "fetch", "fashion_mnist"), home, http_proxy=site.url)
    assert done.returncode == 2
    assert "Fashion-MNIST: 31 MB to download" in done.stderr
    assert done.stderr.count("suite: ") == 1
    (message,) = (line for line in done.stderr.splitlines() if line.startswith("suite: "))
    assert "train-images-idx3-ubyte.gz failed" in message
    assert reason in message
    assert "`suite data fetch fashion_mnist` fetches it" in message


def test_one_failure_stops_no_other(home):
    with serving(TEXT) as site:
        arguments = ("data", "fetch", "fashion_mnist", "shakespeare")
        proxy = {"http_proxy": site.url, "no_proxy": "127.0.0.1"}
        done = run(redirected(site, *arguments), home, **proxy)
    assert done.returncode == 2
    assert "suite: fashion_mnist: " in done.stderr
    assert "shakespeare: fetched into" in done.stdout


def test_a_typo_is_answered_with_near_names(home):
    for words in (("fetch", "shakespear"), ("check", "shakespear")):
        done = run(command("data", *words), home)
        assert done.returncode == 2
        assert "unknown data set 'shakespear'. Did you mean 'shakespeare'?" in done.stderr


def test_check_says_what_is_there_and_what_is_damaged_or_missing(home, tmp_path):
    folder = tmp_path / "mine"
    given = ("--data-dir", str(folder))
    none = run(command("data", "check", *given), home)
    assert (none.returncode, none.stderr) == (0, "")
    assert f"There is no data in {folder}." in none.stdout
    folder.mkdir()
    (folder / "tinyshakespeare.txt").write_bytes(TEXT)
    other = run(command("data", "check", *given), home)
    assert other.returncode == 0
    assert other.stdout == (
        f"shakespeare: not canonical, fingerprint {SHA256[:16]} (Tiny Shakespeare, another text)\n"
    )
    missing = run(command("data", "check", "shakespeare", "mnist", *given), home)
    assert missing.returncode == 2
    assert "shakespeare: not canonical" in missing.stdout
    assert f"`suite data fetch mnist --data-dir {folder}` fetches it" in missing.stderr
    (folder / "tinyshakespeare.txt").write_bytes(b"\xff\xfe")
    damaged = run(command("data", "check", "shakespeare", "mnist", *given), home)
    assert damaged.returncode == 1
    assert "is not UTF-8 text" in damaged.stderr


def test_check_reads_anew_whatever_is_cached(home, tmp_path):
    write_image_folders(tmp_path, train=2, test=1)
    given = ("--data-dir", str(tmp_path))
    assert run(command("data", "fetch", "cifar10", *given), home).returncode == 0
    assert "not canonical, fingerprint" in run(command("data", "check", *given), home).stdout
    broken = tmp_path / "cifar10" / "train" / "cat" / "00006.png"
    status = broken.stat()
    broken.write_bytes(b"x" * status.st_size)  # neither size nor time tells
    os.utime(broken, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = run(command("data", "check", "cifar10", *given), home)
    assert done.returncode == 1
    assert str(broken) in done.stderr


def test_list_shows_every_data_set_with_its_state_and_tasks(home, tmp_path):
    write_image_folders(tmp_path, train=1, test=1)
    (tmp_path / "tinyshakespeare.txt").write_bytes(TEXT)
    done = suite("data", "list", "--data-dir", str(tmp_path), home=home)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == {"name", "Data", *catalog.datasets()}
    assert "170 MB" in lines["cifar10"]
    assert "present, not read yet" in lines["cifar10"]
    assert "cifar10_mini" in lines["cifar10"]
    assert "missing" in lines["fashion_mnist"]
    assert "MIT" in lines["fashion_mnist"]
    assert "not canonical" in lines["shakespeare"]


def letters(tmp_path, name, dataset):
    """The letters task under another name and on another data set."""
    path = tmp_path / f"{name}.py"
    source = (FILES / "letters_task.py").read_text()
    path.write_text(source.replace('"tiny_letters"', f'"{name}"').replace('"shakespeare"', dataset))
    return str(path)


def run_tasks(tmp_path, *tasks):
    named = [word for task in tasks for word in ("--task", task)]
    results = ("--results", str(tmp_path / "r"), "--protocol", "smoke", "--jobs", "1")
    return ("run", "--optimizer", "adamw", *named, *results)


def test_a_run_fetches_what_is_small_and_records_what_it_was(home, tmp_path, shakespeare):
    with serving(TEXT) as site:
        done = run(redirected(site, *run_tasks(tmp_path, LETTERS)), home)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Tiny Shakespeare: 1.1 MB to download")
    assert len(site.requests) == 1
    recorded = result_file.read(tmp_path / "r" / "tiny_letters" / "adamw.smoke.json").data
    assert recorded.fingerprint == SHA256[:16]
    assert not recorded.canonical  # the workers know the real checksum


def test_a_run_whose_download_fails_says_so_once_and_runs_the_other_tasks(home, tmp_path):
    twin = letters(tmp_path, "twin_letters", '"shakespeare"')
    with serving(b"gone", status=404) as site:
        done = run(redirected(site, *run_tasks(tmp_path, LETTERS, twin, TINY)), home)
    assert done.returncode == 2
    (message,) = (line for line in done.stderr.splitlines() if line.startswith("suite: "))
    assert message.startswith("suite: tiny_letters, twin_letters: Tiny Shakespeare was not found")
    assert "the server answered 404 Not Found" in message
    assert "`suite data fetch shakespeare` fetches it (1.1 MB" in message
    assert len(site.requests) == 1
    assert (tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json").exists()


def test_a_run_never_fetches_what_is_large(home, tmp_path):
    many = letters(tmp_path, "many_letters", '"emnist_balanced"')
    folder = tmp_path / "my data"
    arguments = run_tasks(tmp_path, many, TINY)
    done = run(command(*arguments, "--data-dir", str(folder)), home)
    assert done.returncode == 2
    assert "to download" not in done.stderr
    assert "suite: many_letters: EMNIST balanced was not found" in done.stderr
    assert f"`suite data fetch emnist_balanced --data-dir '{folder}'` fetches it" in done.stderr
    assert (tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json").exists()
