"""How figures are drawn: lines and words on a page, as SVG or, in `leaderboard.pdf`, as PDF.

Every page has figures of up to some hundred lines, so they are drawn by hand: a line is one path of
some hundred bytes, and a task's figures take milliseconds. Colours are roles: a page's style sheet
gives them for the dark and the light theme, a file for download has the light ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

Floats = npt.NDArray[np.float64]

#: how many lines of a figure have a colour; the others are grey
HIGHLIGHTED = 8
WIDTH = 520.0
FONT = 11.0
#: the light theme's colours, for files; pages use the style sheet's variables of these names
COLORS = {
    "ink": "#1d1d1b", "muted": "#66645f", "line": "#dedbd4", "grey": "#bab7af",
    "accent": "#1f56a3",
    "series-0": "#0072b2", "series-1": "#d55e00", "series-2": "#009e73", "series-3": "#b8568f",
    "series-4": "#3d9bd1", "series-5": "#c78500", "series-6": "#4a4a48", "series-7": "#8c510a",
}  # fmt: skip
_DASHES: dict[int, tuple[float, ...]] = {4: (6, 3), 5: (6, 3), 6: (2, 2), 7: (2, 2)}
_TOP, _RIGHT, _BOTTOM = 10.0, 14.0, 40.0
#: widths of the letters from space to tilde in Helvetica, in thousandths of its size (Adobe's AFM)
_WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722,
    667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944,
    667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222,
    500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334,
    584,
]  # fmt: skip
_OTHER_WIDTH = 556


@dataclass(frozen=True)
class Axis:
    """The range of numbers along one side of a figure, in the units of its label."""

    low: float
    high: float
    label: str
    log: bool = False
    #: positions of its marks and what is written there; chosen if there are none
    marks: tuple[tuple[float, str], ...] = ()

    def shares(self, values: Floats) -> Floats:
        """Where values lie between low (0) and high (1)."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log(np.maximum(values, 1e-300)), math.log(low), math.log(high)
        return np.asarray((values - low) / (high - low))

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers within the range, four to seven of them, and how they are written."""
        if self.marks:
            return list(self.marks)
        at = _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high)
        return [(value, _plain(value)) for value in at]


@dataclass(frozen=True)
class Shape:
    """A path in the figure's units, y downwards: its corners, its role's colour, its stroke."""

    points: Floats
    role: str
    width: float = 1.0
    dash: tuple[float, ...] = ()
    #: an area is filled, faintly, and a dot is a filled circle at each point
    kind: str = "line"
    #: whether what lies outside of the axes is hidden
    clipped: bool = True


@dataclass(frozen=True)
class Words:
    """A text in a figure; the anchor is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "middle"
    role: str = "muted"
    turned: bool = False


@dataclass(frozen=True)
class Group:
    """The shapes of one method, or without a name those of the axes."""

    shapes: tuple[Shape, ...]
    name: str = ""
    #: the number of its colour; None is grey
    series: int | None = None


@dataclass(frozen=True)
class Drawing:
    """A figure: what is drawn, what it says in words, and the numbers behind it."""

    #: unique on its page, and part of the names of its files
    name: str
    title: str
    description: str
    caption: str
    height: float
    left: float
    x: Axis
    y: Axis
    groups: list[Group] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    #: rows of its table for download; the first is the header
    table: list[tuple[object, ...]] = field(default_factory=list)
    #: whether a pointer on it reads values off its lines
    readable: bool = True
    width: float = WIDTH

    @property
    def area(self) -> tuple[float, float, float, float]:
        """The axes: left, top, right, bottom."""
        return self.left, _TOP, self.width - _RIGHT, self.height - _BOTTOM

    @property
    def legend(self) -> list[tuple[str, int]]:
        """The methods that have a colour, with its number."""
        return [(g.name, g.series) for g in self.groups if g.name and g.series is not None]

    @property
    def others(self) -> list[str]:
        """The methods that are drawn in grey."""
        return [group.name for group in self.groups if group.name and group.series is None]

    @property
    def svg(self) -> Markup:
        """The figure for a page, whose style sheet has the colours."""
        return _svg(self, {role: f"var(--{role})" for role in COLORS}, f"{self.name}-", "")

    @property
    def svg_file(self) -> str:
        """The figure as a file by itself: white paper, dark ink, and its title above it."""
        font = 'font-family="Helvetica, Arial, sans-serif"'
        style = f' {font} style="background:#fff" width="{self.width:g}"'
        return str(_svg(self, COLORS, "", style))


class Sketch:
    """A figure in the making: shapes and words in the units of its axes."""

    def __init__(
        self,
        x: Axis,
        y: Axis,
        height: float = 300.0,
        left: float = 52.0,
        width: float = WIDTH,
    ) -> None:
        self.x, self.y, self.height, self.left, self.width = x, y, height, left, width
        self.groups: list[Group] = []
        self.words: list[Words] = []
        self._frame()

    def place(self, x: Floats, y: Floats) -> Floats:
        """Positions in the figure, (n, 2), of points given by their values."""
        left, top, right, bottom = self._area()
        # What is far outside is hidden; its number of digits would make the file long.
        across = np.clip(self.x.shares(np.asarray(x, float)), -2, 3)
        up = np.clip(self.y.shares(np.asarray(y, float)), -2, 3)
        return np.column_stack([left + across * (right - left), bottom - up * (bottom - top)])

    def line(
        self,
        name: str,
        series: int | None,
        x: Floats,
        y: Floats,
        band: tuple[Floats, Floats] | None = None,
        step: bool = False,
        dotted: bool = False,
    ) -> None:
        """A method's line; the first `HIGHLIGHTED` have colours and dashes, others are grey."""
        points = self.place(x, y)
        if step and len(points) > 1:
            corners = np.column_stack([points[1:, 0], points[:-1, 1]])
            points = np.vstack([points[:1], np.stack([corners, points[1:]], 1).reshape(-1, 2)])
        role = "grey" if series is None else f"series-{series}"
        shapes = []
        if band is not None and series is not None:
            area = np.vstack([self.place(x, band[0]), self.place(x, band[1])[::-1]])
            shapes.append(Shape(area, role, kind="area"))
        width = 0.7 if series is None else 1.9
        shapes.append(Shape(points, role, width, dashes(series)))
        if dotted:
            shapes.append(Shape(points, role, 5.0, kind="dots"))
        self.groups.append(Group(tuple(shapes), name, series))

    def rule(self, *, x: float | None = None, y: float | None = None, text: str = "") -> None:
        """A dashed line over the whole figure at a value of one axis, with a word at it."""
        if x is not None:
            points = self.place(np.array([x, x]), np.array([self.y.low, self.y.high]))
        else:
            points = self.place(np.array([self.x.low, self.x.high]), np.array([y, y], float))
        self.groups.append(Group((Shape(points, "muted", 1.0, (3, 3)),)))
        if text:
            end = points[-1] if x is None else points[-1] + np.array([-4.0, 12.0])
            self.words.append(Words(end[0], end[1] - 4, text, "end"))

    def add(self, group: Group) -> None:
        """Shapes that are already placed."""
        self.groups.append(group)

    def finish(
        self,
        name: str,
        title: str,
        description: str,
        caption: str,
        table: list[tuple[object, ...]],
        readable: bool = True,
    ) -> Drawing:
        """The drawing with its words and numbers."""
        return Drawing(
            name, title, description, caption, self.height, self.left, self.x, self.y,
            self.groups, self.words, table, readable, self.width,
        )  # fmt: skip

    def _area(self) -> tuple[float, float, float, float]:
        return self.left, _TOP, self.width - _RIGHT, self.height - _BOTTOM

    def _frame(self) -> None:
        left, top, right, bottom = self._area()
        across = right - left
        for value, text in self.x.ticks():
            at = left + float(self.x.shares(np.array([value]))[0]) * across
            self.words.append(Words(at, bottom + 15, text))
        lines = []
        for value, text in self.y.ticks():
            at = bottom - float(self.y.shares(np.array([value]))[0]) * (bottom - top)
            lines.append(Shape(np.array([[left, at], [right, at]]), "line", 0.8, clipped=False))
            self.words.append(Words(left - 6, at + 4, text, "end"))
        self.groups.append(Group(tuple(lines)))
        if self.x.label:
            self.words.append(Words(left + across / 2, self.height - 6, self.x.label))
        if self.y.label:
            self.words.append(Words(12, (top + bottom) / 2, self.y.label, turned=True))


def focused(curves: Sequence[Floats], label: str, trim: float = 1.0) -> Axis:
    """An axis for the highlighted curves, without `trim` percent at each end.

    Logarithmic if all values are above zero and the largest is more than 12 times the smallest.
    """
    found = [np.asarray(curve)[np.isfinite(curve)].ravel() for curve in curves]
    values = np.concatenate(found) if found else np.empty(0)
    if not len(values):
        return Axis(0.0, 1.0, label)
    low, high = (float(end) for end in np.percentile(values, [trim, 100 - trim]))
    if low > 1e-12 and high > 12 * low:
        return Axis(low / 1.15, high * 1.15, label, log=True)
    margin = 0.06 * (high - low) or 0.05 * (abs(high) or 1.0)
    return Axis(low - margin, high + margin, label)


def text_width(text: str) -> float:
    """How wide a text is in Helvetica, in the figure's units; about that in other fonts."""
    places = (ord(letter) - 32 for letter in text)
    widths = (_WIDTHS[at] if 0 <= at < len(_WIDTHS) else _OTHER_WIDTH for at in places)
    return sum(widths) * FONT / 1000


def dashes(series: int | None) -> tuple[float, ...]:
    """The dashes of a line of this colour; the grey ones have none."""
    return () if series is None else _DASHES.get(series, ())


def _ticks(low: float, high: float) -> list[float]:
    span = high - low
    if not 0 < span < 1e300:
        return [low]
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next((by for by in (1, 2, 2.5, 5) if span / (step * by) <= 6), 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, min(last, first + 12) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, (last - first) // 6)
    steps: Iterable[int] = (1,) if last - first > 3 else (1, 2, 5)
    at = [by * 10.0**power for power in range(first, last + 1, every) for by in steps]
    return [value for value in at if low * 0.999 <= value <= high * 1.001]


def _plain(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def corners(points: Floats) -> str:
    """The corners of a path, to a tenth of a unit; a gap where a value is missing."""
    parts, pen = [], "M"
    for x, y in points.tolist():
        if x != x or y != y:
            pen = "M"
            continue
        parts.append(f"{pen}{x:.1f},{y:.1f}")
        pen = " "
    return "".join(parts).replace(".0,", ",").replace(".0 ", " ")


def _svg(drawing: Drawing, color: dict[str, str], prefix: str, style: str) -> Markup:
    left, top, right, bottom = drawing.area
    ids = escape(prefix) if prefix else Markup("figure-")
    size = f"{drawing.width:g} {drawing.height:g}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
        f'role="img" aria-labelledby="{ids}t {ids}d"{style}'
    )
    if drawing.readable and prefix:
        x, y = drawing.x, drawing.y
        head += (
            f' data-area="{left:g} {top:g} {right:g} {bottom:g}" '
            f'data-x="{x.low:.9g} {x.high:.9g}{" log" if x.log else ""}" '
            f'data-y="{y.low:.9g} {y.high:.9g}{" log" if y.log else ""}"'
        )
    clip = f"{ids}c"
    parts = [
        f'{head}><title id="{ids}t">{escape(drawing.title)}</title>'
        f'<desc id="{ids}d">{escape(drawing.description)}</desc>'
        f'<clipPath id="{clip}"><rect x="{left:g}" y="{top:g}" width="{right - left:g}" '
        f'height="{bottom - top:g}"/></clipPath>'
    ]
    for group in sorted(drawing.groups, key=_depth):
        if group.name:
            series = "" if group.series is None else f' data-series="{group.series}"'
            parts.append(f'<g data-name="{escape(group.name)}"{series} clip-path="url(#{clip})">')
        parts += [_shape(shape, color, "" if group.name else clip) for shape in group.shapes]
        if group.name:
            parts.append("</g>")
    for words in drawing.words:
        turn = f' transform="rotate(-90 {words.x:.1f} {words.y:.1f})"' if words.turned else ""
        parts.append(
            f'<text x="{words.x:.1f}" y="{words.y:.1f}" text-anchor="{words.anchor}" '
            f'font-size="{FONT:g}" fill="{color[words.role]}"{turn}>{escape(words.text)}</text>'
        )
    return Markup("".join([*parts, "</svg>"]))


def _depth(group: Group) -> int:
    """The axes lie below, then the grey lines, then the others, the first on top."""
    if not group.name:
        return -2
    return -1 if group.series is None else HIGHLIGHTED - group.series


def _shape(shape: Shape, color: dict[str, str], clip: str) -> str:
    path = corners(shape.points)
    shown = color[shape.role]
    end = f' clip-path="url(#{clip})"/>' if clip and shape.clipped else "/>"
    if shape.kind == "area":
        return f'<path d="{path}z" fill="{shown}" opacity=".15"{end}'
    if shape.kind == "dots":
        dots = path.replace("M", "").split(" ")
        drawn = "".join(f"M{dot}h0" for dot in dots if dot)
        pen = f'stroke="{shown}" stroke-width="{shape.width:g}" stroke-linecap="round"'
        return f'<path class="dots" d="{drawn}" {pen}{end}'
    dash = f' stroke-dasharray="{" ".join(f"{d:g}" for d in shape.dash)}"' if shape.dash else ""
    return (
        f'<path class="line" d="{path}" fill="none" stroke="{shown}" '
        f'stroke-width="{shape.width:g}"{dash}{end}'
    )
