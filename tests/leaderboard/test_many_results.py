"""Thousands of results: no page is too large, and the site is made in seconds."""

from __future__ import annotations

import json
import re
import time

import pytest

from leaderboard.board import make_board
from leaderboard.catalogue import read_catalogue
from leaderboard.site import Drawn, Site, write_site
from tests.leaderboard.many import many_results, references_of, task_name

METHODS, TASKS = 150, 33
#: bytes of a page, and of a file that a page loads
LARGEST = 500_000
#: seconds of one processor that an idle machine needs at most; others' work slows a processor, too
SECONDS, SLOWED = 20, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a site of about 5,000 results, and how long it took."""
    stored = many_results(METHODS, TASKS)
    assert len(stored) >= 4_950
    folder = tmp_path_factory.mktemp("many") / "site"
    start = time.process_time()
    drawn = Drawn()
    board = make_board(stored, (), references_of(TASKS), extra=drawn)
    assert board.left_out == []
    pages = list(write_site(Site(board, read_catalogue(), drawn.drawings, ""), folder))
    return folder, pages, time.process_time() - start


def test_no_page_is_larger_than_half_a_megabyte(made):
    folder, pages, _ = made
    assert len(pages) > METHODS + TASKS
    loaded = [*pages, *folder.rglob("*.js"), *folder.rglob("*.css")]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in loaded}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_five_thousand_results_take_seconds(made):
    assert made[2] < SECONDS * SLOWED


def test_every_method_is_in_the_ranking_and_every_pair_in_a_file(made):
    folder, _, _ = made
    index = (folder / "index.html").read_text("utf-8")
    assert len(re.findall(r'<tr class="[a-z]*">', index)) >= METHODS
    pairs = set()
    for path in (folder / "compare").glob("*.quick.js"):
        method, tasks = re.fullmatch(
            r'compared\("(\w+)","quick",(.*)\);\n', path.read_text("utf-8"), re.DOTALL
        ).groups()
        pairs |= {(method, other) for other, *_ in json.loads(tasks)[task_name(0)]["pairs"]}
    assert len(pairs) == METHODS * (METHODS - 1) // 2
