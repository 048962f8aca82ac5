"""How figures are drawn: small, in the page's colours, as SVG text inside a page.

Text remains text, ids and bytes are equal in every build, and every colour is a CSS variable of
the page, so that one drawing serves the dark and the light theme. The legend is HTML: it wraps on
a phone and links to the methods. Figures are drawn small, because a phone shows them at that size.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from leaderboard.statistics import Floats

HIGHLIGHTED = 8
#: placeholder colours for matplotlib, replaced by the page's variables
INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = tuple(f"#0401{i:02d}" for i in range(HIGHLIGHTED))
_VARIABLES = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--line)"} | {
    color: f"var(--series-{i})" for i, color in enumerate(SERIES)
}
_DASHES = ("-", "-", "-", "-", (0, (4, 1.5)), (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (1.2, 1.2)))
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.transparent": True,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.linewidth": 0.8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
_PHONE_INCHES = 5.0


@dataclass(frozen=True)
class Drawing:
    """A figure for a page: inline SVG, its caption and the legend's (method, series number)."""

    svg: Markup
    caption: str
    legend: list[tuple[str, int]]


def make_canvas(height: float = 3.1, left: float = 0.62) -> tuple[Canvas, Axes]:
    """An empty figure; its height and its margin for labels are in inches."""
    with mpl.rc_context({**dict[Any, Any](sns.axes_style("whitegrid")), **_STYLE}):
        canvas = Canvas(figsize=(_PHONE_INCHES, height))
        # Fixed margins: measuring the labels would draw every figure twice.
        sides = {"left": left / _PHONE_INCHES, "right": 0.975}
        canvas.subplots_adjust(**sides, bottom=0.46 / height, top=1 - 0.1 / height)
        axes = canvas.add_subplot()
        sns.despine(ax=axes, left=True, bottom=True)
    return canvas, axes


def draw_line(axes: Axes, at: Floats, values: Floats, series: int, **style: Any) -> None:
    """One highlighted method's line, identified by colour and dashes."""
    axes.plot(
        at, values, color=SERIES[series], linestyle=_DASHES[series],
        linewidth=1.7, zorder=20 - series, **style,
    )  # fmt: skip


def focus(axes: Axes, curves: Sequence[Floats], trim: float = 1) -> None:
    """Limit the view to the highlighted methods, without `trim` percent on each side."""
    if not curves:
        return
    values = np.concatenate([curve[~np.isnan(curve)].ravel() for curve in curves])
    low, high = np.percentile(values, [trim, 100 - trim])
    margin = 0.06 * (high - low) or 0.05 * (abs(high) or 1.0)
    axes.set_ylim(low - margin, high + margin)


def to_svg(canvas: Canvas, name: str, title: str, description: str) -> Markup:
    """The drawing as an inline SVG element with a text alternative."""
    buffer = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    opening, _, body = text.partition(">")
    box = re.search(r'viewBox="([^"]*)"', opening)
    assert box is not None, "matplotlib writes a viewBox"
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>\s*", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;]*;", "", body)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"\n\s*", "\n", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box[1]}" role="img" aria-labelledby="{escape(name)}-t {escape(name)}-d">'
        f'<title id="{escape(name)}-t">{escape(title)}</title>'
        f'<desc id="{escape(name)}-d">{escape(description)}</desc>'
    )
    return Markup(head + body)
