"""Methods made for a test: plain SGD whose step does something else first."""

from __future__ import annotations

from pathlib import Path

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
    registry._registry.found.pop(("optimizer", name), None)
    path = folder / f"{name}.py"
    lines = "\n".join(" " * 8 + line for line in body)
    path.write_text(HEADER.format(name=name, body=lines))
    return str(path)
