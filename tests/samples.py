"""Synthetic results: sealed and consistent, with plausible curves; no training behind them.

They hold to every rule that `suite.results.checks` knows, unless a test changes a field.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.index import PACKAGED, line_of, write_index
from leaderboard.references import load
from suite.components.search import Distribution
from suite.problems.score import Score
from suite.results.files import file_name, seal, write
from suite.results.model import Result
from suite.studies.protocol import PROTOCOLS, StudyRules
from suite.studies.tuning import best, propose, sampler_record
from suite.training.seeds import derive, replicate_seed

#: name: track, family, kind of score, metric, higher is better, target, worst
TASKS = {
    "modular_addition": ("mini", "algorithmic", "time_to_target", "accuracy", False, 0.99, None),
    "digits": ("mini", "vision", "final", "accuracy", True, 0.96, 0.0),
    "permuted_digits": ("mini", "continual", "mean", "accuracy", True, 0.9, 0.0),
    "lm_markov": ("mini", "language", "final", "loss", False, 1.6, 10.0),
    "cifar10": ("full", "vision", "final", "accuracy", True, 0.93, 0.0),
    "cifar10_mini": ("mini", "vision", "final", "accuracy", True, 0.6, 0.0),
}
STREAMS = ("permuted_digits",)
#: of a plain gradient evaluation of one example
OPERATIONS = 6.0
BUDGET = 400.0
BATCH = 64
_FAILED = ("diverged", "failed", "undercharged", "timeout", "out_of_memory", "interrupted")


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
    """A result; `scores` are raw test scores, `status` that of evaluation runs.

    Both have one item for each replicate, or one for each evaluation run of all replicates.

    The mappings change single fields of the task, of every component, of the data, of the
    environment and of every run; `data=None` is a study that never got its data.
    """
    rules = PROTOCOLS[protocol]
    track, family, kind, metric, higher, target, worst = TASKS[task]
    rng = np.random.default_rng(derive(seed, task, method, protocol))
    parts = [{**part, **component} for part in _components(method)]
    statuses = [status] * rules.replicates if isinstance(status, str) else status
    quality = rng.uniform(0.35, 0.95)
    budget = BUDGET * rules.budget_fraction
    record = {
        "name": task, "version": 1, "fingerprint": _hash(task), "track": track,
        "batch_size": BATCH, "budget": budget * BATCH, "score": kind,
        "metric": metric, "higher_is_better": higher, "target": target, "hold": 1,
        "worst": 2 * budget if worst is None else worst,
        "family": family, "stream": task in STREAMS, "core": True,
        **task_fields,
    }  # fmt: skip
    rule = Score(kind, metric, record["higher_is_better"], record["worst"])

    def drawn(by: float) -> float:
        return rule.clip(_score(record["score"], quality + by, metric, budget))

    if scores is None:
        scores = [drawn(0.03 * rng.normal()) for _ in range(rules.replicates * rules.seeds)]
    replicates = []
    for (own_seed, own_scores), (_, own_statuses) in zip(
        _by_replicate(scores, rules, seed), _by_replicate(statuses, rules, seed), strict=True
    ):
        values = [drawn(-0.2 * rng.random() * (number > 0)) for number in range(rules.trials)]
        tried = _proposed(parts, rules, own_seed, values, record["higher_is_better"])
        tuning = [
            _run(
                record,
                number,
                derive(own_seed, "tuning", 0),
                rng,
                value,
                "completed",
                points,
                tried[number],
            )
            for number, value in enumerate(values)
        ]
        chosen = best(values, record["higher_is_better"])
        evaluation = [
            _run(
                record,
                number,
                derive(own_seed, "evaluation", number),
                rng,
                score,
                state,
                points,
                tried[chosen],
                test=True,
            )
            for number, (score, state) in enumerate(zip(own_scores, own_statuses, strict=True))
        ]
        for content in [*tuning, *evaluation]:
            content.update(run)
        replicates.append(
            {"seed": own_seed, "tuning": tuning, "chosen": chosen, "evaluation": evaluation}
        )
    fields = (
        "name", "version", "replicates", "trials", "seeds", "generation", "budget_fraction",
        "ranked",
    )  # fmt: skip
    return seal(
        {
            "task": record,
            "method": {"name": method, "components": parts},
            "protocol": {
                **{f: getattr(rules, f) for f in fields}, "sampler": sampler_record(rules.sampler)
            },
            "device": device,
            "threads": threads,
            "data": None if data is None else {
                "fingerprint": _hash("data", task), "canonical": True, "source": "generated", **data
            },
            "replicates": replicates,
            "environment": {
                "suite_version": "0.1.0",
                "packages": {"torch": "2.13.0", "optuna": sampler_record("sobol").version},
                "commit": "0123456789abcdef", "dirty": False, "python": "3.11.7",
                "platform": "Linux x86_64", "cpu": "A processor", "cpu_capability": "AVX2",
                "cores": 2, "gpu": None, "code": _hash("suite"),
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


def write_published(home: Path) -> None:
    """Results of a few methods as the published ones of a fresh user, unless the package has some.

    They are on two tasks with their frozen references, so that there is a track.
    """
    if PACKAGED.is_file():
        return
    references = load()
    lines = []
    for task in ("digits", "lm_markov"):
        reference = references[task]
        data = {"fingerprint": reference.data_fingerprint}
        for method in ("adamw", "lion", "sgd"):
            result = make_result(
                task, method, task_fields={"version": reference.task_version}, data=data
            )
            name = file_name(method, "quick")
            lines.append(
                line_of(f"{task}/{name}", hashlib.sha256(name.encode()).hexdigest(), result)
            )
    write_index(lines, home / "baselines.jsonl.xz")


def make_reference(task: str, untuned: float, tuned: float, **fields: Any) -> dict[str, Any]:
    """The fields of a frozen reference that fits `make_result`."""
    ends = [
        {"method": method, "hyperparameters": [{method: {"lr": lr}}], "runs": [[score]]}
        for method, lr, score in (("sgd", 0.1, untuned), ("adamw", 0.001, tuned))
    ]
    return {
        "task_version": 1, "data_fingerprint": _hash("data", task), "canonical": True,
        "untuned": ends[0], "tuned": ends[1],
        "protocol": "quick", "command": "freeze", "suite_version": "0.1.0", "commit": None,
        "frozen": "2026-11-22", "packages": {}, **fields,
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


def _by_replicate(
    given: Sequence[Any], rules: StudyRules, seed: int
) -> list[tuple[int, list[Any]]]:
    """Each replicate's seed, and its part of what is given."""
    each = len(given) // rules.replicates
    assert len(given) == each * rules.replicates
    assert each in (1, rules.seeds)
    return [
        (
            replicate_seed(seed, number),
            list(given[number * each : (number + 1) * each]) * (rules.seeds // each),
        )
        for number in range(rules.replicates)
    ]


def _proposed(
    parts: list[dict[str, Any]],
    rules: StudyRules,
    seed: int,
    scores: Sequence[float],
    higher_is_better: bool,
) -> list[dict[str, dict[str, Any]]]:
    """What the sampler proposes if trials score so."""
    space = {
        f"{part['name']}.{name}": Distribution(
            **{**fields, "choices": tuple(fields["choices"]) if fields.get("choices") else None}
        )
        for part in parts
        for name, fields in part["search_space"].items()
    }
    direction = "maximize" if higher_is_better else "minimize"
    tried: list[tuple[dict[str, Any], float]] = []
    while len(tried) < rules.trials:
        for flat in propose(space, rules, seed, direction, list(tried)):
            tried.append((flat, scores[len(tried)]))
    return [
        {
            part["name"]: {n: flat[f"{part['name']}.{n}"] for n in part["search_space"]}
            for part in parts
        }
        for flat, _ in tried
    ]


def _score(kind: str, quality: float, metric: str, budget: float) -> float:
    if kind == "time_to_target":
        return round(budget * (1.2 - quality), 3)
    return round(3.0 - 2.0 * quality if metric == "loss" else min(quality, 0.999), 5)


def _run(
    task: dict[str, Any],
    number: int,
    seed: int,
    rng: np.random.Generator,
    score: float,
    status: str,
    points: int,
    hyperparameters: dict[str, Any],
    test: bool = False,
) -> dict[str, Any]:
    failed = status in _FAILED
    budget = task["budget"] / task["batch_size"]
    rule = Score(
        task["score"], task["metric"], task["higher_is_better"], task["worst"], task["hold"]
    )
    at = _rounded(np.linspace(0, budget, points + 1)[: points // 4 if failed else None])
    metrics = {name: _values(at, budget, name, rng) for name in ("loss", "accuracy")}
    scored = task["metric"]
    if not failed and task["score"] == "time_to_target":
        at, metrics = _to_target(at, metrics, task, score, budget)
    elif not failed:
        metrics[scored] = _to_score(rule, at, metrics[scored], task, score, budget)
    reached = rule.reached(at, metrics[scored], target=task["target"])
    seconds = _rounded(0.01 * np.asarray(at) * rng.uniform(0.9, 1.2))
    spent = at[-1] if at else 0.0
    worst = rule.worst_score(budget)
    return {
        "number": number,
        "seed": seed,
        "hyperparameters": hyperparameters,
        "status": status,
        "reason": f"RuntimeError: sample of {status}" if failed else None,
        "traceback": f'File "x.py", line {number}\nRuntimeError' if status == "failed" else None,
        "validation_score": worst if failed else score,
        "test_score": (worst if failed else score) if test else None,
        "time_to_target": reached,
        "seconds_to_target": None if reached is None else seconds[at.index(reached)],
        "curve": {
            "gradient_evaluations": at,
            "seconds": seconds if test else [],
            "train_loss": [None, *metrics["loss"][1:]] if at and test else [],
            "validation": {scored: metrics[scored]},
            "test": metrics if test else {},
        },
        "cost": {
            "examples": round(spent * task["batch_size"], 3),
            "gradient_evaluations": round(spent, 3),
            "steps": math.ceil(spent),
            "seconds": seconds[-1] if at else 0.0,
            "evaluation_seconds": 0.1,
            "peak_memory_bytes": 2_000_000,
            "step_cost": 1.5,
            "audit": {"slope": 1.0, "rest": 0.0, "example": OPERATIONS},
            "operations": OPERATIONS * round(spent * task["batch_size"], 3),
        },
    }


def _values(at: list[float], budget: float, name: str, rng: np.random.Generator) -> list[float]:
    """A metric that gets better along a run, from that of a guess."""
    rise = 1 - np.exp(-4 * np.asarray(at) / budget)
    noise = 0.01 * rng.random(len(at)) * (np.asarray(at) > 0)
    return _rounded(0.02 + 0.78 * rise + noise if name == "accuracy" else 2.8 - 2.5 * rise + noise)


def _to_score(
    rule: Score,
    at: list[float],
    values: list[float],
    task: dict[str, Any],
    score: float,
    budget: float,
) -> list[float]:
    """Values whose score is the one that was asked for."""
    if task["score"] == "final":
        # Below it all along, as far as the first value allows.
        first, last = values[0], values[-1]
        share = (np.asarray(values) - first) / (last - first)
        return [*_rounded(first + share * (score - first))[:-1], score]
    free = Score("mean", task["metric"], task["higher_is_better"], None)
    moved = score - free.read(at, values, target=task["target"], budget=budget)
    shifted = np.asarray(values) + moved
    if task["metric"] == "accuracy" and (shifted.min() < 0 or shifted.max() > 1):
        shifted = np.asarray([values[0], *[score] * (len(values) - 1)])  # the first has no weight
    return _rounded(shifted, digits=12)


def _to_target(
    at: list[float],
    metrics: dict[str, list[float]],
    task: dict[str, Any],
    score: float,
    budget: float,
) -> tuple[list[float], dict[str, list[float]]]:
    """A curve that first meets the target after `score`, or misses it by as much as it says."""
    hit = score <= budget
    best_value = task["target"] if hit else 2.0 - score / budget
    kept = [point for point in at if point < score] if hit else at[:-1]
    at = [*kept, score if hit else budget]
    cut = {name: [*values[: len(kept)], values[len(kept) - 1]] for name, values in metrics.items()}
    first = cut["accuracy"][0]
    rise = [value - first for value in cut["accuracy"][:-1]]
    factor = 0.9 * (best_value - first) / max(max(rise), 1e-9)
    cut["accuracy"] = [*_rounded(np.asarray([first + factor * v for v in rise])), best_value]
    return at, cut


def _rounded(values: np.ndarray, digits: int = 6) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values]


def with_diagnostics(
    result: Result, columns: Mapping[str, Sequence[Sequence[float | None]]]
) -> Result:
    """The result with columns of diagnostics, evenly spread over each run, both ends included.

    The values of each evaluation run, or one list for all of them.
    """
    content = result.model_dump(mode="json", exclude={"digest", "schema_version"})
    runs = [run for replicate in content["replicates"] for run in replicate["evaluation"]]
    for number, run in enumerate(runs):
        last = len(result.evaluation_runs[number].curve.gradient_evaluations) - 1
        seen: dict[str, list[float | None]] = {}
        for name, lists in columns.items():
            values = lists[number % len(lists)]
            cells: list[float | None] = [None] * (last + 1)
            for i, value in enumerate(values):
                cells[round(i * last / max(1, len(values) - 1)) if values[1:] else last] = value
            seen[name] = cells
        run["curve"]["diagnostics"] = seen
    content["diagnostics"] = [
        {
            "name": f"of_{name}", "version": 1, "source_hash": _hash(name)[:16], "paper": "A paper",
            "url": "https://example.org", "columns": {name: "ratio"}, "cost": 0.0, "seconds": 0.1,
            "notes": {},
        }
        for name in columns
    ]  # fmt: skip
    return seal(content)
