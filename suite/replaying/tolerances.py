"""How far the same run may be off on another machine, as measured: `tolerances.json`.

Written by `python -m scripts.measure_tolerances`, which replays published runs on another
processor, and with the kernels of others. Never edit the file by hand.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from suite.replaying.comparing import Difference
from suite.results.fields import Few, Name, NotNegative, Record, Text

PLACE = Path(__file__).with_name("tolerances.json")
#: the measured runs are few: the largest difference of others may be larger than theirs
FACTOR = 3.0

Quantities = dict[Text, NotNegative]


class TaskTolerances(Record):
    """The largest differences that were measured on a task, by quantity."""

    version: Few
    #: runs that were replayed, each with every setting
    runs: Few
    #: of these replays, how many were equal to the bit over the whole budget
    equal: Annotated[int, Field(ge=0)]
    replays: Few
    #: in the first part of the budget, and over all of it
    prefix: Quantities
    whole: Quantities


class Tolerances(Record):
    """The file."""

    command: Text
    share: Annotated[float, Field(gt=0, le=1)]
    #: the processor that was measured on, those of the results, and the settings of the libraries
    cpu: Text
    results_of: list[Text]
    torch: Text
    settings: dict[Text, dict[Text, Text]]
    tasks: dict[Name, TaskTolerances]


@cache
def measured() -> Tolerances:
    """The measured differences."""
    return Tolerances.model_validate_json(PLACE.read_text(encoding="utf-8"))


def allowed(task: str, version: int, share: float) -> dict[str, float] | None:
    """By quantity, how far a run may be off on another machine; None if that is not measured.

    A share of the budget up to the measured one has the tolerances of that; a larger share those
    of whole runs, since differences grow along a run.
    """
    known = measured()
    found = known.tasks.get(task)
    if found is None or found.version != version:
        return None
    largest = found.prefix if share <= known.share else found.whole
    return {quantity: FACTOR * value for quantity, value in largest.items()}


def merged(into: dict[str, float], differences: list[Difference]) -> None:
    """Keep the largest difference of each quantity."""
    for difference in differences:
        name = difference.quantity
        into[name] = max(into.get(name, 0.0), difference.largest)
