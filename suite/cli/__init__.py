"""The command line. Commands are imported when they are called: help needs no torch."""

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from suite.disk import is_full, no_space_error
from suite.errors import SuiteError

INTERRUPTED = 130

#: command to where it is defined and the first line of its help, which is shown without importing
#: it; a test compares them
COMMANDS = {
    "run": (
        "suite.cli.run:run",
        "Tune and evaluate methods on tasks; write one result file each.",
    ),
    "plan": (
        "suite.cli.elements:plan",
        "Write studies as lines of JSON: elements that any scheduler can run, each by one command.",
    ),
    "check": (
        "suite.cli.check:check",
        "Check what every component must do, and run it on two cheap tasks.",
    ),
    "leaderboard": (
        "suite.cli.leaderboard:leaderboard",
        "Show the standings, build their site, exchange results as one file.",
    ),
    "list": (
        "suite.cli.inspect:list_",
        "List everything of a kind with a one-line description; tasks are sorted by family.",
    ),
    "show": (
        "suite.cli.inspect:show",
        "Show a task, optimizer, regularizer, schedule, diagnostic or rule, or what a file "
        "registers.",
    ),
    "claims": (
        "suite.cli.claims:claims",
        "List the claims of papers that tasks here can decide, of all or of the named components.",
    ),
    "transfer": (
        "suite.cli.transfer:transfer",
        "Say whether rules of scaling hold here, of all or of the named ones.",
    ),
    "data": (
        "suite.cli.data:data",
        "List, fetch and check the data sets that tasks need.",
    ),
    "compare": (
        "suite.cli.compare:compare",
        "Compare two or more methods on a task, or over a track, by their results.",
    ),
    "validate": (
        "suite.cli.results:validate",
        "Check result files, or all below a folder: one line each, exit code 1 if one is refused.",
    ),
    "verify": (
        "suite.cli.verify:verify",
        "Run runs of results again, and compare; exit code 1 for a mismatch.",
    ),
    "submit": (
        "suite.cli.submit:submit",
        "Prepare a pull request: a branch with a method's file and results, and its description.",
    ),
    "new": (
        "suite.cli.inspect:new",
        "Write a working skeleton of an optimizer, regularizer, schedule, diagnostic, rule or "
        "task.",
    ),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only to run it or to show its own help."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Command names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an error about an unknown name lists similar names."""
        from suite.errors import unknown_name

        if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
            raise unknown_name("command", arguments[0], COMMANDS)
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    import suite

    click.echo(f"suite {suite.__version__}")
    for package in ("torch", "optuna"):
        try:
            click.echo(f"{package} {version(package)}")
        except PackageNotFoundError:
            click.echo(f"{package} is not installed")
    context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of suite, torch and Optuna.",
)
def cli() -> None:
    """Find out whether a new optimizer or regularizer really works.

    Everything is measured in the same way: fixed budgets, tuned baselines, every gradient
    evaluation charged, uncertainty shown. Start with:

        suite run --optimizer lion --task modular_addition
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 usage or missing data, 130 interrupted."""
    _print_in_any_encoding()
    # A command in a notebook inherits the notebook's backend, which may not be installed here.
    # Figures are written to files only.
    os.environ["MPLBACKEND"] = "agg"
    sys.exit(_exit_code(arguments))


def _print_in_any_encoding() -> None:
    """Where a stream has no code for a character, it shows a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _exit_code(arguments: list[str] | None) -> int:
    try:
        code: Any = cli.main(arguments, prog_name="suite", standalone_mode=False)
    except SuiteError as error:
        click.echo(f"suite: {error}", err=True)
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("suite: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:  # the reader of our output has ended, as `| head` does
        sys.stderr.close()
        return 0
    except OSError as error:  # a missing folder or a full disk: not an error of the suite
        click.echo(f"suite: {_what_and_where(error)}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _what_and_where(error: OSError) -> str:
    if is_full(error):
        from suite.home import home

        return str(no_space_error(error, (home(), Path.cwd())))
    places = [str(place) for place in (error.filename, error.filename2) if place is not None]
    return f"{' to '.join(places)}: {error.strerror}" if places else str(error)
