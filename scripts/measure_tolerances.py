"""Measure how far a run is off on another machine, as `suite.replaying.tolerances` allows it.

    python -m scripts.measure_tolerances results --write

Results below the folder are replayed as trials run here, and with the kernels that torch, MKL and
oneDNN choose where nobody asks for AVX2 (`suite.instruction_set`): first a share of the budget,
then all of it. Run it on another processor than that of the results, of another maker if you can.
The largest difference of each quantity on each task is what was measured. Only AdamW's and SGD's,
unless others are named: of methods whose trials diverge, the largest difference is as large as the
loss, and would allow any curve.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import torch

from suite import atomic, instruction_set
from suite.cli.verify import SHARE
from suite.components import registry
from suite.home import ROOT
from suite.replaying.comparing import Difference
from suite.replaying.tolerances import PLACE, TaskTolerances, Tolerances, merged
from suite.results.environment import cpu_name
from suite.results.files import find, read

METHODS = ("adamw", "sgd")
#: environment variables: those of every trial, with which only the processor is another one, and
#: those under which the libraries take other kernels: with AVX-512, and without AVX2
SETTINGS = {
    "as trials run": dict(instruction_set.SETTINGS),
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_CBWR": "AVX512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
    },
    "compatible": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}


#: the instruction set is fixed by every process that imports the suite; this one does it otherwise
_OTHERWISE = """
from suite import instruction_set
instruction_set.SETTINGS = {setting!r}
instruction_set.fix()
"""


@click.command(help=__doc__.partition("\n")[0])
@click.argument("results", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--method", "methods", multiple=True, default=METHODS, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the choice.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--write", is_flag=True, help=f"Write {PLACE.name}.")
def main(results: Path, methods: tuple[str, ...], seed: int, jobs: int, write: bool) -> None:
    """Measure every task below the folder; with --write into the file of tolerances."""
    tasks: dict[str, TaskTolerances] = {}
    made_on: set[str] = set()
    by_task: dict[str, list[Path]] = {}
    for path in find(results):
        if path.name.partition(".")[0] in methods:
            by_task.setdefault(path.parent.name, []).append(path)
            made_on.add(str(read(path).environment.cpu))
    for name, files in sorted(by_task.items()):
        tasks[name] = measure(name, files, seed, jobs)
        click.echo(f"{name}: {tasks[name].equal} of {tasks[name].replays} equal to the bit")
    replays, equal = (
        sum(getattr(t, what) for t in tasks.values()) for what in ("replays", "equal")
    )
    click.echo(f"{equal} of {replays} whole runs equal to the bit")
    found = Tolerances(
        command=" ".join(
            [
                f"python -m scripts.measure_tolerances {results} --seed {seed} --write",
                *(f"--method {method}" for method in methods),
            ]
        ),
        share=SHARE,
        cpu=cpu_name(),
        results_of=sorted(made_on),
        torch=torch.__version__,
        settings=SETTINGS,
        tasks=tasks,
    )
    if write:
        text = found.model_dump_json(indent=1) + "\n"
        atomic.write(PLACE, lambda file: file.write(text.encode()))


def measure(task: str, files: list[Path], seed: int, jobs: int) -> TaskTolerances:
    """The largest differences on a task: one evaluation run and one tuning trial of each result."""
    prefix: dict[str, float] = {}
    whole: dict[str, float] = {}
    equal = replays = 0
    for setting in SETTINGS.values():
        for _, differences in replayed(files, SHARE, seed, jobs, setting):
            merged(prefix, differences)
        for outcome, differences in replayed(files, 1.0, seed, jobs, setting):
            merged(whole, differences)
            replays += 1
            equal += outcome == "equal"
    return TaskTolerances(
        version=registry.get("task", task).version,
        runs=replays // len(SETTINGS),
        equal=equal,
        replays=replays,
        prefix=prefix,
        whole=whole,
    )


def otherwise(folder: Path, setting: dict[str, str]) -> dict[str, str]:
    """An environment whose processes compute with a setting; Python reads it from a folder."""
    (folder / "sitecustomize.py").write_text(_OTHERWISE.format(setting=setting))
    path = os.pathsep.join(filter(None, [str(folder), str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def replayed(
    files: list[Path], share: float, seed: int, jobs: int, setting: dict[str, str]
) -> Iterable[tuple[str, list[Difference]]]:
    """Outcome and differences of each run, by `suite verify` in a process with these variables."""
    command = [sys.executable, "-m", "suite", "verify", *map(str, files), "--json"]
    command += ["--share", str(share), "--choice-seed", str(seed), "--jobs", str(jobs)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, env=otherwise(Path(folder), setting), stdout=subprocess.PIPE, text=True
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"measure_tolerances: {' '.join(command)} ended with {done.returncode}")
    runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    for run in runs:
        if run["outcome"] == "not replayed":
            raise SystemExit(f"measure_tolerances: {run['file']}: {run['reason']}")
        # JSON has no infinity: no tolerance holds a number that only one of the runs has.
        measured = [item for item in run["differences"] if item["largest"] is not None]
        yield run["outcome"], [Difference(**item) for item in measured]


if __name__ == "__main__":
    main()
