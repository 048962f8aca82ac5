"""Check a submission: what changed since a commit, as Markdown on standard output.

    python scripts/check_submission.py BASE

Every changed component runs at the smoke protocol on the mini tasks that need no download, every
mini task of a changed file with the first optimizer; a full task is only loaded and shown, as it
may need data and a GPU. Every changed result file is validated. Exit code 1 if anything of it
fails. Whatever else was changed or deleted is listed for review.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from suite.components import registry
from suite.errors import SuiteError
from suite.results.files import read

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[[list[str]], tuple[int, str]]


class Check(NamedTuple):
    """One run of `suite` on what a file holds."""

    file: str
    title: str
    arguments: list[str]


def main(base: str) -> int:
    """Print the report on everything that changed since `base`; the exit code."""
    report, code = check(differing(base, "d"), run_suite, deleted=differing(base, "D"))
    print(report)
    return code


def differing(base: str, kinds: str) -> list[str]:
    """Files that differ from the common ancestor with `base`, by git's letters for the kind.

    A capital letter asks for a kind, a small one for all others: "D" deleted, "d" not deleted.
    """
    command = ["git", "-C", str(ROOT), "diff", "-z", "--name-only", "--no-renames"]
    command += [f"--diff-filter={kinds}", f"{base}...HEAD"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(filter(None, done.stdout.split("\0")))


def run_suite(arguments: list[str]) -> tuple[int, str]:
    """Run `suite` in a process of its own: its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "suite.cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def check(files: list[str], run: Run, deleted: Sequence[str] = ()) -> tuple[str, int]:
    """The report on changed files and the exit code; `run` runs `suite` with arguments."""
    sections, failed = [], False
    planned = checks(files)
    for _, title, arguments in planned:
        code, output = run(arguments)
        if code == 0 and arguments[0] == "validate":
            code, output = of_this_checkout(Path(arguments[1]), output)
        failed = failed or code != 0
        verdict = "passed" if code == 0 else f"**failed** (exit code {code})"
        transcript = as_block(f"$ suite {' '.join(arguments)}\n{output}")
        sections.append(f"## `{title}`: {verdict}\n\n{transcript}")
    checked = {file for file, _, _ in planned}
    others = [file for file in files if file not in checked]
    others += [f"{file} (deleted)" for file in deleted]
    if others:
        listed = as_block("\n".join(others))
        sections.append(f"## Changed beside the submission: please review\n\n{listed}")
    if not sections:
        sections.append("Nothing to check.")
    return "\n\n".join(["# Submission check", *sections]), int(failed)


def of_this_checkout(path: Path, output: str) -> tuple[int, str]:
    """Whether a valid result is of the task as it is here; the exit code and what to print.

    A file that claims a version to come would push all others out of the standings.
    """
    record = read(path).task
    try:
        task = registry.get("task", record.name)
    except SuiteError as error:
        return 1, f"{output}{error}\n"
    if (record.version, record.fingerprint) == (task.version, task.fingerprint):
        return 0, output
    return 1, (
        f"{output}made for version {record.version} of {record.name} with the code "
        f"{record.fingerprint}; here it is version {task.version} with the code "
        f"{task.fingerprint}. Run it again.\n"
    )


def checks(files: list[str]) -> list[Check]:
    """What to run, file by file."""
    found = []
    with_results = ["--protocol", "smoke", "--results", tempfile.mkdtemp(prefix="submission-")]
    optimizer = registry.names("optimizer")[0]
    tasks, _ = registry.load_all("task")
    free = [task.name for task in tasks if task.track == "mini" and not task.problem.needs]
    on_free_tasks = [part for name in free for part in ("--task", name)]
    for file in files:
        folder, _, rest = file.partition("/")
        path = str(ROOT / file)
        if folder == "results" and rest.count("/") == 1 and file.endswith(".json"):
            found.append(Check(file, file, ["validate", path]))
        elif file.endswith(".py") and not Path(file).name.startswith("_"):
            if folder == "tasks":
                found += _task_checks(file, optimizer, with_results)
            elif folder == "baselines":
                kind = rest.split("/")[0].removesuffix("s")
                options = ["--optimizer", path]
                if kind != "optimizer":
                    options = ["--optimizer", optimizer, f"--{kind}", path]
                found.append(Check(file, file, ["run", *options, *on_free_tasks, *with_results]))
    return found


def _task_checks(file: str, optimizer: str, with_results: list[str]) -> list[Check]:
    path = ROOT / file
    try:
        tasks = [entry for entry in registry.load_file(path) if entry.kind == "task"]
    except SuiteError:  # showing it says why it cannot be used
        return [Check(file, file, ["show", str(path)])]
    return [
        Check(
            file,
            f"{file}: {task.name}",
            ["run", "--optimizer", optimizer, "--task", task.name, *with_results]
            if task.track == "mini"
            else ["show", task.name],
        )
        for task in tasks
    ]


def as_block(text: str) -> str:
    """Text as an indented Markdown block: nothing in it is read as Markdown or HTML."""
    return "\n".join("    " + line for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
