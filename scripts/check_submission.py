"""Check a submission: what changed since a commit, as Markdown on standard output.

    python scripts/check_submission.py results SUBMISSION BASE
    python scripts/check_submission.py methods SUBMISSION BASE

SUBMISSION is a checkout of the proposed change, BASE the commit it is proposed for. The script and
the suite that it imports are those of BASE: it never imports a file of the submission.

`results` treats the submission as data. Every changed result file is validated, new entries are
compared with the files that declare them, a published result that is another one now must say why,
and the site is built. Links, second results of a published study and other code under the version
of published results are refused. `methods` runs the submission's components and tasks, each on a
fresh copy of BASE with the submission's files of `tasks/` and `baselines/` on top: `suite check` of
every changed component, and the component at the smoke protocol on the mini tasks that need no
download; every mini task of a changed file with the first optimizer; a full task is only loaded and
shown, since it may need data and a GPU. A run is judged only by the result files that it wrote: one
for each requested task, all runs completed. `suite check` is judged by its rows: one for each check
that BASE knows, and none of them a problem.

Exit code 1 if anything fails. All other changed or deleted files are listed for review. The
runs of `methods` are in a sandbox where there is one; `--apart` makes that a condition.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from leaderboard.site import build
from scripts.published import Published
from scripts.strangers_code import BUBBLEWRAP, SHOWN, Workshop
from suite.checking.checks import CHECKS as COMPONENT_CHECKS
from suite.components import registry
from suite.components.fingerprints import source_hash
from suite.errors import InvalidResult, SuiteError, UsageError
from suite.results import marks
from suite.results.checks import CHECKS
from suite.results.fields import printable
from suite.results.files import check_place, file_name, find, read
from suite.results.model import ComponentRecord, Result
from suite.results.verification import check_consistency, registered

#: a longer report shows verdicts only: a job's summary holds one MiB
REPORT = 600_000
#: where links are refused
CHECKED = ("results/", "baselines/", "tasks/")
KINDS = {"optimizers": "optimizer", "regularizers": "regularizer", "schedules": "schedule"}


class Check(NamedTuple):
    """One call of the copy's `suite` for the components or tasks of a file."""

    title: str
    arguments: list[str]
    #: the method and the tasks for which it must write a result; without tasks, `suite show` is run
    method: str = ""
    tasks: tuple[str, ...] = ()
    #: what must be shown; empty: nothing is declared by a literal name, which fails
    shows: str = ""
    #: whether it must have a row for each check of a component
    rows: bool = False


class Verdict(NamedTuple):
    """The outcome of a check."""

    title: str
    problem: str
    transcript: str = ""


class Declared(NamedTuple):
    """A component or task that a file declares: found by parsing it."""

    kind: str
    name: str
    track: str | None
    version: int = 1


def main(arguments: Sequence[str]) -> int:
    """Print the report of one of the two parts as it goes; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=["results", "methods"])
    parser.add_argument("submission", type=Path)
    parser.add_argument("base")
    parser.add_argument("--apart", action="store_true")
    said = parser.parse_args(arguments)
    folder = said.submission.resolve()
    files, deleted = differing(folder, said.base, "d"), differing(folder, said.base, "D")
    late = changed_in_both(folder, said.base, [*files, *deleted])
    if said.part == "results":
        published = Published(folder, said.base)
        verdicts = check_results(folder, files, deleted, published)
        return report("Results", chain(late, verdicts), [])
    workshop = Workshop(folder, files, deleted)
    if said.apart and not workshop.apart:
        raise UsageError(
            f"--apart: {BUBBLEWRAP} is missing, or this machine does not allow it. Install "
            "bubblewrap, or use sudo."
        )
    print(f"Runs are {'' if workshop.apart else 'not '}in a sandbox.\n", flush=True)
    verdicts = check_methods(workshop, folder, files)
    return report("Methods and tasks", verdicts, others(files, deleted))


def differing(folder: Path, base: str, kinds: str) -> list[str]:
    """Files that differ from the common ancestor with `base`, by git's letters for the kind.

    A capital letter selects a kind, a small one all others: "D" deleted, "d" not deleted.
    """
    command = ["git", "-C", str(folder), "diff", "-z", "--name-only", "--no-renames"]
    command += ["--no-ext-diff", "--no-textconv", f"--diff-filter={kinds}", f"{base}...HEAD"]
    done = subprocess.run(command, check=True, capture_output=True)
    return sorted(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)


def changed_in_both(folder: Path, base: str, files: Sequence[str]) -> Iterator[Verdict]:
    """One for each file that BASE has changed, too, since the submission began."""
    command = ["git", "-C", str(folder), "diff", "-z", "--name-only", "--no-renames"]
    command += ["--no-ext-diff", "--no-textconv", f"HEAD...{base}"]
    done = subprocess.run(command, check=True, capture_output=True)
    there = {os.fsdecode(name) for name in done.stdout.split(b"\0")}
    for file in sorted(there & set(files)):
        yield Verdict(file, "was changed since the submission began: rebase it")


# -- the report -----------------------------------------------------------------------------------


def report(title: str, verdicts: Iterator[Verdict], listed: list[str]) -> int:
    """Print each verdict when it is known, and files for review; 1 if one verdict is bad."""
    print(f"# {title}", flush=True)
    failed, length, count = False, 0, 0
    for verdict in verdicts:
        count += 1
        failed = failed or bool(verdict.problem)
        outcome = f"**failed**: {as_code(verdict.problem)}" if verdict.problem else "passed"
        text = f"\n## {as_code(verdict.title)}: {outcome}\n"
        if verdict.transcript and length < REPORT:
            text += f"\n{as_block(verdict.transcript)}\n"
        length += len(text)
        print(text, flush=True)
    if listed:
        text = "\n".join(listed)
        print(f"\n## Changed beside the submission: please review\n\n{as_block(cut(text))}\n")
    if not count and not listed:
        print("\nNothing to check.")
    return int(failed)


def as_code(text: str) -> str:
    """Text as a Markdown code span on one line: nothing in it is read as Markdown or HTML."""
    line = printable(cut(text, 1_000)).replace("\n", " ").replace("\t", " ").replace("`", "'")
    return f"`{line}`"


def as_block(text: str) -> str:
    """Text as an indented Markdown block: nothing in it is read as Markdown or HTML."""
    return "\n".join("    " + line for line in printable(text).split("\n"))


def cut(text: str, most: int = 2 * SHOWN) -> str:
    """A text's beginning and end, with a note on what is left out between them."""
    if len(text) <= most:
        return text
    left_out = len(text) - 2 * (most // 2)
    return f"{text[: most // 2]}\n... {left_out} characters ...\n{text[-(most // 2) :]}"


def others(files: Sequence[str], deleted: Sequence[str]) -> list[str]:
    """Changed files that neither part checks, and deleted ones."""
    unchecked = [file for file in files if not (is_result(file) or is_source(file))]
    return unchecked + [f"{file} (deleted)" for file in deleted]


def is_result(file: str) -> bool:
    """Whether a changed file is where results are."""
    parts = file.split("/")
    return parts[0] == "results" and len(parts) == 3 and file.endswith(".json")


def is_source(file: str) -> bool:
    """Whether a changed file may declare components or tasks."""
    parts = file.split("/")
    folder = parts[0] == "tasks" or (parts[0] == "baselines" and parts[1] in KINDS)
    helper = "families" in parts or parts[-1].startswith("_")
    return folder and file.endswith(".py") and not helper


# -- results: the submission is data --------------------------------------------------------------


def check_results(
    folder: Path, files: Sequence[str], deleted: Sequence[str], published: Published
) -> Iterator[Verdict]:
    """Validate every changed result file, and build the site with all of them."""
    for file in files:
        if file.startswith(CHECKED) and is_link(folder, file):
            yield Verdict(file, "a link: results, methods and tasks are files of their own")
    changed = [file for file in files if is_result(file)]
    if f"results/{marks.NAME}" in (*files, *deleted):
        yield Verdict(
            f"results/{marks.NAME}", "only maintainers record verifications: take the file out"
        )
    yield from map(Verdict._make, published.verdicts([*changed, *filter(is_result, deleted)]))
    for file in changed:
        try:
            notes = check_result(folder, folder / file)
        except InvalidResult as error:
            yield Verdict(file, str(error).removeprefix(f"{folder / file}: "))
        else:
            yield Verdict(file, "", "\n".join(notes))
    yield from stale_results(folder, files, changed)
    if changed:
        yield check_site(folder, changed)


def stale_results(folder: Path, files: Sequence[str], changed: Sequence[str]) -> Iterator[Verdict]:
    """Components whose code is another one under the same version, of which results are published.

    Those results would be refused as soon as the submission is merged.
    """
    edited = [f for f in files if f.startswith("baselines/") and f.endswith(".py")]
    if not edited:
        return
    now = {}
    for path, found in declared_in(folder, "baselines"):
        here = registered(found.kind, found.name)
        if here is not None and here.version == found.version:
            digest = source_hash(path)
            if digest != here.source_hash:
                now[found.kind, found.name, found.version] = here.source_hash
    if not now:
        return
    count: Counter[tuple[str, str, int]] = Counter()
    for path in find(folder / "results"):
        if path.relative_to(folder).as_posix() in changed:
            continue
        try:
            records = read(path).method.components
        except InvalidResult:
            continue  # not of this submission
        for record in records:
            key = record.kind, record.name, record.version
            count[key] += now.get(key) == record.source_hash
    for (kind, name, version), number in count.items():
        if number:
            yield Verdict(
                f"{kind} {name}",
                f"its code is another one, and {number} published results are of version {version} "
                "as it was: give it a new version",
            )


def is_link(folder: Path, file: str) -> bool:
    """Whether a file of the submission, or a folder that it is in, is a link."""
    path = folder / file
    return any(place.is_symlink() for place in (path, *path.parents) if place != folder)


def check_result(folder: Path, path: Path) -> list[str]:
    """Raise InvalidResult if a result is wrong; return notes on what the other job checks.

    What is not registered in the base must be declared by a file of the submission, which gives the
    source hash; its settings are compared later, when the submission's own suite may run.
    """
    result = read(path)
    check_place(result, path)
    notes = check_consistency(result)
    task = registered("task", result.task.name)
    if task is not None and result.task.version < task.version:
        raise InvalidResult(
            f"task.version: {result.task.version}, here it is {task.version}. Run it again"
        )
    new = task is None or result.task.version > task.version
    if new and result.task.name not in {found.name for _, found in declared_in(folder, "tasks")}:
        raise InvalidResult(f"task: no file under tasks/ declares '{result.task.name}'")
    for component in result.method.components:
        check_component(folder, component)
    return notes


def check_component(folder: Path, record: ComponentRecord) -> None:
    """Raise InvalidResult unless a component is registered here or declared in the submission."""
    here = registered(record.kind, record.name)
    if here is not None and record.version == here.version:
        # Compared already, unless the task is new.
        if record.source_hash != here.source_hash:
            raise InvalidResult(
                f"method.{record.name}.source_hash: not that of version {record.version} here. A "
                "method that was changed gets a new version"
            )
        return
    if here is not None and record.version < here.version:
        raise InvalidResult(
            f"method.{record.name}.version: {record.version}, here it is {here.version}"
        )
    for path, found in declared_in(folder, f"baselines/{record.kind}s"):
        if (found.kind, found.name) == (record.kind, record.name):
            if source_hash(path) != record.source_hash:
                raise InvalidResult(
                    f"method.{record.name}.source_hash: made by another text of "
                    f"{path.relative_to(folder)} than the submitted one"
                )
            return
    raise InvalidResult(
        f"method.{record.name}: no file under baselines/{record.kind}s/ declares version "
        f"{record.version} of it"
    )


def declared_in(folder: Path, place: str) -> Iterator[tuple[Path, Declared]]:
    """What the files below a place of the submission declare; links are not followed."""
    for path in sorted((folder / place).rglob("*.py")):
        if path.resolve().is_relative_to(folder) and not path.is_symlink():
            for found in declared(path):
                yield path, found


def declared(path: Path) -> list[Declared]:
    """What a file declares: it is parsed, not imported."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return []
    found = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
            function, name = call.func, call.args[0].value
            kind = getattr(function, "attr", getattr(function, "id", ""))
            kind = "optimizer" if kind == "method" else kind  # a method is used as one
            if kind in registry.KINDS and isinstance(name, str):
                tracks = [word.value for word in call.keywords if word.arg == "track"]
                track = tracks[0].value if tracks and isinstance(tracks[0], ast.Constant) else None
                said = [word.value for word in call.keywords if word.arg == "version"]
                version = said[0].value if said and isinstance(said[0], ast.Constant) else 1
                found.append(
                    Declared(
                        kind,
                        name,
                        track if isinstance(track, str) else None,
                        version if isinstance(version, int) else 1,
                    )
                )
    return found


def check_site(folder: Path, changed: Sequence[str]) -> Verdict:
    """Whether the site can be built with the changed results in it."""
    title = "suite leaderboard build"
    with tempfile.TemporaryDirectory(prefix="site-") as made:
        try:
            done = build(folder / "results", Path(made) / "site")
        except Exception as error:
            return Verdict(title, f"{type(error).__name__}: {error}")
    ours = {Path(file).relative_to("results") for file in changed}
    left_out = [f"{path}: {reason}" for path, reason in done.skipped if path in ours]
    return Verdict(title, "; ".join(left_out), "\n".join(done.warnings) if left_out else "")


# -- methods and tasks: the submission runs -------------------------------------------------------


def check_methods(workshop: Workshop, folder: Path, files: Sequence[str]) -> Iterator[Verdict]:
    """Run what changed; each run is judged by the result files that it wrote."""
    for check in checks(folder, files):
        with workshop.copy() as copy:
            arguments = [*check.arguments]
            if check.tasks:
                arguments += ["--protocol", "smoke", "--results", str(copy / "written")]
            code, output = workshop.run(copy, arguments)
            verdict = judge(check, code, output, copy / "written")
        yield verdict
        if harm := workshop.harm():
            yield Verdict(check.title, f"{harm}: nothing else is run")
            return
    changed = [file for file in files if is_result(file)]
    if changed:
        with workshop.copy() as copy:
            code, output = workshop.run(copy, ["validate", *changed])
        problem = "" if code == 0 else f"exit code {code}"
        yield Verdict("suite validate, with the submission's methods and tasks", problem, output)


def judge(check: Check, code: int, output: str, results: Path) -> Verdict:
    """The verdict on a run: its exit code alone proves nothing, since the code could set it."""
    shown = " ".join(["suite", *check.arguments])
    transcript = f"$ {shown}\n{output}"
    problems = [] if code == 0 else [f"exit code {code}"]
    if check.rows:
        return Verdict(check.title, "; ".join([*problems, *row_problems(output)]), transcript)
    if not check.tasks:
        shown_names = names_in(output)
        if not check.shows:  # what the code shows of itself proves nothing
            problems.append("nothing in it is declared by a literal name, so nothing was run")
        elif code == 0 and check.shows not in shown_names:
            problems.append("nothing was shown")
        return Verdict(check.title, "; ".join(problems), transcript)
    for task in check.tasks:
        path = results / task / file_name(check.method, "smoke")
        try:
            problems += [f"{task}: {problem}" for problem in run_problems(read(path))]
        except InvalidResult as error:
            problems.append(f"{task}: no result: {str(error).removeprefix(f'{path}: ')}")
    return Verdict(check.title, "; ".join(problems), transcript)


#: a row of `suite check`: the name of a check, and the outcome
_ROW = re.compile(r"^  (\S.*?) +(ok|problem|warning|note|not applicable)( |$)", re.MULTILINE)
#: checks that say their rows by other names: one for each hyperparameter, one for each rate
_BY_OTHER_NAMES = {"hyperparameters": "hyperparameter ", "rates": " at each step"}


def row_problems(output: str) -> Iterator[str]:
    """What is wrong with the rows of `suite check`."""
    rows = {title: outcome for title, outcome, _ in _ROW.findall(output)}
    bad = [title for title, outcome in rows.items() if outcome == "problem"]
    if bad:
        yield f"suite check: {', '.join(bad)}"
    missing = []
    for check in COMPONENT_CHECKS:
        other = _BY_OTHER_NAMES.get(check.title)
        if check.title not in rows and not any(other and other in title for title in rows):
            missing.append(check.title)
    if missing:
        yield f"suite check has no row for {', '.join(missing)}"


def names_in(output: str) -> list[str]:
    """The names that `suite show` showed: the second word of each line that begins an entry."""
    heads = [line.split() for line in output.splitlines() if line and not line.startswith(" ")]
    return [words[1] for words in heads if len(words) > 1 and words[0] in registry.KINDS]


def run_problems(result: Result) -> Iterator[str]:
    """What is wrong with a result that a run has just written."""
    for run in result.failed:
        yield f"run {run.number} {run.status}: {run.reason}"
    for check in CHECKS:
        yield from check(result)


def checks(folder: Path, files: Sequence[str]) -> Iterator[Check]:
    """What to run, file by file."""
    optimizer = registry.names("optimizer")[0]
    tasks, _ = registry.load_all("task")
    free = tuple(task.name for task in tasks if task.track == "mini" and not task.problem.needs)
    for file in filter(is_source, files):
        found = [] if (folder / file).is_symlink() else declared(folder / file)
        if file.startswith("tasks/"):
            yield from task_checks(file, found, optimizer)
        else:
            yield from component_checks(file, found, optimizer, free)


def component_checks(
    file: str,
    found: Sequence[Declared],
    optimizer: str,
    tasks: tuple[str, ...],
) -> Iterator[Check]:
    """Checks of every component of a file, and runs on all mini tasks that need no download."""
    components = [entry for entry in found if entry.kind in KINDS.values()]
    if not components:  # `suite show` reports why it cannot be used
        yield Check(file, ["show", file])
    on_tasks = [part for name in tasks for part in ("--task", name)]
    for kind, name, *_ in components:
        yield Check(f"{file}: suite check {name}", ["check", name], rows=True)
        options, method = ["--optimizer", name], name
        if kind != "optimizer":
            options = ["--optimizer", optimizer, f"--{kind}", name]
            method = f"{optimizer}{'@' if kind == 'schedule' else '+'}{name}"
        yield Check(f"{file}: {name}", ["run", *options, *on_tasks], method, tasks)


def task_checks(file: str, found: Sequence[Declared], optimizer: str) -> Iterator[Check]:
    """A run of every mini task that a file declares; a full one is shown."""
    names = {entry.name: entry.track for entry in found if entry.kind == "task"}
    if not names:  # `suite show` reports why it cannot be used
        yield Check(file, ["show", file])
    for name, track in names.items():
        title = f"{file}: {name}"
        here = registered("task", name)
        if (here.track if track is None and here is not None else track) == "full":
            yield Check(title, ["show", name], shows=name)
        else:
            arguments = ["run", "--optimizer", optimizer, "--task", name]
            yield Check(title, arguments, optimizer, (name,))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SuiteError as error:
        sys.exit(f"check_submission: {error}")
