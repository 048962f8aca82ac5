"""Formatting of values from result files as words, numbers and addresses on a page."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from leaderboard.catalogue import code_words
from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import Interval
from leaderboard.tracks import NO_FAMILY, TrackEntry
from suite.results.fields import Value
from suite.results.frames import Stored
from suite.results.model import DistributionRecord, ProtocolRecord, TaskRecord

_MINUS = "\N{MINUS SIGN}"


class Scale(NamedTuple):
    """The ends of the interval bars of one column."""

    low: float
    high: float


class Bar(NamedTuple):
    """An interval bar in percent of its cell."""

    low: float
    high: float
    at: float
    #: the side on which the interval goes beyond the scale: left, right, both; or empty
    cut: str = ""
    #: the estimate itself is beyond the scale
    off: bool = False


def slug(name: str) -> str:
    """A file name without an ending: unique for each method name, safe for any text.

    `+` becomes `-` and `@` becomes `--`; names themselves hold no hyphen.
    """
    text = name.replace("+", "-").replace("@", "--")
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in text)[:220]


def figure(value: float, digits: int = 4) -> str:
    """A number with a few significant digits, large ones with thin groups of three."""
    if not math.isfinite(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 7 or size < -5:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, min(digits - 1 - size, digits + 2))}f}".replace(
        ",", "\N{NARROW NO-BREAK SPACE}"
    )
    if "." in text and float(value).is_integer():
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", _MINUS)


def value(item: Any) -> str:
    """A hyperparameter's value."""
    if isinstance(item, (bool, str)):
        return shorten(str(item), 60)
    return f"{item:.4g}"


def shorten(text: str, most: int) -> str:
    """A text's beginning, with an ellipsis if the text is longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def web_address(url: str) -> str | None:
    """The URL if a page may link to it: absolute, http or https."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    odd = any(c.isspace() or not c.isprintable() for c in url)
    good = parts.scheme in ("http", "https") and parts.netloc and not odd and len(url) < 2000
    return url if good else None


def breakable(name: str) -> Markup:
    """A method's or a file's name that may be broken between its parts."""
    return Markup(re.sub(r"([_/.]|(?=[+@]))", r"\1<wbr>", str(escape(name))))


def minute(time: str) -> str:
    """A time of ISO 8601 to the minute."""
    return time[:16].replace("T", " ")


def words(name: str) -> str:
    """A name with spaces instead of underscores."""
    return name.replace("_", " ")


def space_words(space: DistributionRecord) -> str:
    """A search space in words."""
    if space.kind == "choice":
        return "one of " + ", ".join(value(choice) for choice in space.choices or ())
    return f"{space.kind.replace('_', '-')}, {value(space.low)} to {value(space.high)}"


def score_words(task: TaskRecord) -> str:
    """What a task's score measures."""
    if task.score == "time_to_target":
        return f"gradient evaluations until {task.metric} {task.target:g}, lower is better"
    better = "higher" if task.higher_is_better else "lower"
    kind = "final" if task.score == "final" else "mean"
    return f"{kind} {task.metric}, {better} is better"


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 seed`, `3 seeds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tally(counts: Counter[str]) -> str:
    """Statuses with their numbers: `2 diverged, 1 timeout`."""
    return ", ".join(f"{n} {words(status)}" for status, n in sorted(counts.items()))


def task_scale(standing: TaskStanding) -> Scale:
    """The scale of a task's interval bars: from the worst to the best of those not failed."""
    shown = [entry for entry in standing.ranked if not entry.failed]
    # Higher scaled scores are better, whatever the direction of the task's own scores.
    higher_is_better = standing.reference is not None or standing.task.higher_is_better
    return _scale([entry.scaled or entry.raw for entry in shown], higher_is_better)


def track_scale(entries: Iterable[TrackEntry]) -> Scale:
    """The scale of a track's interval bars."""
    return _scale([entry.headline for entry in entries])


def _scale(intervals: list[Interval], higher_is_better: bool = True) -> Scale:
    """From the lowest to the highest end; outliers on the worse side do not stretch it.

    Of an interval without an end, as that of one replicate is, only the estimate counts.
    """
    values = [each.value for each in intervals]
    intervals = [each for each in intervals if math.isfinite(each.high - each.low)]
    intervals = intervals or [Interval(value, value, value) for value in values]
    if not intervals:
        return Scale(0.0, 1.0)
    if not higher_is_better:
        mirrored = _scale([Interval(-at, -high, -low) for at, low, high in intervals])
        return Scale(-mirrored.high, -mirrored.low)
    lows = sorted(interval.low for interval in intervals)
    highs = sorted(interval.high for interval in intervals)
    middle = (len(lows) - 1) // 2  # of two, the worse one: it is not an outlier
    low = max(lows[0], highs[middle] - 3 * (highs[-1] - lows[middle]))
    return Scale(low, max(highs[-1], low + 1e-12))


def on_scale(interval: Interval, scale: Scale) -> Bar:
    """Where an interval is on a scale, and on which sides it is cut off."""
    width = scale.high - scale.low
    low, high, at = (
        round(max(0.0, min(100.0, (number - scale.low) / width * 100)), 1)
        for number in (interval.low, interval.high, interval.value)
    )
    beyond = (interval.low < scale.low, interval.high > scale.high)
    cut = {(True, False): "left", (False, True): "right", (True, True): "both"}.get(beyond, "")
    return Bar(low, high, at, cut, not scale.low <= interval.value <= scale.high)


def tint(value: float) -> int:
    """The step of a cell's tint, 0 to 9, of a scaled score from 0 to 1.2."""
    return max(0, min(9, int(value / 1.2 * 10))) if math.isfinite(value) else 0


def two(value: float) -> str:
    """A number with two digits after its point."""
    return figure(value, 2) if not abs(value) < 100 else f"{value:.2f}".replace("-", _MINUS)


def ends(interval: Interval, fixed: bool) -> tuple[str, str, str]:
    """An estimate and its interval's ends: two digits after the point, or three digits."""
    value, low, high = (two(each) if fixed else figure(each, 3) for each in interval)
    return value, low, high


def exact(value: float) -> str:
    """A number for a script: nine digits, so that a page stays small; empty if it is infinite."""
    return f"{value:.9g}" if math.isfinite(value) else ""


def families(number: int) -> str:
    """A number of families."""
    return "1 family" if number == 1 else f"{number} families"


def study_words(protocol: ProtocolRecord) -> str:
    """What a study of a protocol consists of."""
    trials = f"{count(protocol.trials, 'trial')} and {count(protocol.seeds, 'evaluation run')}"
    replicates = getattr(protocol, "replicates", None)
    if replicates is None:
        return trials
    each = " each" if replicates > 1 else ""
    return f"{count(replicates, 'tuning replicate')} of {trials}{each}"


def file_id(item: Entry | Stored) -> str:
    """The id of the row of a result file on the page of its method."""
    stored = item if isinstance(item, Stored) else item.stored
    return "file-" + slug(str(stored.path))


def in_family(standings: Iterable[TaskStanding], family: str) -> list[TaskStanding]:
    """Those of some tasks that are of a family."""
    return [standing for standing in standings if (standing.task.family or NO_FAMILY) == family]


def family_scale(entries: Iterable[TrackEntry], family: str) -> Scale:
    """The scale of the interval bars of a family's scores."""
    return _scale([entry.families[family] for entry in entries])


def detectable(standing: TaskStanding) -> float | None:
    """The true difference between two methods that its replicates find with 80% power."""
    return standing.comparisons.detectable if standing.comparisons else None


def detectable_share(standing: TaskStanding) -> float:
    """The same as a share of the task's scale; needs a reference."""
    assert standing.reference is not None and standing.comparisons is not None
    tuned, untuned = standing.reference.tuned.mean, standing.reference.untuned.mean
    return standing.comparisons.detectable / abs(tuned - untuned)


def tuning_scores(entry: Entry) -> tuple[float | None, float | None]:
    """Validation scores of the defaults and of the chosen trials, scaled where that is possible."""
    if entry.scaled is not None:
        return entry.tuning.out_of_the_box, entry.tuning.tuned
    replicates = entry.result.replicates
    return (
        statistics.fmean(each.tuning[0].validation_score for each in replicates),
        statistics.fmean(each.tuning[each.chosen].validation_score for each in replicates),
    )


def chosen_values(entry: Entry, component: str, name: str) -> list[Value]:
    """What each replicate chose for a hyperparameter; empty if an older version had it not."""
    found = [
        each.tuning[each.chosen].hyperparameters.get(component, {}).get(name)
        for each in entry.result.replicates
    ]
    return [value for value in found if value is not None]


def choices(entry: Entry) -> list[tuple[str, list[str]]]:
    """Each hyperparameter with what the replicates chose, in words."""
    parts = entry.result.method.components
    return [
        (name if len(parts) == 1 else f"{part.name}.{name}",
         [value(each) for each in chosen_values(entry, part.name, name)])
        for part in parts
        for name in part.search_space
    ]  # fmt: skip


def middle(values: list[Value]) -> Value:
    """The median of numbers, the most common of other values."""
    numbers = [
        each for each in values if isinstance(each, (int, float)) and not isinstance(each, bool)
    ]
    if len(numbers) == len(values):
        return statistics.median_low(numbers)
    return Counter(map(str, values)).most_common(1)[0][0]


def leaders(standing: TaskStanding, most: int = 3) -> list[Entry]:
    """The first few that may be the best and did not fail: if all failed, all may be."""
    return _unbeaten(standing)[:most]


def tied(standing: TaskStanding) -> int:
    """The number of methods that may be the best and did not fail."""
    return len(_unbeaten(standing))


def _unbeaten(standing: TaskStanding) -> list[Entry]:
    return [entry for entry in standing.ranked if entry.rank == 1 and not entry.failed]


def share_of_runs(entry: Entry) -> str:
    """How many runs the metric is over: failed ones have no final value."""
    return f"over {entry.metric_runs} of {count(entry.runs, 'run')}"


def failed_runs(found: Iterable[tuple[TaskStanding, Entry]]) -> int:
    """Runs that did not complete, over all of a method's results."""
    return sum(entry.failures.total() for _, entry in found)


def before_colon(text: str) -> str:
    """The first part of a note."""
    return text.partition(":")[0]


def capitalize_first(text: str) -> str:
    """A note as a sentence."""
    return text[:1].upper() + text[1:]


FILTERS = {
    function.__name__: function
    for function in (
        before_colon, breakable, capitalize_first, choices, chosen_values, code_words, count,
        detectable, detectable_share, ends, exact, failed_runs, families, family_scale, figure,
        file_id, in_family, leaders, middle, minute, on_scale, score_words, share_of_runs, shorten,
        slug, space_words, study_words, tally, task_scale, tied, tint, track_scale, tuning_scores,
        two, value, web_address, words,
    )
} | {"finite": math.isfinite}  # fmt: skip
