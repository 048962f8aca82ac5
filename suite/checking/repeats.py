"""Whether the same seed gives the same bits, whatever ran before in the process."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from suite.checking.bench import Bench
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk, first_difference, same
from suite.components.fingerprints import source_files
from suite.home import ROOT
from suite.training.repeatable import make_repeatable

_DEPTH = 4


def check_second_trial(bench: Bench) -> Iterator[Verdict]:
    """A second trial of the same seed in the same process takes the first one's trajectory."""
    title = "second trial"
    way, task = bench.home
    expected = bench.walked(way, task)
    before = _kept_outside(bench)
    make_repeatable(threads=1)
    settings = _settings()
    for name in bench.subject.component.search:
        other = bench.subject.other_values(name)[0]
        Walk(way, task, {name: other}).trajectory(3)
        break
    step = first_difference(Walk(way, task), expected)
    changed = [name for name, value in _kept_outside(bench).items() if before.get(name) != value]
    switched = [name for name, value in _settings().items() if settings[name] != value]
    if step is None and switched:
        seen = f"changes the process: {', '.join(switched)}"
        cure = "Restore what you change for a step: with torch.no_grad(), and the like."
        yield Verdict(title, "problem", seen, cure)
    elif step is None:
        yield Verdict(title, "ok", "the same seed gives the same bits again")
    elif changed:
        seen = f"other bits from step {step} on; {', '.join(changed)} changed during a trial"
        cure = "Keep state in the instance: classes and modules outlive a trial."
        yield Verdict(title, "problem", seen, cure)
    else:
        seen = f"other bits from step {step} on, with the same seed"
        cure = (
            "Draw random numbers from `info.generator` or torch's global generator only, and keep "
            "state in the instance."
        )
        yield Verdict(title, "problem", seen, cure)


def _settings() -> dict[str, Any]:
    """Settings of torch that outlive a step."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        "gradients on or off": torch.is_grad_enabled(),
        "the number of threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "the precision of products": torch.get_float32_matmul_precision(),
        "anomaly detection": torch.is_anomaly_enabled(),
    }


def _kept_outside(bench: Bench) -> dict[str, Any]:
    """What modules, classes and functions of the component's files hold, by name."""
    path = bench.subject.component.path
    files = {str(file) for file in source_files(path)} if path.is_file() else set()
    found: dict[str, Any] = {}
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) in files:
            for name, value in list(vars(module).items()):
                if not name.startswith("__"):
                    _describe(name, value, module.__name__, found)
    return found


def _describe(name: str, value: Any, module: str, found: dict[str, Any]) -> None:
    if isinstance(value, type):
        if value.__module__ == module:
            for inner, held in list(vars(value).items()):
                # Attributes that Python and torch keep in a class of their own accord.
                if not inner.startswith(("__", "_abc", "_zero_grad", "_patch", "hooked")):
                    _describe(f"{name}.{inner}", held, module, found)
    elif isinstance(value, types.FunctionType):
        if value.__module__ == module:
            held = {k: v for k, v in vars(value).items() if k not in ("__wrapped__", "hooked")}
            found[name] = _frozen([held, value.__defaults__, value.__kwdefaults__])
    else:
        found[name] = _frozen(value)


def _frozen(value: Any, depth: int = 0) -> Any:
    """Something that equals itself as long as nothing in the value changes."""
    if isinstance(value, torch.Tensor):
        return ("tensor", tuple(value.shape), value.detach().double().sum().item())
    if isinstance(value, (int, float, str, bool, bytes, complex, type(None))):
        return repr(value)
    if depth < _DEPTH and isinstance(value, dict):
        return [(str(k), _frozen(v, depth + 1)) for k, v in value.items()]
    if depth < _DEPTH and isinstance(value, (list, tuple, set, frozenset)):
        return [_frozen(item, depth + 1) for item in value]
    return type(value).__name__


def check_random(bench: Bench) -> Iterator[Verdict]:
    """Random numbers follow the trial's seed, and no global generator is set back."""
    title = "random numbers"
    walk, made = None, list[str]()
    with _noticed(made):
        walk = bench.walk().start()
        drawn = []
        for _ in range(8):
            drawn.append((float(torch.rand(())), random.random(), float(np.random.rand())))
            walk.step()
        walk.close()
    for which, numbers in zip(
        ("torch's", "Python's", "NumPy's"), zip(*drawn, strict=True), strict=True
    ):
        if len(set(numbers)) < len(numbers):
            seen = f"sets {which} global generator back in each step: dropout repeats its draws"
            cure = "Draw from `info.generator`, or seed with a number drawn from it."
            yield Verdict(title, "problem", seen, cure)
            return
    if made:
        way, task = bench.home
        other = Walk(way, task, method_seed=1).trajectory()
        if all(same(a, b) for a, b in zip(other, bench.walked(way, task), strict=True)):
            seen = f"makes a generator of its own ({made[0]}) that does not follow the trial's seed"
            cure = "Draw from `info.generator`, or seed yours with a number drawn from it."
            yield Verdict(title, "problem", seen, cure)
            return
    yield Verdict(title, "ok", "follow the seed, and leave the global generators to others")


@contextmanager
def _noticed(made: list[str]) -> Iterator[None]:
    """Inside, generators that are made outside the suite and torch are listed."""

    def noticing(function: Any, name: str) -> Any:
        def make(*arguments: Any, **named: Any) -> Any:
            file = sys._getframe(1).f_code.co_filename
            if not file.startswith(str(ROOT / "suite")):
                made.append(name)
            return function(*arguments, **named)

        return make

    with (
        mock.patch.object(torch, "Generator", _noticing_class(made)),
        mock.patch.object(random, "Random", noticing(random.Random, "random.Random")),
        mock.patch.object(np.random, "RandomState", noticing(np.random.RandomState, "RandomState")),
        mock.patch.object(np.random, "default_rng", noticing(np.random.default_rng, "default_rng")),
    ):
        yield


def _noticing_class(made: list[str]) -> type[torch.Generator]:
    class Generator(torch.Generator):
        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            file = sys._getframe(1).f_code.co_filename
            if not file.startswith(str(ROOT / "suite")):
                made.append("torch.Generator")
            return super().__new__(cls, *arguments, **named)

    return Generator
