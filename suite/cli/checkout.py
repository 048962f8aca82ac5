"""The git checkout of the suite: what differs from a commit, and branches made beside it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite.errors import SuiteError, UsageError

if TYPE_CHECKING:
    from suite.results.changes import Change


class Checkout:
    """A checkout, compared with the commit `base`; raises UsageError if there is none."""

    def __init__(self, root: Path, base: str) -> None:
        self.root = root
        if self._try("rev-parse", "--is-inside-work-tree") is None:
            raise UsageError(f"{root} is no git checkout: clone the repository, and install it.")
        commit = self._try("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
        if commit is None:
            raise UsageError(f"--base {base}: there is no such commit. `git fetch` may bring it.")
        self.base = commit.strip()

    def differing(self, paths: Iterable[Path]) -> list[str]:
        """Those of the files that base has not, or has with another content."""
        found = []
        for path in paths:
            if not path.resolve().is_relative_to(self.root):
                continue
            file = path.resolve().relative_to(self.root).as_posix()
            if self.text_in_base(file) != path.read_text(encoding="utf-8"):
                found.append(file)
        return found

    def text_in_base(self, file: str) -> str | None:
        """The text of a file in base; None if it is not there."""
        return self._try("show", f"{self.base}:{file}")

    def make_branch(
        self, name: str, message: str, files: Sequence[str], changes: Sequence[Change]
    ) -> None:
        """A branch with one commit on base; the work tree, the index and HEAD stay as they are.

        Raises UsageError if there is a branch of that name, or git knows no author.
        """
        if self._try("check-ref-format", "--branch", name) is None:
            raise UsageError(f"--branch {name}: git does not take that name.")
        if self._try("rev-parse", "--verify", "--quiet", f"refs/heads/{name}") is not None:
            raise UsageError(
                f"there is a branch {name}. Give another name with --branch, or delete it: "
                f"`git branch -D {name}`."
            )
        if self._try("var", "GIT_COMMITTER_IDENT") is None:
            raise UsageError(
                "git does not know who makes the commit. Tell it, and run the same command again: "
                '`git config --global user.name "Your Name"` and '
                "`git config --global user.email you@example.org`."
            )
        with tempfile.TemporaryDirectory() as folder:
            index = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git("read-tree", self.base, env=index)
            self._git("update-index", "--add", "--", *files, env=index)
            if changes:
                self._put_changes(changes, Path(folder), index)
            tree = self._git("write-tree", env=index).strip()
        commit = self._git("commit-tree", tree, "-p", self.base, "-m", message).strip()
        self._git("branch", name, commit)

    def _put_changes(self, changes: Sequence[Change], folder: Path, index: dict[str, str]) -> None:
        """Append lines to the list of changes as base has it."""
        from suite.results.changes import NAME, add_changes

        place = f"results/{NAME}"
        (folder / NAME).write_text(self.text_in_base(place) or "", encoding="utf-8")
        path = add_changes(folder, changes)
        blob = self._git("hash-object", "-w", "--", str(path)).strip()
        self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{place}", env=index)

    def _try(self, *arguments: str) -> str | None:
        """What git prints; None if it refuses."""
        try:
            return self._git(*arguments)
        except SuiteError:
            return None

    def _git(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.root), *arguments],
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=env,
            )
        except OSError as error:
            raise SuiteError(f"git cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines() or ["no reason given"]
            raise SuiteError(f"git {arguments[0]}: {reason[-1]}")
        return done.stdout
