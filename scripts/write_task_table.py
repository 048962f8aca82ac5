"""Write docs/tasks.md: every task in a table, with what its calibration measured.

    python scripts/write_task_table.py

Run it after a task was added or calibrated; a test fails while the page differs.
"""

from __future__ import annotations

from pathlib import Path

from leaderboard import references
from leaderboard.references import Reference
from suite.components import registry
from suite.problems.task import TRACKS, Task

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tasks.md"
_HEAD = """# The tasks

<!-- Written by scripts/write_task_table.py: change or calibrate the tasks, then run it again. -->

`suite show NAME` describes a task. *Untuned* and *tuned* are the ends of its scale: the mean test
score of SGD with torch's own defaults over 20 seeds, and that of tuned AdamW over 10 tuning
replicates. *Spread* is the standard deviation of tuned AdamW's score between replicates, so of what
people get who tune anew; *apart* is the distance of the ends in units of the larger of their two
spreads; *reached* says how many of AdamW's evaluation runs reached the task's target (streams reach
it in their first part, so it is not shown for them); *seconds* is the processor's work for one run
of tuned AdamW with its evaluations. The *contrast* is a pair of tuned methods that the task
distinguishes, and by how many standard errors. Tasks in bold are core: they count for their track's
ranking, and their ends are at least 6 spreads apart. Figures marked ¹ are of protocol 1: both ends
over 8 seeds and the contrast over 5, all with the hyperparameters of one tuning, so that their
spread leaves out the luck of tuning, and seconds by the clock, on two slow cores that other work
shared at times. A task without figures has not been calibrated since its present version; [a few
steps of every full task](full-tasks.md) show which of them have run on real data. A dagger marks
figures that were measured on other than the task's canonical data.
"""
_COLUMNS = [
    *("family", "task", "what", "score", "untuned", "tuned"),
    *("spread", "apart", "reached", "seconds", "contrast"),
]
_TRACKS = {
    "mini": "seconds on one core of a laptop, nothing to download",
    "full": "one GPU, or a download, or both",
}


def page() -> str:
    """The page's text."""
    known = references.load()
    found: list[Task] = registry.load_all("task")[0]
    tasks = [
        task for task in found if task.path.is_relative_to(ROOT / "tasks")
    ]  # not from packages
    parts = [_HEAD]
    for track in TRACKS:
        parts.append(f"\n## Track {track}: {_TRACKS[track]}\n")
        parts += [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
        for task in sorted(tasks, key=lambda task: (task.family, task.path.stem, task.name)):
            if task.track == track:
                reference = known.get(task.name)
                current = reference is not None and reference.task_version == task.version
                parts.append(_row(task, reference if current else None))
    return "\n".join(parts) + "\n"


def _row(task: Task, reference: Reference | None) -> str:
    name = f"**{task.name}**" if task.core else task.name
    score = f"{task.score.kind} {task.score.metric}".replace("_", " ")
    cells = [task.family, name, task.summary, score]
    declared = " over ".join(task.contrast or ())
    if reference is None:
        return _line([*cells, *[""] * 6, declared])
    marks = "¹" * (reference.protocol_version == 1) + " †" * (not reference.canonical)
    cells += [f"{end.mean:.4g}{marks}" for end in (reference.untuned, reference.tuned)]
    measured = reference.calibration
    if measured is None:
        return _line([*cells, *[""] * 4, declared])
    contrast = measured.contrast
    errors = f"{abs(contrast.errors_apart):.0f}"
    reached = f"{measured.reached} of {len(measured.scores)}"
    return _line(
        [
            *cells,
            f"{reference.tuned.spread:.2g}",
            f"{reference.spreads_apart:.0f}",
            "\N{EN DASH}" if task.stream else reached,
            f"{measured.trial_seconds:.2g}",
            f"{contrast.better} over {contrast.worse}, {errors}",
        ]
    )


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
