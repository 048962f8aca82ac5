"""Result files: a result as one JSON file, written atomically and read strictly.

A wrong digest, an unknown schema, a missing or unknown field, a number that is not finite or too
large, duplicate keys or too deep nesting are refused with the field and the reason. Numbers in a
file are used only after its digest and their bounds are checked. Files of older schemas are
migrated (`suite.results.migrations`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from suite import atomic
from suite.errors import InvalidResult, UsageError
from suite.results.fields import MAX_INTEGER, MAX_METRIC
from suite.results.migrations import MIGRATIONS, migrate
from suite.results.model import SCHEMA_VERSION, Result

MAX_BYTES = 5_000_000
#: depth of nested objects and lists; a result has nine
_MAX_DEPTH = 20
_MAX_KEY = 2_000
#: the depth of a run's fields, and of a hyperparameter's range
_ONE_LINE = 5


def seal(content: dict[str, Any]) -> Result:
    """A validated result from its fields; the digest is added."""
    draft = Result.model_validate({"schema_version": SCHEMA_VERSION, **content, "digest": "0" * 64})
    return draft.model_copy(update={"digest": _digest(draft.model_dump(mode="json"))})


def text_of(result: Result) -> str:
    """The file's text: diffable, one scalar per line, one list of numbers per line.

    Of a run and of a search space, one line per field: a file holds many of them.

    A migrated result has no such text: its runs follow older rules, and a file of this schema would
    be checked by the present rules.
    """
    if result.migrated_from is not None:
        raise ValueError("a result that was migrated from an older schema is not written again")
    return _format(result.model_dump(mode="json"), 0) + "\n"


def write(result: Result, path: Path, *, replace: bool = True) -> None:
    """Write atomically: the file is either the old one or the whole new one.

    Without `replace`, raises FileExistsError if there is a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text_of(result), replace=replace)


def write_text(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a text atomically, as `write` does a result."""
    atomic.write(path, lambda file: file.write(text.encode("utf-8")), replace=replace)


def make_folder(folder: Path) -> None:
    """Make a folder for results and try to write there; raises UsageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        links = (p for p in (folder, *folder.parents) if p.is_symlink() and not p.exists())
        reason = f"{link} is a link to nothing" if (link := next(links, None)) else error.strerror
        raise UsageError(f"no result can be written to {folder}: {reason}") from None


def read(path: Path) -> Result:
    """The result in a file; raises InvalidResult naming the field and the reason.

    Only a regular file is read: a link may lead to anything, such as a device that never ends.
    """
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
            raise InvalidResult(f"{path}: not readable: it is {kind}")
        if found.st_size > MAX_BYTES:
            raise InvalidResult(f"{path}: larger than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidResult(f"{path}: not readable: {error}") from None
    try:
        return parse(text)
    except InvalidResult as error:
        raise InvalidResult(f"{path}: {error}") from None


def parse(text: str) -> Result:
    """The result in a text; raises InvalidResult naming the field and the reason."""
    content = _load(text)
    version = content.get("schema_version")
    known = [*MIGRATIONS, SCHEMA_VERSION]
    if isinstance(version, bool) or version not in known:
        raise InvalidResult(
            f"schema_version: this suite reads versions {', '.join(map(str, known))}, the file "
            f"has {version!r}"
        )
    _check_plain(content, ())
    if content.get("digest") != _digest(content):
        raise InvalidResult("digest: the content was changed after the suite wrote it")
    try:
        result = Result.model_validate(migrate(content, version, SCHEMA_VERSION))
    except ValidationError as error:
        raise InvalidResult(_explain(error, version)) from None
    return result.as_read_from(version)


def _load(text: str) -> dict[str, Any]:
    """The JSON object in a text, numbers unchanged."""
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidResult("not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise InvalidResult(f"not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise InvalidResult("not a JSON object")
    return content


def _check_plain(value: Any, place: tuple[str | int, ...]) -> None:
    """Raise InvalidResult if a number in a content is too large, or its nesting too deep."""
    if len(place) > _MAX_DEPTH:
        raise InvalidResult("not valid JSON: nested too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            if len(key) > _MAX_KEY:
                raise InvalidResult(f"{_where(place)}: a name of {len(key)} characters")
            _check_plain(item, (*place, key))
    elif isinstance(value, list):
        if set(map(type, value)) == {float} and max(map(abs, value)) < MAX_METRIC:
            return  # a column of a curve: most of a file, so it is looked at as a whole
        for number, item in enumerate(value):
            _check_plain(item, (*place, number))
    elif isinstance(value, float) and not abs(value) < MAX_METRIC:
        raise InvalidResult(f"{_where(place)}: {value:g} is not a number below {MAX_METRIC:g}")
    elif isinstance(value, int) and not abs(value) < MAX_INTEGER:
        raise InvalidResult(f"{_where(place)}: a whole number of more than 63 bits")


def _where(place: tuple[str | int, ...]) -> str:
    return ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in place)


def file_name(method: str, protocol: str, variant: str = "") -> str:
    """`<method>.<protocol>.json`, or with a variant `<method>.<protocol>.<variant>.json`."""
    return ".".join(filter(None, (method, protocol, variant, "json")))


def check_place(result: Result, path: Path) -> None:
    """Raise InvalidResult unless the file is where its content belongs."""
    stem = re.escape(file_name(result.method.name, result.protocol.name).removesuffix(".json"))
    if path.parent.name != result.task.name or not re.fullmatch(
        stem + r"(\.[0-9a-f]{8})?\.json", path.name
    ):
        expected = file_name(result.method.name, result.protocol.name)
        raise InvalidResult(f"{path}: its content belongs in {result.task.name}/{expected}")


def find(folder: Path, tasks: Collection[str] | None = None) -> Iterator[Path]:
    """The result files below a folder, in a stable order; of some tasks only, if they are named."""
    if tasks is None:
        found = list(folder.glob("*/*.json"))
    else:
        found = [path for task in tasks for path in (folder / task).glob("*.json")]
    # A task's folder that is a link leads out of the results.
    plain = (p for p in found if not p.name.startswith(".") and not p.parent.is_symlink())
    return iter(sorted(plain))


def json_schema() -> str:
    """The JSON Schema of a result file, as it is committed."""
    return json.dumps(Result.model_json_schema(), indent=1, sort_keys=True) + "\n"


def _digest(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"duplicate key {twice!r}")
    return content


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} where a number is expected")


def _explain(error: ValidationError, version: int) -> str:
    problems = []
    for item in error.errors(include_url=False)[:5]:
        where = _where(_as_in_file(item["loc"], version)) or "the whole file"
        problems.append(f"{where}: {item['msg']}")
    more = error.error_count() - len(problems)
    return "; ".join(problems) + (f" (and {more} more)" if more > 0 else "")


def _as_in_file(place: tuple[str | int, ...], version: int) -> tuple[str | int, ...]:
    """The place of an error; schema 1 had no replicates."""
    return place[2:] if version == 1 and place[:2] == ("replicates", 0) and place[2:] else place


def _format(value: Any, level: int) -> str:
    """The text of a value that is `level` objects and lists deep in the file."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a result holds finite numbers only")
    inner, outer = " " * (level + 1), " " * level
    if isinstance(value, dict) and value and (level < _ONE_LINE or _has_list(value)):
        lines = [f"{inner}{json.dumps(k)}: {_format(v, level + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        lines = [inner + _format(item, level + 1) for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{outer}]"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _has_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_list(item) for item in value.values())
    return isinstance(value, list)
