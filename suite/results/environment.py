"""Where a study ran: versions, commit, machine."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch

import suite
from suite import instruction_set
from suite.components.fingerprints import suite_hash
from suite.home import ROOT
from suite.results.model import EnvironmentRecord

#: what /proc/cpuinfo says of a processor's model; results of older versions lack it
_MODEL = ("cpu family", "model", "stepping")


#: what decides the last digits of a number, beside the code: machines that are equal in it are of
#: one kind
MACHINE = ("platform", "cpu", "cpu_capability", "gpu")


def differences(
    one: EnvironmentRecord, other: EnvironmentRecord, fields: Iterable[str] = MACHINE
) -> list[tuple[str, str, str]]:
    """Which fields differ, each with its two values; none on machines of one kind."""
    first, second = (_texts(record, fields) for record in (one, other))
    names = dict.fromkeys((*first, *second))
    found = [(name, first.get(name, "none"), second.get(name, "none")) for name in names]
    return [each for each in found if each[1] != each[2]]


def _texts(record: EnvironmentRecord, fields: Iterable[str]) -> dict[str, str]:
    """Fields as texts, each package one of its own."""
    texts: dict[str, str] = {}
    for name in fields:
        value = getattr(record, name)
        if isinstance(value, Mapping):
            texts |= {f"package {package}": version for package, version in value.items()}
        elif value is not None:
            texts[name] = str(value)
    return texts


def names_model(cpu: str) -> bool:
    """Whether a recorded processor's name says which model it is."""
    return f"({_MODEL[0]} " in cpu


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def record(device: str, packages: Mapping[str, str]) -> EnvironmentRecord:
    """The environment of a study that begins now; `finished` is the beginning until it ends."""
    commit, dirty = _commit()
    time = now()
    return EnvironmentRecord(
        suite_version=suite.__version__,
        packages=dict(packages),
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        cpu_capability=instruction_set.in_use(),
        cores=os.cpu_count() or 1,
        gpu=torch.cuda.get_device_name() if device == "cuda" else None,
        code=suite_hash(),
        started=time,
        finished=time,
    )


@functools.cache
def _commit() -> tuple[str | None, bool | None]:
    """The checkout's commit and whether its code was changed; None outside a checkout.

    Read once, when the first study begins: later commits are not the code that was loaded.
    """
    if not (ROOT / ".git").exists():
        return None, None
    code = ["suite", "tasks", "baselines", "pyproject.toml"]
    try:
        commit = _git("rev-parse", "HEAD")
        dirty = _git("status", "--porcelain", "--", *code)
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit, bool(dirty)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@functools.cache
def cpu_name() -> str:
    """The processor's name, as the operating system gives it, with its model where that is known.

    Cloud machines give one name to processors of several generations, whose last digits differ.
    """
    info = Path("/proc/cpuinfo")
    if info.exists():
        first: dict[str, str] = {}
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            first.setdefault(key.strip(), value.strip())
        if "model name" in first:
            model = ", ".join(f"{key} {first[key]}" for key in _MODEL if key in first)
            return first["model name"] + (f" ({model})" if model else "")
    return platform.processor() or platform.machine()
