"""Sizes and times in words."""

from __future__ import annotations


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
