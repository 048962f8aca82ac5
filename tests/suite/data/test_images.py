"""CIFAR-10 from both layouts, downloaded from a local server, and everything that goes wrong."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from suite.data import image_decoding, load_cifar10, prepare_cifar10
from suite.data.vision import torchvision_module
from suite.errors import MissingData
from tests.images import archive, expect, official_files, pictures, write_image_folders

FILES = official_files(train=4, test=2)
PACKED = archive(FILES)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


class Server(ThreadingHTTPServer):
    """Serves one body at every path and counts the requests."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body, self.status, self.requests = body, status, 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cifar-10-python.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self):
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()

    def do_GET(self):
        self.server.requests += 1
        self.do_HEAD()
        self.wfile.write(self.server.body)

    def log_message(self, *args):
        pass


@contextmanager
def serving(body=PACKED, status=200):
    server = Server(body, status)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def official(monkeypatch):
    """Makes torchvision expect the made-up files, at the address given."""
    cifar10 = torchvision_module("torchvision.datasets").CIFAR10

    def at(url):
        for name, value in expect(cifar10, FILES, PACKED, url).items():
            monkeypatch.setattr(cifar10, name, value)

    return at


def write_official(folder: Path) -> Path:
    place = folder / "cifar-10-batches-py"
    place.mkdir(parents=True)
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    return place


def test_both_layouts_of_the_same_images_give_the_same_tensors(folder, tmp_path, official):
    official("http://unused.invalid")
    write_official(folder)
    write_image_folders(tmp_path / "images", train=4, test=2)
    files, images = load_cifar10(folder), load_cifar10(tmp_path / "images")
    for name, count in (("train", 40), ("test", 20)):
        one, other = getattr(files, name), getattr(images, name)
        assert one.inputs.shape == (count, 3, 32, 32)
        assert one.inputs.dtype == torch.uint8
        assert one.targets.bincount().tolist() == [count // 10] * 10
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)
    assert files.fingerprint == images.fingerprint
    assert files.canonical
    assert not images.canonical


def test_labels_belong_to_their_images(folder):
    write_image_folders(folder, train=2, test=1)
    expected, labels = pictures("train", 2)
    keys = [image.transpose(2, 0, 1).tobytes() for image in expected]
    split = load_cifar10(folder).train
    found = [image.numpy().tobytes() for image in split.inputs]
    known = dict(zip(keys, labels, strict=True))
    assert dict(zip(found, split.targets.tolist(), strict=True)) == known


def test_decoded_once_and_again_when_a_file_changes(folder, monkeypatch):
    write_image_folders(folder, train=2, test=1)
    decoded = []
    decode = image_decoding.decode
    monkeypatch.setattr(
        image_decoding, "decode", lambda *given: decoded.append(given) or decode(*given)
    )
    first = load_cifar10(folder)
    assert load_cifar10(folder).fingerprint == first.fingerprint
    assert len(decoded) == 1
    shutil.copy(folder / "cifar10/test/dog/00005.png", folder / "cifar10/train/dog/00010.png")
    changed = load_cifar10(folder)
    assert len(decoded) == 2
    assert changed.fingerprint != first.fingerprint


def test_a_killed_decoding_leaves_no_cache_behind(folder, home, monkeypatch):
    write_image_folders(folder, train=1, test=1)

    def killed(values, file):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            load_cifar10(folder)
    assert [path.name for path in (home / "cache").glob("*") if path.suffix != ".lock"] == []
    assert len(load_cifar10(folder).train) == 10


def test_downloaded_once_from_the_official_address(folder, official):
    with serving() as server:
        official(server.url)
        prepare_cifar10(folder)
        requests = server.requests
        prepare_cifar10(folder)
        assert server.requests == requests > 0
    cifar = load_cifar10(folder)
    assert cifar.canonical
    assert cifar.source == "CIFAR-10, official files"
    assert (len(cifar.train), len(cifar.test)) == (40, 20)


def test_two_processes_at_once_download_once(folder, official, tmp_path):
    with serving() as server:
        official(server.url)
        prepare_cifar10(tmp_path / "alone")
        requests = server.requests
        # Forked, so that both know the made-up files.
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=prepare_cifar10, args=(folder,)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]
        assert server.requests == 2 * requests
    assert load_cifar10(folder).canonical


def test_unpacking_that_was_killed_is_taken_up_again(folder, official):
    unpacking = folder / ".cifar-10-batches-py.unpacking" / "cifar-10-batches-py"
    unpacking.mkdir(parents=True)
    (unpacking / "test_batch").write_bytes(b"half")
    (folder / "cifar-10-python.tar.gz").write_bytes(PACKED)
    with pytest.raises(MissingData, match="was not found"):
        load_cifar10(folder)
    official("http://127.0.0.1:9/nothing-to-download.tar.gz")
    prepare_cifar10(folder)
    assert load_cifar10(folder).canonical
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == [
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
    ]
    assert not unpacking.exists()


def failure(folder, action=prepare_cifar10) -> str:
    with pytest.raises(MissingData) as caught:
        action(folder)
    text = str(caught.value)
    assert str(folder) in text
    assert "--data-dir or SUITE_DATA_DIR" in text
    assert caught.value.exit_code == 2
    return text


def test_nothing_there_and_no_download_by_a_worker(folder):
    assert "CIFAR-10 was not found" in failure(folder, load_cifar10)


def test_no_network(folder, official):
    with serving() as server:
        url = server.url
    official(url)
    text = failure(folder)
    assert url in text
    assert "refused" in text


def test_not_found_on_the_server(folder, official):
    with serving(b"gone", status=404) as server:
        official(server.url)
        assert "404" in failure(folder)


@pytest.mark.parametrize("body", [b"not an archive", PACKED[: len(PACKED) // 2], b""])
def test_wrong_content(folder, official, body):
    with serving(body) as server:
        official(server.url)
        assert "its checksum is" in failure(folder)
        # And the right one is fetched as soon as it is there.
        server.body = PACKED
        prepare_cifar10(folder)


def test_a_data_folder_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert "cannot write" in failure(blocked / "data")


def test_damaged_official_files(folder, official):
    official("http://unused.invalid")
    (write_official(folder) / "data_batch_3").write_bytes(b"damaged")
    assert "damaged or incomplete" in failure(folder, load_cifar10)


def test_too_few_images(folder):
    write_image_folders(folder, train=2, test=1)
    text = failure(folder, lambda f: load_cifar10(f, train=21))
    assert "needs 21 train images, and 20 are there" in text


def test_a_class_without_images(folder):
    write_image_folders(folder, train=1, test=1)
    shutil.rmtree(folder / "cifar10" / "test" / "frog")
    assert str(Path("test") / "frog") in failure(folder, load_cifar10)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\nbroken"])
def test_an_image_that_cannot_be_read(folder, content):
    write_image_folders(folder, train=1, test=1)
    broken = folder / "cifar10" / "train" / "cat" / "00003.png"
    broken.write_bytes(content)
    with pytest.raises(MissingData, match="cannot be read as an image") as caught:
        load_cifar10(folder)
    assert str(broken) in str(caught.value)


def test_an_image_of_another_size(folder):
    from PIL import Image

    write_image_folders(folder, train=1, test=1)
    Image.new("RGB", (20, 30)).save(folder / "cifar10" / "train" / "cat" / "00003.png")
    with pytest.raises(MissingData, match="20 x 30 pixels, not 32 x 32"):
        load_cifar10(folder)
