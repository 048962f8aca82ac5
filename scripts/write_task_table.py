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
score of SGD with torch's own defaults, and of tuned AdamW. *Deviation* is the standard deviation of
tuned AdamW's score over seeds; *reached* says how many of these runs reached the task's target
(streams reach it in their first part, so it is not shown for them); *seconds* is one trial with its
evaluations on the machine that measured it, two slow cores that other work shared at times; an idle
one takes less. The *contrast* is a pair of tuned methods that the task distinguishes, and by how
many standard errors at five seeds. Tasks in bold are core: they count for their track's ranking. A
task without figures has not been calibrated since its present version; [a few steps of every full
task](full-tasks.md) show which of them have run on real data. A dagger marks figures that were
measured on other than the task's canonical data.
"""
_COLUMNS = [
    *("family", "task", "what", "score", "untuned", "tuned"),
    *("deviation", "reached", "seconds", "contrast"),
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
        return _line([*cells, *[""] * 5, declared])
    dagger = "" if reference.canonical else " †"
    cells += [f"{end.mean:.4g}{dagger}" for end in (reference.untuned, reference.tuned)]
    measured = reference.calibration
    if measured is None:
        return _line([*cells, *[""] * 3, declared])
    contrast = measured.contrast
    apart = f"{abs(contrast.errors_apart):.0f}"
    reached = f"{measured.reached} of {len(measured.scores)}"
    return _line(
        [
            *cells,
            f"{measured.deviation:.2g}",
            "\N{EN DASH}" if task.stream else reached,
            f"{measured.trial_seconds:.2g}",
            f"{contrast.better} over {contrast.worse}, {apart}",
        ]
    )


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
