"""Names on the command line: commas, patterns, files, suggestions."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from suite.cli.options import NamesType, NearChoice, joined
from suite.components import registry
from suite.errors import UsageError

OPTIMIZERS, TASKS = NamesType("optimizer"), NamesType("task")
REGULARIZERS = NamesType("regularizer", also=("none",), together=True)


def test_commas_give_several_names():
    assert OPTIMIZERS.convert("adamw,lion", None, None) == ("adamw", "lion")
    assert OPTIMIZERS.convert("adamw, lion", None, None) == ("adamw", "lion")


def test_a_comma_between_regularizers_means_together():
    assert REGULARIZERS.convert("sam,label_smoothing", None, None) == ("sam,label_smoothing",)
    assert REGULARIZERS.convert("none", None, None) == ("none",)


def test_a_pattern_gives_all_names_that_match():
    modular = tuple(name for name in registry.names("task") if name.startswith("modular"))
    assert len(modular) > 1
    assert TASKS.convert("modular*", None, None) == modular
    assert TASKS.convert("modular*,digits", None, None) == (*modular, "digits")
    with pytest.raises(UsageError, match=r"no task matches 'nothing\*'\. `suite list tasks -q`"):
        TASKS.convert("nothing*", None, None)


def test_a_file_may_have_a_comma_in_its_name(tmp_path: Path):
    path = tmp_path / "a,b.py"
    path.touch()
    assert OPTIMIZERS.convert(str(path), None, None) == (str(path),)
    with pytest.raises(click.BadParameter, match="no such file"):
        OPTIMIZERS.convert(str(tmp_path / "c.py"), None, None)


@pytest.mark.parametrize(
    ("kind", "typed", "near"),
    [(OPTIMIZERS, "SGD", "sgd"), (OPTIMIZERS, "adamw,Lyon", "lion"), (TASKS, "Digits", "digits")],
)
def test_a_class_name_or_a_typing_error_is_answered_with_what_is_near(kind, typed, near):
    with pytest.raises(UsageError, match=f"Did you mean '{near}'"):
        kind.convert(typed, None, None)


def test_a_repeated_option_gives_each_name_once():
    context = click.Context(click.Command("x"))
    option = click.Option(["--x"])
    assert joined(context, option, [("a", "b"), ("b", "c")]) == ("a", "b", "c")


def test_a_choice_suggests():
    choice = NearChoice("protocol", ["smoke", "quick", "standard"])
    assert choice.convert("Quick", None, None) == "quick"
    with pytest.raises(UsageError, match=r"unknown protocol 'standart'. Did you mean 'standard'"):
        choice.convert("standart", None, None)


def test_python_files_are_completed(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_method.py").touch()
    option = click.Option(["--optimizer"])
    found = OPTIMIZERS.shell_complete(click.Context(click.Command("x")), option, "m")
    assert {"my_method.py", "muon"} <= {item.value for item in found}
