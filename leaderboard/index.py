"""An index: many results in one file, each with thin curves: all that a board shows.

A board needs of a curve only the score's metric on test data, at a few points. Such a thin result
is a tenth of its file, and some thousands fit a file of some megabytes: the published results are
in the package as `baselines.jsonl.xz`, so that a method is ranked against them anywhere.

The file is JSON lines, compressed with xz. The first line is the header: format, number of results
and the SHA-256 of the lines after it. Each other line holds the path of a result file, its SHA-256
and the thin result. An index is read strictly: sizes, digest, schema and places are checked.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from suite import atomic
from suite.errors import InvalidResult, SuiteError
from suite.results.files import check_place
from suite.results.frames import Stored
from suite.results.model import Curve, Result, Run

#: the index that is part of the package
PACKAGED = Path(__file__).with_name("baselines.jsonl.xz")
FORMAT = 1
#: bytes of a file, compressed and not
MAX_BYTES = 50_000_000
MAX_CONTENT = 1_000_000_000
#: points of a thin curve
POINTS = 33
_DIGITS = 5
_NOTHING = Curve(gradient_evaluations=[], seconds=[], train_loss=[], validation={}, test={})


@dataclass(frozen=True)
class Line:
    """One result of an index."""

    #: below the results folder: `<task>/<file name>`
    path: str
    #: of the whole result file
    sha256: str
    #: the thin result as JSON
    text: str

    @property
    def stored(self) -> Stored:
        """The thin result; raises InvalidResult if it is none, or in a wrong place."""
        try:
            result = Result.model_validate_json(self.text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidResult(f"{self.path}: {where}: {first['msg']}") from None
        check_place(result, Path(self.path))
        return Stored(Path(self.path), result)


def thin(result: Result) -> Result:
    """A result with the curves that a board shows: those of evaluation runs, at `POINTS` points.

    Test values of the score's metric only, rounded to 5 digits, the first and the last point
    included. Everything else is unchanged; the digest stays that of the whole result.
    """
    metric = result.task.metric
    replicates = [
        replicate.model_copy(
            update={
                "tuning": [run.model_copy(update={"curve": _NOTHING}) for run in replicate.tuning],
                "evaluation": [_thin_run(run, metric) for run in replicate.evaluation],
            }
        )
        for replicate in result.replicates
    ]
    return result.model_copy(update={"replicates": replicates})


def _thin_run(run: Run, metric: str) -> Run:
    curve, values = run.curve, run.curve.test.get(metric)
    if not values:
        return run.model_copy(update={"curve": _NOTHING})
    last = len(values) - 1
    kept = sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)})
    thinned = Curve(
        gradient_evaluations=[curve.gradient_evaluations[i] for i in kept],
        seconds=[],
        train_loss=[],
        validation={},
        test={metric: [_rounded(values[i]) for i in kept]},
    )
    return run.model_copy(update={"curve": thinned})


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def line_of(path: str, sha256: str, result: Result) -> Line:
    """A result file's line."""
    return Line(path, sha256, thin(result).model_dump_json())


def write_index(lines: Iterable[Line], path: Path) -> int:
    """Write an index, sorted by path; returns the number of its results."""
    ordered = sorted(lines, key=lambda line: line.path)
    body = "".join(_in_json(line) + "\n" for line in ordered).encode()
    header = {
        "format": FORMAT,
        "results": len(ordered),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    content = json.dumps(header).encode() + b"\n" + body
    packed = lzma.compress(content, preset=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, lambda file: file.write(packed))
    return len(ordered)


def _in_json(line: Line) -> str:
    """The line, whose result is JSON text already."""
    head = json.dumps({"path": line.path, "sha256": line.sha256})
    return f'{head[:-1]}, "result": {line.text}}}'


def read_index(path: Path) -> list[Line]:
    """The lines of an index, whose results are not checked yet.

    Raises SuiteError naming what is wrong with the file.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SuiteError(f"{path}: larger than {MAX_BYTES:,} bytes: no index of results")
        content = _unpacked(path.read_bytes())
        first, _, body = content.partition(b"\n")
        header = json.loads(first)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        if hashlib.sha256(body).hexdigest() != header.get("sha256"):
            raise ValueError("its digest is wrong: the file is damaged or was changed")
        return [_line(text) for text in body.decode().split("\n") if text]
    except (OSError, ValueError, lzma.LZMAError, RecursionError) as error:
        raise SuiteError(
            f"{path}: no index of results: {error}. `suite leaderboard export` makes one."
        ) from None


def _unpacked(packed: bytes) -> bytes:
    """The content of a compressed file; raises ValueError if it is too large or incomplete."""
    decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=200_000_000)
    content = decompressor.decompress(packed, max_length=MAX_CONTENT)
    if not decompressor.eof:
        raise ValueError(f"it is incomplete, or holds more than {MAX_CONTENT:,} bytes")
    return content


_SEPARATOR = ', "result": '


def _line(text: str) -> Line:
    head, separator, rest = text.partition(_SEPARATOR)
    found: Any = json.loads(f"{head}}}")
    named = isinstance(found, dict) and list(found) == ["path", "sha256"]
    if not separator or not named or not all(isinstance(v, str) for v in found.values()):
        raise ValueError("a line is not a path, a SHA-256 and a result")
    return Line(found["path"], found["sha256"], rest.removesuffix("}"))
