"""Figures as SVG and PDF: where lines lie, what files hold, that both are well-formed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from leaderboard.drawing import FONT, Axis, Sketch, focused, text_width
from leaderboard.pdf import pdf_file

SVG = "{http://www.w3.org/2000/svg}"


def make_drawing(name="<a & b>"):
    sketch = Sketch(Axis(0.0, 10.0, "steps"), Axis(1.0, 100.0, "loss", log=True))
    at = np.array([0.0, 5.0, 10.0])
    band = (np.array([90.0, 9.0, 1.0]), np.array([100.0, 12.0, 1.2]))
    sketch.line(name, 0, at, np.array([100.0, 10.0, 1.0]), band=band, dotted=True)
    sketch.line("other", None, at, np.array([1.0, np.nan, 100.0]))
    sketch.rule(y=10.0, text="target")
    return sketch.finish("a+b@c", "Title <1>", "Words & more", "Caption", [("x",), (1.0,)])


def corners(path):
    return [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", path)]


def test_a_line_lies_where_its_values_are():
    drawing = make_drawing()
    root = ElementTree.fromstring(str(drawing.svg))
    (group,) = (g for g in root.iter(f"{SVG}g") if g.get("data-name") == "<a & b>")
    (line,) = (p for p in group if p.get("class") == "line")
    left, top, right, bottom = drawing.area
    middle = ((left + right) / 2, (top + bottom) / 2)  # 10 is half way from 1 to 100
    expected = [(left, top), middle, (right, bottom)]
    assert corners(line.get("d")) == [pytest.approx(point, abs=0.06) for point in expected]


def test_a_missing_value_is_a_gap():
    root = ElementTree.fromstring(str(make_drawing().svg))
    (group,) = (g for g in root.iter(f"{SVG}g") if g.get("data-name") == "other")
    assert group[0].get("d").count("M") == 2
    assert "nan" not in str(make_drawing().svg)


def test_the_page_has_variables_and_the_file_colours():
    drawing = make_drawing()
    assert re.findall(r"#[0-9a-f]{6}\b", str(drawing.svg)) == []
    assert "var(--series-0)" in drawing.svg
    assert "var(" not in drawing.svg_file
    ElementTree.fromstring(drawing.svg_file)


def objects_of(content):
    """The objects of a PDF file, found by its table of positions as a reader does."""
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", content)[1])
    table = content[start:].splitlines()
    assert table[0] == b"xref"
    first, count = map(int, table[1].split())
    offsets = [int(line[:10]) for line in table[2 : 2 + count]]
    found = {}
    for number, offset in enumerate(offsets[1:], start=first + 1):
        head = b"%d 0 obj\n" % number
        assert content[offset : offset + len(head)] == head
        found[number] = content[offset + len(head) : content.index(b"\nendobj", offset)]
    return found


def test_a_pdf_file_is_one_a_reader_finds_its_way_in():
    accented = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    content = pdf_file(make_drawing(f"{accented} \N{GREEK SMALL LETTER BETA}"))
    assert content.startswith(b"%PDF-1.4\n")
    found = objects_of(content)
    assert b"/Type /Catalog /Pages 2 0 R" in found[1]
    stream = found[5]
    length = int(re.search(rb"/Length (\d+)", stream)[1])
    packed = stream.partition(b"stream\n")[2]
    text = zlib.decompress(packed[:length]).decode("ascii")
    assert packed[length:] == b"\nendstream"
    words = [bytes.fromhex(t).decode("cp1252") for t in re.findall(r"<([0-9a-f]+)> Tj", text)]
    assert {"steps", "loss", "target", f"{accented} ?"} <= set(words)
    assert text.count("q\n") == text.count("\nQ") > 5
    assert "nan" not in text


def test_widths_are_those_of_the_font():
    folder = Path(mpl.get_data_path()) / "fonts" / "pdfcorefonts"
    metrics = (folder / "Helvetica.afm").read_text("latin-1")
    widths = {name: int(width) for width, name in re.findall(r"WX (\d+) ; N (\w+)", metrics)}
    for letter, name in {"a": "a", "W": "W", "_": "underscore", "+": "plus", "0": "zero"}.items():
        assert text_width(letter) == pytest.approx(widths[name] * FONT / 1000)
    assert text_width("adamw") == pytest.approx(sum(widths[c] for c in "adamw") * FONT / 1000)


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(0, 1, False), (-3, 7e5, False), (0.2, 0.21, False), (1e-9, 1e3, True), (2, 5, True)],
)
def test_marks_are_few_and_within(low, high, log):
    ticks = [value for value, _ in Axis(low, high, "", log=log).ticks()]
    assert 1 <= len(ticks) <= 14
    assert ticks == sorted(set(ticks))
    margin = 1e-6 * (high - low)
    assert all(low - margin <= value <= high + margin or log for value in ticks)


def test_the_view_is_on_the_highlighted_curves_and_logarithmic_if_they_span_much():
    axis = focused([np.array([1.0, 2.0]), np.array([1.5, np.nan])], "loss", trim=0)
    assert not axis.log
    assert axis.low < 1.0 < 2.0 < axis.high < 2.2
    assert focused([np.array([0.01, 5.0])], "loss", trim=0).log
    assert not focused([np.array([0.0, 5.0])], "loss", trim=0).log
    assert (focused([], "x").low, focused([], "x").high) == (0.0, 1.0)
