"""Measure the reliability of the suite and print the figures of docs/reliability.md.

    python -m tests.reliability kills --count 1000 --keep FOLDER
    python -m tests.reliability damage
    python -m tests.reliability places
    python -m tests.reliability texts

`kills` can be stopped and started again: FOLDER keeps what was counted.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import click

from tests.reliability import damage, kills, places, texts


@click.group()
def main() -> None:
    """Measure one part; exit code 1 if anything was lost, changed or let in."""


@main.command("kills")
@click.option("--count", default=1000, show_default=True, help="Signals.")
@click.option("--keep", type=click.Path(path_type=Path), required=True)
@click.option("--seed", default=0, show_default=True)
def _kills(count: int, keep: Path, seed: int) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / "counted.json"
    counted = kills.Counted(**json.loads(file.read_text())) if file.exists() else kills.Counted()
    measured = kills.Kills(keep, seed)
    while counted.signals < count:
        measured.study(counted)
        file.write_text(json.dumps(vars(counted)))
        click.echo(f"{counted.signals} of {count}: {counted.studies} studies, {counted.same} same")
    click.echo(json.dumps(vars(counted), indent=1))
    sys.exit(0 if counted.good else 1)


@main.command("damage")
@click.option("--count", default=1000, show_default=True)
def _damage(count: int) -> None:
    _print(damage.measure(count))


@main.command("places")
def _places() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _print(places.measure(Path(folder)))


@main.command("texts")
def _texts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _print(texts.measure(Path(folder)))


def _print(found: dict[str, object]) -> None:
    click.echo(json.dumps(found, indent=1))
    sys.exit(0 if found["good"] else 1)


if __name__ == "__main__":
    main()
