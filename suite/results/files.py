"""Result files: a result as one JSON file, written atomically and read strictly.

A wrong digest, an unknown schema, a missing or unknown field, a number that is not finite,
duplicate keys or absurd nesting are refused with the field and the reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from suite.errors import InvalidResult, UsageError
from suite.results.model import SCHEMA_VERSION, Result

MAX_BYTES = 5_000_000


def seal(content: dict[str, Any]) -> Result:
    """A validated result from its fields, with its digest put in."""
    draft = Result.model_validate({"schema_version": SCHEMA_VERSION, **content, "digest": "0" * 64})
    return draft.model_copy(update={"digest": _digest(draft.model_dump(mode="json"))})


def text_of(result: Result) -> str:
    """The file's text: diffable, one line a scalar, one line a list of numbers."""
    return _format(result.model_dump(mode="json"), 0) + "\n"


def write(result: Result, path: Path, *, replace: bool = True) -> None:
    """Write atomically: the file is either the old one or the whole new one.

    Without `replace`, raises FileExistsError rather than take the place of a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text_of(result))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if replace:
            os.replace(temporary, path)
        else:
            _rename_to_free_name(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _rename_to_free_name(temporary: str, path: Path) -> None:
    """Rename a file; raises FileExistsError if somebody has the name, or takes it meanwhile."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: there the file is empty for a moment
        path.touch(exist_ok=False)
        os.replace(temporary, path)
    else:
        os.unlink(temporary)


def make_folder(folder: Path) -> None:
    """Make a folder for results and try to write there; raises UsageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"no result can be written to {folder}: {error.strerror}") from None


def read(path: Path) -> Result:
    """The result in a file; raises InvalidResult naming the field and the reason."""
    try:
        if path.stat().st_size > MAX_BYTES:
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
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidResult("not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise InvalidResult(f"not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise InvalidResult("not a JSON object")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise InvalidResult(
            f"schema_version: this suite reads version {SCHEMA_VERSION}, the file has {version!r}"
        )
    try:
        result = Result.model_validate(content)
    except ValidationError as error:
        raise InvalidResult(_explain(error)) from None
    if result.digest != _digest(content):
        raise InvalidResult("digest: the content was changed after the suite wrote it")
    return result


def file_name(method: str, protocol: str, variant: str = "") -> str:
    """`<method>.<protocol>.json`, or with a variant `<method>.<protocol>.<variant>.json`."""
    return ".".join(filter(None, (method, protocol, variant, "json")))


def check_place(result: Result, path: Path) -> None:
    """Raise InvalidResult unless the file lies where its content belongs."""
    stem = re.escape(file_name(result.method.name, result.protocol.name).removesuffix(".json"))
    if path.parent.name != result.task.name or not re.fullmatch(
        stem + r"(\.[0-9a-f]{8})?\.json", path.name
    ):
        expected = file_name(result.method.name, result.protocol.name)
        raise InvalidResult(f"{path}: its content belongs into {result.task.name}/{expected}")


def find(folder: Path) -> Iterator[Path]:
    """The result files below a folder, in a stable order."""
    return iter(sorted(p for p in folder.glob("*/*.json") if not p.name.startswith(".")))


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
    raise ValueError(f"{text} where a number is due")


def _explain(error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_url=False)[:5]:
        where = ".".join(str(part) for part in item["loc"]) or "the whole"
        problems.append(f"{where}: {item['msg']}")
    more = error.error_count() - len(problems)
    return "; ".join(problems) + (f" (and {more} more)" if more > 0 else "")


def _format(value: Any, level: int) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a result holds finite numbers only")
    inner, outer = " " * (level + 1), " " * level
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(k)}: {_format(v, level + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        lines = [inner + _format(item, level + 1) for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{outer}]"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
