"""Published results that a submission changes or removes, and its reasons."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from suite.errors import InvalidResult, UsageError
from suite.results import changes
from suite.results.files import file_name, parse, read
from suite.results.model import Result


class Published:
    """The results of BASE, and the submission's reasons for changing them."""

    def __init__(self, folder: Path, base: str) -> None:
        self._folder = folder
        self._base = base

    def verdicts(self, touched: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """For each published result that is changed or removed: a title, a problem, the reason."""
        before = {file: text for file in touched if (text := self._text(file)) is not None}
        for file in touched:
            if file not in before and (other := self._published_already(file)) is not None:
                title = f"{file}: a second result of a study"
                yield title, f"{other} is published: replace it, and say why", ""
        list_file = f"results/{changes.NAME}"
        listed, problem = self._listed(list_file)
        if problem:
            yield list_file, problem, ""
        for file, text in before.items():
            path = self._folder / file
            why = _why(listed, file, text, path)
            cure = "`suite submit --reason` says why"
            title = f"{file}: a published result, {'changed' if path.exists() else 'removed'}"
            yield title, "" if why else f"no reason is given: {cure}", why

    def _published_already(self, file: str) -> str | None:
        """The file of BASE that holds a result of the same study as a new one; None without any."""
        try:
            result = read(self._folder / file)
        except (InvalidResult, OSError):
            return None  # refused elsewhere, or removed
        task = Path(file).parent.as_posix()
        stem = file_name(result.method.name, result.protocol.name).removesuffix(".json")
        listed = self._git("ls-tree", "--name-only", self._base, f"{task}/") or ""
        for other in listed.splitlines():
            if not Path(other).name.startswith(f"{stem}."):
                continue
            try:
                before = parse(self._text(other) or "")
            except InvalidResult:
                continue
            if _study_of(before) == _study_of(result):
                return other
        return None

    def _listed(self, list_file: str) -> tuple[list[changes.Change], str]:
        """The submission's new lines, and what is wrong with them."""
        old = (self._text(list_file) or "").splitlines()
        try:
            found = changes.read_changes(self._folder / "results")
        except UsageError as error:
            return [], str(error).removeprefix(str(self._folder))
        text = self._folder / list_file
        now = text.read_text(encoding="utf-8").splitlines() if text.exists() else []
        if now[: len(old)] != old:
            return [], "lines that were there already are changed or gone: only append"
        return found[len(old) :], ""

    def _text(self, file: str) -> str | None:
        """A file of BASE; None if it is not there."""
        return self._git("show", f"{self._base}:{file}")

    def _git(self, *arguments: str) -> str | None:
        """What git prints; None if it refuses."""
        command = ["git", "-C", str(self._folder), *arguments]
        done = subprocess.run(command, capture_output=True)
        return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None


def _study_of(result: Result) -> tuple[object, ...]:
    return result.task.name, result.method.name, result.protocol.name, result.seed


def _why(listed: Sequence[changes.Change], file: str, before: str, path: Path) -> str:
    """The reason for a change of a published result; empty if none is given."""
    try:
        was, now = parse(before).digest, read(path).digest if path.exists() else None
    except InvalidResult:
        return ""
    if was == now:
        return "the same content"
    place = file.removeprefix("results/")
    return next((c.why for c in listed if (c.path, c.was, c.now) == (place, was, now)), "")
