"""Write docs/methods.md: every component, what it was compared with, and what a step costs.

    python -m scripts.write_methods                 # compare with the references, write the page
    python -m scripts.write_methods --step-cost     # time steps, too: on an idle machine
    python -m scripts.write_methods lion muon       # measure only these anew

What was measured is kept in docs/methods.json, from which the page is written; a test fails while a
component is missing there, or while the page differs.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from pathlib import Path
from typing import Any

import click

from suite.checking.declaration import DEVIATES
from suite.components import registry
from suite.components.registry import Component
from suite.errors import NotApplicable

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "methods.md"
MEASURED = ROOT / "docs" / "methods.json"
#: a ratio from which steps are not timed at the larger size: they would take minutes
SLOW = 15

_HEAD = """# The methods, and how each was checked

<!-- Written by scripts/write_methods.py from docs/methods.json: run it again after a change. -->

Every component is built and stepped by the suite for 25 steps, along fixed gradients of matrices,
a filter, an embedding, a head, biases and a norm, with and without weight decay, or on a small
network where it needs one. An independent reference computes the same weights by itself
([the table of references](../tests/golden/table.py)). *Deviation* is the largest difference of any
tensor in any step, relative to how far that tensor has moved; a test demands at most 1e-5. *Lines*
are lines of code of the component's file, without its claims and without helpers that its family
shares. *Step* is the time of the optimizer's own step, without gradients, over that of torch's
AdamW with its defaults, at 1 and at 10 million parameters, in one process on one core
([the benchmark](../benchmarks/step_cost.py)). A dash means that the step needs a network and
was not timed alone, or that it is more than 15 times as slow and was timed at the smaller size
only.
"""
_TITLES = {
    "optimizer": "Optimizers",
    "regularizer": "Regularizers, wrappers, averages and initializations",
    "schedule": "Schedules",
}


def deviates(path: Path) -> str:
    """What a file says it does otherwise than its paper: the rest of the paragraph of that line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        if text and DEVIATES in text:
            paragraph = text.split(DEVIATES, 1)[1].split("\n\n")[0]
            return " ".join(paragraph.split()).rstrip(".")
    return ""


def lines_of_code(path: Path) -> int:
    """Lines with code: blank ones, comments, docstrings and stated claims do not count."""
    text = path.read_text(encoding="utf-8")
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg == "claims":
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                left_out.update(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    rest = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    rest |= {tokenize.ENCODING, tokenize.ENDMARKER}
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in rest:
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found - left_out)


def components() -> list[Component]:
    """The components of this repository, sorted by kind and name."""
    found: list[Component] = []
    for kind in registry.COMPONENT_KINDS:
        entries, problems = registry.load_all(kind)
        if problems:
            raise click.ClickException(f"{problems[0].path}: {problems[0].reason}")
        found += [entry for entry in entries if entry.path.is_relative_to(ROOT / "baselines")]
    return found


def page(measured: dict[str, Any]) -> str:
    """The page's text."""
    from tests.golden.table import TABLE

    parts = [_HEAD]
    for kind, title in _TITLES.items():
        of_kind = [component for component in components() if component.kind == kind]
        parts.append(f"\n## {title}: {len(of_kind)}\n")
        timed = kind == "optimizer"
        names = ["name", "compared with", "deviation", DEVIATES.rstrip(":").lower(), "lines"]
        parts.append(_row([*names, *(["step 1 M", "step 10 M"] if timed else [])]))
        parts.append(_row(["---"] * (7 if timed else 5)))
        for component in of_kind:
            key = f"{kind} {component.name}"
            figures = measured.get(key, {})
            references = [golden.reference for golden in TABLE[kind, component.name]]
            found = [figures.get("deviation", {}).get(text) for text in references]
            cells = [
                f"[`{component.name}`](../{component.path.relative_to(ROOT).as_posix()})",
                "; ".join(references),
                "; ".join("" if value is None else f"{value:.0e}" for value in found),
                deviates(component.path),
                str(lines_of_code(component.path)),
            ]
            if timed:
                cells += [_ratio(figures.get("step", {}).get(size)) for size in ("1M", "10M")]
            parts.append(_row([cell.replace("|", "\\|") for cell in cells]))
    return "\n".join(parts) + "\n"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def compare(component: Component, figures: dict[str, Any]) -> None:
    """Measure a component's deviation from each of its references."""
    from tests.golden.table import TABLE

    found = {}
    for golden in TABLE[component.kind, component.name]:
        found[golden.reference] = float(f"{golden.measure(component.kind, component.name):.1e}")
    figures["deviation"] = found


def time_steps(component: Component, figures: dict[str, Any]) -> None:
    """Time an optimizer's step; one that needs a network is left out."""
    from benchmarks.step_cost import NeedsNetwork, ours, ratios

    figures["step"] = {}
    for size in ("1M", "10M"):
        try:
            figures["step"][size] = round(ratios(ours(component.name, size), size), 3)
        except (NeedsNetwork, NotApplicable):
            return
        if figures["step"][size] > SLOW:
            return


@click.command()
@click.argument("names", nargs=-1)
@click.option("--step-cost", is_flag=True, help="Time the optimizers' steps as well.")
@click.option("--new", "only_new", is_flag=True, help="Measure only what has no figures yet.")
def write(names: tuple[str, ...], step_cost: bool, only_new: bool) -> None:
    """Measure components and write the page."""
    import torch

    torch.set_num_threads(1)
    before = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    measured: dict[str, Any] = {}
    for component in components():
        key = f"{component.kind} {component.name}"
        figures = measured[key] = before.get(key, {})
        if names and component.name not in names:
            continue
        if not (only_new and "deviation" in figures):
            compare(component, figures)
        timed = component.kind == "optimizer" and step_cost
        if timed and not (only_new and "step" in figures):
            time_steps(component, figures)
        click.echo(f"{key}: {figures}")
        MEASURED.write_text(json.dumps({**before, **measured}, indent=1) + "\n", encoding="utf-8")
    MEASURED.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(measured), encoding="utf-8")


if __name__ == "__main__":
    write()
