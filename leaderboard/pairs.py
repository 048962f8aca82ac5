"""The data of the page that compares two methods: every pair, as the board computed it.

No statistics are computed in the browser. Each method has one small file per protocol, with its
means and its differences to the methods after it; a page from disk may load scripts but no JSON, so
each file is a call of a function.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from leaderboard.board import Board
from leaderboard.filters import slug
from leaderboard.statistics import Comparisons, Floats
from leaderboard.statistics.intervals import half_width


@dataclass(frozen=True)
class Compared:
    """The variables of the page, and the paths and texts of the files that it loads."""

    context: dict[str, Any]
    files: list[tuple[str, str]]


def comparison_data(board: Board) -> Compared:
    """Everything that the page needs; its lists of methods are of those ranked somewhere."""
    tables: dict[str, dict[str, Comparisons]] = {}
    about: dict[str, dict[str, dict[str, object]]] = {}
    for track in board.tracks:
        if track.comparisons is not None:
            key = f"@{track.track}"
            tables.setdefault(track.protocol.name, {})[key] = track.comparisons
            about.setdefault(track.protocol.name, {})[key] = {"scale": 1, "page": ""}
    for name, standings in board.tasks.items():
        for standing in standings:
            if standing.comparisons is None:
                continue
            reference = standing.reference
            scale = reference.tuned.mean - reference.untuned.mean if reference else None
            protocol = standing.protocol.name
            tables.setdefault(protocol, {})[name] = standing.comparisons
            about.setdefault(protocol, {})[name] = {
                "family": standing.task.family or "",
                "higher": standing.task.higher_is_better,
                "scale": scale,
                "page": slug(name),
            }
    names = sorted(
        {method for found in tables.values() for t in found.values() for method in t.methods}
    )
    protocols = sorted(tables, key=lambda protocol: (-_runs(board, protocol), protocol))
    data = {"methods": {name: slug(name) for name in names}, "tasks": about}
    context = {"names": names, "protocols": protocols, "data": embedded(data)}
    return Compared(context, list(_files(tables, names)))


def _runs(board: Board, protocol: str) -> int:
    for standings in board.tasks.values():
        for standing in standings:
            if standing.protocol.name == protocol:
                return standing.protocol.trials + standing.protocol.seeds
    return 0


def _files(
    tables: dict[str, dict[str, Comparisons]], names: list[str]
) -> Iterator[tuple[str, str]]:
    """Path and text; a method's file holds its pairs with the methods after it in `names`."""
    order = {name: number for number, name in enumerate(names)}
    for protocol, found in tables.items():
        texts: dict[str, list[str]] = {}
        for task, table in found.items():
            values, adjusted = table.values.tolist(), table.adjusted_p.tolist()
            halves = _half_widths(table).tolist()
            for i, method in enumerate(table.methods):
                pairs = [
                    f"[{order[other]},{_short(value)},{_short(half)},{_short(p, 3)}]"
                    for other, value, half, p in zip(
                        table.methods, values[i], halves[i], adjusted[i], strict=True
                    )
                    if order[other] > order[method]
                ]
                mean = ",".join(map(_short, table.means[method]))
                text = f'{json.dumps(task)}:{{"mean":[{mean}],"pairs":[{",".join(pairs)}]}}'
                texts.setdefault(method, []).append(text)
        for method, parts in texts.items():
            body = ",\n".join(parts)
            text = f"compared({json.dumps(method)},{json.dumps(protocol)},{{\n{body}\n}});\n"
            yield f"compare/{slug(method)}.{slug(protocol)}.js", text


def _half_widths(table: Comparisons) -> Floats:
    """How far the interval of each pair's difference reaches to each side: (methods, methods).

    Degrees of freedom repeat, and their quantiles take long.
    """
    dof, which = np.unique(table.dof, return_inverse=True)
    widths = np.array([half_width(1.0, float(each)) for each in dof])
    with np.errstate(invalid="ignore"):
        return np.asarray(widths[which].reshape(table.dof.shape) * table.errors)


def _short(value: float, digits: int = 5) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else "null"


def embedded(data: object) -> Markup:
    """Data as JSON within a page: no text in it can end its element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
