"""Errors that a user can fix: what was wrong, where, and what to do.

The command line prints their text without a traceback; a program catches them by class.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SuiteError(Exception):
    """Something went wrong that the text explains; the command line exits with `exit_code`."""

    exit_code = 1


class UsageError(SuiteError):
    """The request itself is wrong: an unknown name, a bad value (exit code 2)."""

    exit_code = 2


class StudyBusy(UsageError):
    """Another process works on the study."""


class MissingData(SuiteError):
    """A task's data is missing and was not downloaded (exit code 2)."""

    exit_code = 2


class DamagedData(MissingData):
    """Data exists but cannot be used: broken, incomplete, or of another shape."""


class StudyStopped(SuiteError):
    """A study ended after its first trial raised an error, as all would."""


class InvalidResult(SuiteError):
    """A result file that must not be read: the text names the field and the reason."""


class NotApplicable(SuiteError):
    """Raised by a component that cannot work on a task's model, with the reason."""


#: more names than this are not listed in an error
MANY = 40


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An error for an unknown name, with similar names."""
    known = sorted(known)
    # Names of ours are in lower case, those of classes are not: "SGD" means "sgd".
    by_lower = {text.lower(): text for text in known}
    near = [by_lower[n] for n in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    if len(known) > MANY:  # a screenful that nobody reads
        return UsageError(f"unknown {kind} '{name}'.{hint} `suite list` shows all names.")
    return UsageError(f"unknown {kind} '{name}'.{hint} Known: {', '.join(known) or 'none'}.")
