"""Methods made for a test: plain SGD whose step does something else first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from suite import optimizer, regularizer
from suite.components import registry

HEADER = """
import os, signal, sys, threading, time
from pathlib import Path

import torch
from suite import optimizer, search


class Method(torch.optim.SGD):
    def step(self, closure):
{body}
        return super().step(closure)


optimizer("{name}", Method, paper="none", url="", summary="Misbehaves.",
          search={{"lr": search.log_uniform(1e-3, 1e-1, default=1e-2)}})
"""


def write_method(folder: Path, name: str, *body: str) -> str:
    """Write the file of an optimizer; `body` are lines of its step, before SGD's own.

    An optimizer of that name that another test registered in this process is forgotten.
    """
    registry.forget("optimizer", name)
    path = folder / f"{name}.py"
    lines = "\n".join(" " * 8 + line for line in body)
    path.write_text(HEADER.format(name=name, body=lines))
    return str(path)


@contextmanager
def registered_methods() -> Iterator[Any]:
    """A function that registers an optimizer `hidden_steps` and a regularizer `hidden_hook`.

    Both are gone afterwards; a second call replaces what the first one registered.
    """
    about = {"paper": "none", "url": "", "summary": "For a test."}
    names = [("optimizer", "hidden_steps"), ("regularizer", "hidden_hook")]

    def forget() -> None:
        for kind, name in names:
            registry.forget(kind, name)

    def declare(steps: Any, hook: Any = None, extra: Any = None) -> None:
        forget()
        optimizer("hidden_steps", steps, **about, **(extra or {}))
        if hook is not None:
            regularizer("hidden_hook", hook, **about)

    yield declare
    forget()
