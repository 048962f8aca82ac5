"""A drawing as a PDF file of one page: vectors and text, without fonts of its own.

The format needs little of itself: five numbered objects, a table of where they begin, and one
stream of operators (PDF 1.4, ISO 32000-1 chapters 7 and 8). Helvetica is one of the fonts that
every reader has. The bytes are the same in every build.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from leaderboard.drawing import (
    COLORS,
    FONT,
    HIGHLIGHTED,
    WIDTH,
    Drawing,
    Floats,
    Shape,
    Words,
    dashes,
    text_width,
)

_KEY_WIDTH, _LINE = 20.0, 15.0


def pdf_file(drawing: Drawing) -> bytes:
    """The whole file; under the figure its legend, since a file has no page around it."""
    legend = _legend_lines(drawing)
    below = _LINE * len(legend) + (6 if legend else 0)
    height = drawing.height + below
    left, top, right, bottom = drawing.area
    operators = [f"1 0 0 -1 0 {height:g} cm"]  # y downwards, as in the drawing
    clip = f"{left:g} {top:g} {right - left:g} {bottom - top:g} re W n"
    for group in sorted(drawing.groups, key=lambda g: (bool(g.name), -_order(g.series))):
        operators += [_shape(shape, clip) for shape in group.shapes]
    operators += [_text(words) for words in drawing.words]
    for row, names in enumerate(legend):
        operators += _legend_row(names, left, drawing.height + _LINE * (row + 0.6))
    return _file("\n".join(operators).encode("ascii"), height)


def _order(series: int | None) -> int:
    return HIGHLIGHTED if series is None else series


def _file(content: bytes, height: float) -> bytes:
    packed = zlib.compress(content, 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH:g} {height:g}] /Contents 5 0 R "
            "/Resources << /Font << /F 4 0 R >> /ExtGState << /Faint << /ca 0.15 >> "
            "/Full << /ca 1 >> >> >> >>"
        ).encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
    ]
    text = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return text + (
        b"xref\n0 %d\n0000000000 65535 f \n%s"
        b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    ) % (count, rows, count, len(text))


def _color(role: str, operator: str) -> str:
    text = COLORS[role]
    parts = " ".join(f"{int(text[i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))
    return f"{parts} {operator}"


def _shape(shape: Shape, clip: str) -> str:
    body: list[str]
    if shape.kind == "area":
        body = ["/Faint gs", _color(shape.role, "rg"), *_corners(shape.points), "h f", "/Full gs"]
    elif shape.kind == "dots":
        # Lines without a length, but with round ends.
        places = [f"{x:.1f} {y:.1f}" for x, y in shape.points.tolist() if x == x and y == y]
        drawn = [f"{place} m {place} l" for place in places]
        body = [_color(shape.role, "RG"), f"1 J {shape.width:g} w", *drawn, "S"]
    else:
        dash = " ".join(f"{part:g}" for part in shape.dash)
        body = [
            _color(shape.role, "RG"),
            f"{shape.width:g} w [{dash}] 0 d",
            *_corners(shape.points),
            "S",
        ]
    return "\n".join(["q", *([clip] if shape.clipped else []), *body, "Q"])


def _corners(points: Floats) -> list[str]:
    found, pen = [], "m"
    for x, y in points.tolist():
        if math.isnan(x) or math.isnan(y):
            pen = "m"
            continue
        found.append(f"{x:.1f} {y:.1f} {pen}")
        pen = "l"
    return found or ["0 0 m"]


def _text(words: Words) -> str:
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor] * text_width(words.text)
    if words.turned:  # upwards
        matrix = f"0 -1 -1 0 {words.x:.1f} {words.y + shift:.1f}"
    else:
        matrix = f"1 0 0 -1 {words.x - shift:.1f} {words.y:.1f}"
    return f"BT {_color(words.role, 'rg')} /F {FONT:g} Tf {matrix} Tm {_string(words.text)} Tj ET"


def _string(text: str) -> str:
    """A text in the encoding of the font, as hexadecimal digits; other letters become `?`."""
    plain = text.replace("\N{MINUS SIGN}", "\N{EN DASH}")
    return f"<{plain.encode('cp1252', 'replace').hex()}>"


def _legend_lines(drawing: Drawing) -> list[list[tuple[str, int]]]:
    lines: list[list[tuple[str, int]]] = []
    used = math.inf
    for name, series in drawing.legend:
        width = _KEY_WIDTH + text_width(name) + 18
        if used + width > WIDTH - drawing.left:
            lines.append([])
            used = 0.0
        lines[-1].append((name, series))
        used += width
    return lines


def _legend_row(names: list[tuple[str, int]], x: float, y: float) -> list[str]:
    found = []
    for name, series in names:
        role = f"series-{series}"
        key = np.array([[x, y - 4], [x + 14, y - 4]])
        found.append(_shape(Shape(key, role, 2.0, dashes(series), clipped=False), ""))
        found.append(_text(Words(x + _KEY_WIDTH, y, name, "start", "ink")))
        x += _KEY_WIDTH + text_width(name) + 18
    return found
