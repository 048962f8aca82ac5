"""Components made for a test, and what the checks say of them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch

from suite import search
from suite.checking.checks import check_component
from suite.checking.verdict import Verdict
from suite.components import registry
from suite.components.registry import Component

LR = {"lr": search.log_uniform(1e-4, 1.0, default=0.05)}


def component(build: Any, kind: Any = "optimizer", space: Any = None, **fields: Any) -> Component:
    """A component that no file declares."""
    known = {
        "name": "under_test",
        "paper": "A paper",
        "url": "https://example.org",
        "summary": "For a test.",
        "version": 1,
        "path": Path("<test>"),
        "source_hash": "",
    }
    default = LR if kind == "optimizer" else {}
    space = default if space is None else space
    return Component(kind=kind, build=build, search=space, **{**known, **fields})


def verdicts(tested: Component, *titles: str) -> dict[str, Verdict]:
    """What some checks say, by the titles of their verdicts."""
    found = check_component(tested, titles=titles)
    return {verdict.check: verdict for verdict in found}


def verdict(
    title: str, build: Any, kind: Any = "optimizer", space: Any = None, **fields: Any
) -> Verdict:
    """The verdict of one check that gives one."""
    (found,) = verdicts(component(build, kind, space, **fields), title).values()
    return found


class Descent(torch.optim.Optimizer):
    """Gradient descent that does everything right; tests override one method."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> Any:
        loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.change(p, group)
        return loss

    def change(self, p: torch.Tensor, group: dict[str, Any]) -> None:
        p.sub_(p.grad, alpha=group["lr"])


def from_file(folder: Path, text: str, name: str = "under_test") -> Component:
    """The component that a file of this text registers."""
    path = folder / f"{name}.py"
    path.write_text(text)
    (found,) = registry.load_file(path)
    registry._registry.extra_files.remove(path.resolve())
    registry.forget(found.kind, found.name)
    registry._registry.loaded.pop(path.resolve(), None)
    importlib.invalidate_caches()
    assert isinstance(found, Component)
    return found
