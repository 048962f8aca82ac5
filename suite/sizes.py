"""Sizes as people say them."""

from __future__ import annotations


def human_size(count: int) -> str:
    """Bytes in decimal units: "870 B", "29 kB", "1.1 MB", "170 MB", "1.9 GB"."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"
