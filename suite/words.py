"""Sizes and times in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def human_size(count: int) -> str:
    """Bytes in decimal units: "870 B", "29 kB", "1.1 MB", "170 MB", "1.9 GB"."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def duration(seconds: float) -> str:
    """Seconds in rounded units: "8 s", "3 min", "2 h 10 min"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def in_words(hyperparameters: Mapping[str, Mapping[str, Any]]) -> str:
    """A method's hyperparameters in one line: "lr 0.1, momentum 0.9; sam: rho 0.05".

    The first component, the optimizer, is not named; components without hyperparameters are left
    out.
    """
    said = []
    for number, (component, values) in enumerate(hyperparameters.items()):
        listed = ", ".join(f"{name} {_short(value)}" for name, value in values.items())
        if listed:
            said.append(listed if number == 0 else f"{component}: {listed}")
    return "; ".join(said)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
