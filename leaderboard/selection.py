"""Which result files are shown, and which of them may be ranked together.

For a task, a protocol, a method and a result seed one file is shown: the newest task version, then
the newest protocol version, then the last finished. The others are superseded and only listed. A
method with the constant schedule is the method without a schedule: if there are files of both, the
one without stands. Of the shown files, those get a rank that are comparable: the declared result
seed, the newest task version with the same record of the task, the same protocol version, the same
data, the same seeds of replicates. A frozen reference determines the data, unless it was measured
on other than the task's canonical data: then canonical data counts if there is any.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leaderboard.references import References
from suite.results.frames import Stored
from suite.results.model import ProtocolRecord, Result, TaskRecord

#: what others are compared with, and what 1 means on every scale
BASELINE = "adamw"
#: the schedule that changes nothing
_NO_SCHEDULE = "@constant"
#: the result seed whose studies are ranked: the luckiest of many seeds would be no evidence
RANKED_SEED = 0
#: clocks of two machines may differ
_CLOCKS = timedelta(hours=1)


def method_of(result: Result) -> str:
    """The name that a result's method is shown by: `adamw@constant` is `adamw`."""
    return result.method.name.removesuffix(_NO_SCHEDULE)


@dataclass(frozen=True)
class Group:
    """The results that are shown for one task under one protocol."""

    task: TaskRecord
    protocol: ProtocolRecord
    comparable: list[Stored]
    #: with the reason why each is not ranked
    apart: list[tuple[Stored, str]]


@dataclass(frozen=True)
class Superseded:
    """A file that another one for the same task, method and protocol replaces."""

    stored: Stored
    by: Stored

    @property
    def method(self) -> str:
        """The name that the method of both is shown by."""
        return method_of(self.stored.result)


def select(
    stored: Iterable[Stored], references: References
) -> tuple[list[Group], list[Superseded]]:
    """Groups by task and protocol, in order of both names, and the superseded files."""
    candidates: dict[tuple[str, str, str, int], list[Stored]] = {}
    for item in stored:
        result = item.result
        key = (result.task.name, result.protocol.name, method_of(result), result.seed)
        candidates.setdefault(key, []).append(item)
    groups: dict[tuple[str, str], list[Stored]] = {}
    superseded: list[Superseded] = []
    for (task, protocol, *_), items in sorted(candidates.items(), key=lambda pair: pair[0]):
        *others, newest = sorted(items, key=_age)
        groups.setdefault((task, protocol), []).append(newest)
        superseded += [Superseded(item, newest) for item in others]
    return [_group(items, references) for items in groups.values()], superseded


def _age(item: Stored) -> tuple[int, int, bool, datetime, str]:
    result = item.result
    plain = result.method.name == method_of(result)
    versions = result.task.version, result.protocol.version
    return *versions, plain, finished(result), str(item.path)


def finished(result: Result) -> datetime:
    """When the study ended; a text that is no time, or a time in the future, counts as oldest."""
    oldest = datetime.min.replace(tzinfo=UTC)
    try:
        time = datetime.fromisoformat(result.environment.finished)
    except ValueError:
        return oldest
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return oldest if time > datetime.now(UTC) + _CLOCKS else time


def _group(items: list[Stored], references: References) -> Group:
    declared = [item for item in items if item.result.seed == RANKED_SEED]
    newest = max(declared or items, key=lambda item: _age(item)[:4]).result
    task, protocol = newest.task, newest.protocol
    same_rules = [item for item in declared if _differs(item.result, task, protocol) is None]
    record = _usual(same_rules, lambda result: _record(result.task))
    seeds = _usual(same_rules, _replicates)
    reference = references.get(task.name)
    frozen = None
    if reference is not None and reference.task_version == task.version:
        frozen = reference.data_fingerprint
    if reference is not None and frozen is not None and reference.canonical:
        data: str | None = frozen
    else:
        data = _usual(same_rules, _data_fingerprint, before_others=frozen)
    comparable, apart = [], []
    for item in items:
        reason = _differs(item.result, task, protocol) or _is_of_others(
            item.result, record, data, seeds
        )
        if reason is None:
            comparable.append(item)
        else:
            apart.append((item, reason))
    leader = comparable[0].result if comparable else newest
    task = leader.task.model_copy(update={"core": _usually_core(comparable)})
    return Group(task, leader.protocol, comparable, apart)


def _differs(result: Result, task: TaskRecord, protocol: ProtocolRecord) -> str | None:
    if result.seed != RANKED_SEED:
        return f"result seed {result.seed}: only seed {RANKED_SEED} is ranked"
    if result.task.version != task.version:
        return f"task version {result.task.version}, the newest is {task.version}"
    if result.protocol.version != protocol.version:
        return f"protocol version {result.protocol.version}, the newest is {protocol.version}"
    return None


def _is_of_others(
    result: Result, record: str | None, data: str | None, seeds: str | None
) -> str | None:
    if _record(result.task) != record:
        fields = _different_fields(_record(result.task), record)
        return f"the task's {fields} differs from that of the others under the same version"
    if result.data is not None and result.data.fingerprint != data:
        kind = "other data" if result.data.canonical else "not the task's canonical data"
        return f"{kind} (fingerprint {result.data.fingerprint})"
    if _replicates(result) != seeds:
        return f"replicates of seeds {_replicates(result)}: those of the others are {seeds}"
    return None


def _replicates(result: Result) -> str:
    """The seeds of its replicates, which pair it with others."""
    return ", ".join(str(replicate.seed) for replicate in result.replicates)


def _record(task: TaskRecord) -> str:
    """All that a result says about its task, except `core`, which may change without a version."""
    return json.dumps(task.model_dump(exclude={"core"}), sort_keys=True)


def _different_fields(mine: str, theirs: str | None) -> str:
    one, other = json.loads(mine), json.loads(theirs or "{}")
    return ", ".join(name for name in one if one[name] != other.get(name))


def _usually_core(items: list[Stored]) -> bool | None:
    """What most results say about whether the task counts for its track: no single one decides."""
    said = Counter(item.result.task.core for item in items)
    return said[True] > said[False] if said[True] or said[False] else None


def _data_fingerprint(result: Result) -> str | None:
    return result.data.fingerprint if result.data else None


def _usual(
    items: Iterable[Stored],
    read: Callable[[Result], str | None],
    before_others: str | None = None,
) -> str | None:
    """The most common value, canonical data first; of equals, the first by name.

    Values in `before_others` are preferred among canonical data, and among the rest.
    """
    counts: Counter[str] = Counter()
    canonical: dict[str, bool] = {}
    for _, result in items:
        value = read(result)
        if value is not None:
            counts[value] += 1
            good = result.data is None or result.data.canonical
            canonical[value] = canonical.get(value, False) or good
    return min(
        counts,
        key=lambda v: (not canonical[v], v != before_others, -counts[v], v),
        default=None,
    )
