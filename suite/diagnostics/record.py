"""What the diagnostics of one run found, as a worker returns it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Probed:
    """What the diagnostics of one run found."""

    #: by column; one value for each evaluation of the curve, None where it was not measured
    columns: dict[str, list[float | None]]
    #: by diagnostic: why values are missing that were to be measured
    notes: dict[str, str]
    #: by diagnostic
    seconds: dict[str, float] = field(default_factory=dict)
    #: of drawing the probing batch
    drawing_seconds: float = 0.0
    #: of the copies that were made while the run went on
    snapshot_seconds: float = 0.0
