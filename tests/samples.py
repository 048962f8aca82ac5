"""Synthetic results: valid, sealed, with plausible curves; no training behind them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from suite.results.files import file_name, seal, write
from suite.results.model import Result
from suite.studies.protocol import PROTOCOLS
from suite.training.seeds import derive

#: name: track, kind of score, metric, higher is better, target, worst
TASKS = {
    "modular_addition": ("mini", "time_to_target", "accuracy", False, 0.99, 800.0),
    "digits": ("mini", "final", "accuracy", True, 0.96, 0.0),
    "permuted_digits": ("mini", "mean", "accuracy", True, 0.9, 0.0),
    "lm_markov": ("mini", "final", "loss", False, 1.6, 10.0),
    "cifar10": ("full", "final", "accuracy", True, 0.93, 0.0),
    "cifar10_mini": ("mini", "final", "accuracy", True, 0.6, 0.0),
}
BUDGET = 400.0
BATCH = 64
_FAILED = ("diverged", "failed", "timeout", "out_of_memory", "interrupted")


def make_result(
    task: str = "digits",
    method: str = "adamw",
    protocol: str = "quick",
    *,
    seed: int = 0,
    scores: Sequence[float] | None = None,
    status: str | Sequence[str] = "completed",
    points: int = 20,
    device: str = "cpu",
    threads: int = 1,
    task_fields: Mapping[str, Any] = {},
    component: Mapping[str, Any] = {},
    data: Mapping[str, Any] | None = {},
    environment: Mapping[str, Any] = {},
    run: Mapping[str, Any] = {},
) -> Result:
    """A result; `scores` are the raw test scores, one a seed; `status` of evaluation runs.

    The mappings change single fields of the task, of every component, of the data, of the
    environment and of every run; `data=None` is a study that never got its data.
    """
    rules = PROTOCOLS[protocol]
    track, kind, metric, higher, target, worst = TASKS[task]
    rng = np.random.default_rng(derive(seed, task, method, protocol))
    parts = _components(method)
    statuses = [status] * rules.seeds if isinstance(status, str) else list(status)
    quality = rng.uniform(0.35, 0.95)
    if scores is None:
        scores = [_score(kind, quality + 0.03 * rng.normal(), metric) for _ in range(rules.seeds)]
    record = {
        "name": task, "version": 1, "fingerprint": _hash(task), "track": track,
        "batch_size": BATCH, "budget": BUDGET * BATCH * rules.budget_fraction, "score": kind,
        "metric": metric, "higher_is_better": higher, "target": target, "hold": 1, "worst": worst,
        **task_fields,
    }  # fmt: skip
    tuning = []
    for number in range(rules.trials):
        value = _score(kind, quality - 0.2 * rng.random() * (number > 0), metric)
        hyperparameters = _hyperparameters(parts, None if number == 0 else rng)
        tuning.append(_run(record, number, rng, value, None, "completed", points, hyperparameters))
    ordered = sorted(tuning, key=lambda r: r["validation_score"], reverse=higher)
    chosen = ordered[0]["number"]
    evaluation = [
        _run(record, number, rng, score, score, state, points, tuning[chosen]["hyperparameters"])
        for number, (score, state) in enumerate(zip(scores, statuses, strict=True))
    ]
    for content in [*tuning, *evaluation]:
        content.update(run)
    sampler = {"name": "TPESampler", "arguments": {"seed": 1}, "optuna_version": "5.0.0"}
    fields = ("name", "version", "trials", "seeds", "generation", "budget_fraction", "ranked")
    return seal(
        {
            "task": record,
            "method": {"name": method, "components": [{**c, **component} for c in parts]},
            "protocol": {**{f: getattr(rules, f) for f in fields}, "sampler": sampler},
            "seed": seed,
            "device": device,
            "threads": threads,
            "data": None if data is None else {
                "fingerprint": _hash("data", task), "canonical": True, "source": "generated", **data
            },
            "tuning": tuning,
            "chosen": chosen,
            "evaluation": evaluation,
            "environment": {
                "suite_version": "0.1.0", "packages": {"torch": "2.13.0", "optuna": "5.0.0"},
                "commit": "0123456789abcdef", "dirty": False, "python": "3.11.7",
                "platform": "Linux x86_64", "cpu": "A processor", "cores": 2, "gpu": None,
                "started": "2026-11-22T02:00:00+00:00", "finished": "2026-11-22T02:01:00+00:00",
                **environment,
            },
        }
    )  # fmt: skip


def write_results(folder: Path, results: Iterable[Result], variant: str = "") -> list[Path]:
    """Write results to their places below a folder."""
    paths = []
    for result in results:
        name = file_name(result.method.name, result.protocol.name, variant)
        paths.append(folder / result.task.name / name)
        write(result, paths[-1])
    return paths


def make_reference(task: str, untuned: float, tuned: float, **fields: Any) -> dict[str, Any]:
    """The fields of a frozen reference that fits `make_result`."""
    lr = {"adamw": {"lr": 0.001}}
    return {
        "task_version": 1, "data_fingerprint": _hash("data", task), "canonical": True,
        "untuned": {"method": "sgd", "hyperparameters": {"sgd": {"lr": 0.1}}, "scores": [untuned]},
        "tuned": {"method": "adamw", "hyperparameters": lr, "scores": [tuned]},
        "command": "freeze", "suite_version": "0.1.0", "commit": None, "frozen": "2026-11-22",
        "packages": {}, **fields,
    }  # fmt: skip


def _hash(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]


def _components(method: str) -> list[dict[str, Any]]:
    body, _, schedule = method.partition("@")
    optimizer, *regularizers = body.split("+")
    named = [("optimizer", optimizer), *(("regularizer", r) for r in regularizers)]
    if schedule:
        named.append(("schedule", schedule))
    lr = {"kind": "log_uniform", "default": 0.001, "low": 1e-5, "high": 0.1}
    return [
        {
            "kind": kind, "name": name, "version": 1, "source_hash": _hash("source", name),
            "paper": f"The paper of {name} (2024)", "url": "https://example.org/paper",
            "search_space": {"lr": lr, "weight_decay": {**lr, "default": 0.01, "high": 1.0}},
        }
        for kind, name in named
    ]  # fmt: skip


def _hyperparameters(parts: list[dict[str, Any]], rng: np.random.Generator | None) -> dict:
    chosen: dict[str, dict[str, float]] = {}
    for part in parts:
        chosen[part["name"]] = {
            name: space["default"] if rng is None else _drawn(rng, space["low"], space["high"])
            for name, space in part["search_space"].items()
        }
    return chosen


def _drawn(rng: np.random.Generator, low: float, high: float) -> float:
    return float(f"{10 ** rng.uniform(math.log10(low), math.log10(high)):.6g}")


def _score(kind: str, quality: float, metric: str) -> float:
    if kind == "time_to_target":
        return round(BUDGET * (1.2 - quality), 3)
    return round(3.0 - 2.0 * quality if metric == "loss" else min(quality, 0.999), 5)


def _run(
    task: dict[str, Any],
    number: int,
    rng: np.random.Generator,
    score: float,
    test_score: float | None,
    status: str,
    points: int,
    hyperparameters: dict[str, Any],
) -> dict[str, Any]:
    failed = status in _FAILED
    n = points // 4 if failed else points
    budget = task["budget"] / task["batch_size"]
    at = np.linspace(budget / points, budget, points)[:n]
    rise = 1 - np.exp(-4 * at / budget)
    end = 1.0 if task["score"] == "time_to_target" else score
    accuracy = np.clip(
        (end if task["metric"] == "accuracy" else 0.8) * rise + 0.01 * rng.normal(size=n), 0, 1
    )
    loss = (score if task["metric"] == "loss" else 0.3) + 2.5 * (1 - rise)
    metrics = {"loss": _rounded(loss + 0.02 * rng.random(n)), "accuracy": _rounded(accuracy)}
    if task["score"] == "final" and not failed and n:
        metrics[task["metric"]][-1] = score
    reached = None
    if not failed and (task["score"] == "time_to_target") and score <= budget:
        reached = score
    elif not failed:
        values = np.asarray(metrics[task["metric"]])
        met = values <= task["target"] if task["metric"] == "loss" else values >= task["target"]
        first = _rounded(at[met][:1])
        reached = first[0] if first and task["score"] != "time_to_target" else None
    seconds = 0.01 * at * rng.uniform(0.9, 1.2)
    test_score = task["worst"] if failed and test_score is not None else test_score
    return {
        "number": number,
        "seed": derive(number, task["name"]),
        "hyperparameters": hyperparameters,
        "status": status,
        "reason": f"RuntimeError: sample of {status}" if failed else None,
        "traceback": f'File "x.py", line {number}\nRuntimeError' if status == "failed" else None,
        "validation_score": task["worst"] if failed else score,
        "test_score": test_score,
        "time_to_target": reached,
        "seconds_to_target": None if reached is None else round(0.01 * reached, 5),
        "curve": {
            "gradient_evaluations": _rounded(at),
            "seconds": _rounded(seconds),
            "train_loss": _rounded(loss),
            "validation": metrics,
            "test": {} if test_score is None else metrics,
        },
        "cost": {
            "examples": float(n * task["batch_size"]),
            "gradient_evaluations": float(at[-1]) if n else 0.0,
            "steps": int(at[-1]) if n else 0,
            "seconds": float(seconds[-1]) if n else 0.0,
            "evaluation_seconds": 0.1,
            "peak_memory_bytes": 200_000_000,
            "calibration_step_seconds": 0.008,
        },
    }


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
