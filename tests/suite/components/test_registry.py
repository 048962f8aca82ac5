"""Discovery: names without torch, clashes, broken files, files of users, entry points."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from suite.components import discovery, registry
from suite.components.declaration import check_name
from suite.errors import SuiteError, UsageError

ROOT = Path(__file__).resolve().parents[3]
OPTIMIZER = """
from torch.optim import SGD
from suite import optimizer
optimizer("{name}", SGD, paper="{paper}", url="")
"""


@pytest.fixture
def clean():
    """A registry of its own: what a test registers is gone afterwards."""
    with registry.separate():
        yield registry


@pytest.fixture
def checkout(clean, tmp_path, monkeypatch):
    """An empty checkout to put files into."""
    monkeypatch.setattr(discovery, "ROOT", tmp_path)
    for folder in discovery.FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    aliases = ["suite_" + folder.replace("/", "_") for folder in discovery.FOLDERS]
    hidden = [name for name in sys.modules if name.split(".")[0] in aliases]
    for name in hidden:
        monkeypatch.delitem(sys.modules, name)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in aliases]:
        del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def write_optimizer(path: Path, name: str, paper: str = "none") -> Path:
    return write(path, OPTIMIZER.format(name=name, paper=paper))


def python(code: str, *folders: Path) -> str:
    path = os.pathsep.join([*map(str, folders), str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_and_unknown_names_need_no_torch():
    output = python(
        """
        import sys
        from suite.components import registry
        from suite.errors import UsageError
        for kind in registry.KINDS:
            print(kind, *registry.names(kind))
        try:
            registry.get("task", "modular_adition")
        except UsageError as error:
            print(error)
        assert "torch" not in sys.modules
        assert "optuna" not in sys.modules
        """
    )
    listed = next(line for line in output.splitlines() if line.startswith("task ")).split()
    assert {"cifar10", "digits", "lm_markov", "modular_addition"} <= set(listed)
    assert listed[1:] == sorted(listed[1:])
    assert "unknown task 'modular_adition'. Did you mean 'modular_addition'" in output


def test_every_listed_name_can_be_had():
    for kind in registry.KINDS:
        entries, broken = registry.load_all(kind)
        assert broken == []
        assert [entry.name for entry in entries] == registry.names(kind)
        assert all(entry.kind == kind for entry in entries)


def test_getting_one_imports_only_its_file(checkout):
    write_optimizer(checkout / "baselines/optimizers/one.py", "one")
    write(checkout / "baselines/optimizers/two.py", 'optimizer("two", 1 / 0)\n')
    assert registry.names("optimizer") == ["one", "two"]
    assert registry.get("optimizer", "one").defaults == {}
    assert registry.get("optimizer", "one") is registry.get("optimizer", "one")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('optimizer("bad", 1 / 0)', "line 1: importing it failed with NameError"),
        ('import no_such_module\noptimizer("bad")', "line 1: importing it failed with Module"),
        ('raise SystemExit(3)\noptimizer("bad")', "line 1: importing it failed with SystemExit"),
        (
            'import os\nos._exit(0)\noptimizer("bad")',
            "line 2: importing it failed with SystemExit: os._exit(0) would end the command",
        ),
        ('if False:\n    optimizer("bad")', "importing it registered no optimizer 'bad'"),
        ('optimizer("bad"', "SyntaxError"),
    ],
)
def test_a_broken_file_is_reported_with_its_path_and_the_rest_works(checkout, text, reason):
    write_optimizer(checkout / "baselines/optimizers/good.py", "good")
    bad = write(checkout / "baselines/optimizers/bad.py", text)
    entries, broken = registry.load_all("optimizer")
    assert [entry.name for entry in entries] == ["good"]
    assert [problem.path for problem in broken] == [str(bad)]
    assert reason in broken[0].reason
    with pytest.raises(SuiteError) as caught:
        registry.get("optimizer", "bad")
    assert str(bad) in str(caught.value)


def test_a_file_that_fails_half_way_registers_nothing(checkout):
    bad = checkout / "baselines/optimizers/bad.py"
    write(bad, OPTIMIZER.format(name="first", paper="none") + "raise ValueError('half way')\n")
    with pytest.raises(SuiteError, match="half way"):
        registry.get("optimizer", "first")
    bad.unlink()
    discovery.forget()
    assert registry.names("optimizer") == []


def test_two_files_with_one_name_clash(checkout):
    paths = [checkout / "baselines/optimizers" / name for name in ("one.py", "two.py")]
    for path in paths:
        write_optimizer(path, "same")
    with pytest.raises(UsageError, match="registered twice") as caught:
        registry.get("optimizer", "same")
    assert all(str(path) in str(caught.value) for path in paths)


@pytest.mark.parametrize("imported_before", [True, False])
def test_a_users_file_cannot_take_a_known_name(checkout, tmp_path, imported_before):
    ours = write_optimizer(checkout / "baselines/optimizers/one.py", "one")
    theirs = write_optimizer(tmp_path / "theirs.py", "one")
    if imported_before:
        registry.get("optimizer", "one")
    with pytest.raises(UsageError, match="registered twice") as caught:
        registry.load_file(theirs)
    assert str(ours) in str(caught.value)
    assert str(theirs) in str(caught.value)
    assert registry.get("optimizer", "one").path == ours


def test_a_users_file_is_loaded_and_again_when_it_changed(clean, tmp_path):
    path = write_optimizer(tmp_path / "mine.py", "mine", paper="first")
    (first,) = registry.load_file(path)
    assert first.paper == "first"
    assert "mine" in registry.names("optimizer")
    assert registry.get("optimizer", "mine") is first
    assert registry.load_file(path) == [first]
    write_optimizer(path, "renamed", paper="second")
    (second,) = registry.load_file(path)
    assert (second.name, second.paper) == ("renamed", "second")
    assert second.source_hash != first.source_hash
    assert "mine" not in registry.names("optimizer")
    assert registry.extra_files() == [path]


def test_a_users_file_with_a_mistake(clean, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        registry.load_file(tmp_path / "missing.py")
    with pytest.raises(SuiteError, match="registers nothing"):
        registry.load_file(write(tmp_path / "empty.py", "x = 1\n"))
    with pytest.raises(SuiteError, match=r"syntax.py, line 1: this is not Python: "):
        registry.load_file(write(tmp_path / "syntax.py", "def\n"))


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ('search={"lambda_": search.uniform(0, 1, default=0)}', r"'lambda_' is not a name.*passes"),
        ('search={"T_max": search.uniform(0, 1, default=0)}', "'T_max' is not a name"),
        ('search={"a.b": search.uniform(0, 1, default=0)}', "'a.b' is not a name"),
        ('search={"lr": 0.1}', r"'lr' needs a distribution such as search.log_uniform"),
        ('search=["lr"]', "search is a dict"),
        ('search={"lr": search.choice(1, None, default=1)}', "choices are numbers, texts"),
        ("version=0", "version is a whole number from 1 to 10000, not 0"),
        ('version="1"', "version is a whole number from 1, not '1'"),
        ("summary=3", "paper, url, summary and extra_work are texts"),
        ("extra_work=True", "paper, url, summary and extra_work are texts"),
        ('authors="A. Person"', "authors is a list of names, not 'A. Person'"),
        ("authors=[1]", "authors is a list of names"),
        ('authors=["A"] * 201', "at most 200 authors, not 201"),
        ('authors=["A" * 201]', "200 at most"),
        ("version=10_001", "from 1 to 10000, not 10001"),
        ('summary="x" * 2_001', "a text of 2001 characters"),
        (r'search={"lr": search.choice("\u2028", default="\u2028")}', "holds the control"),
        ('search={f"a{i}": search.choice(1, default=1) for i in range(201)}', "at most 200 hyper"),
        ('search={"lr": search.choice(1, 2, default=True)}', "default True is not among"),
        (r'summary="a\x00b"', "holds the control character"),
        (r'summary="a\x1bb"', "holds the control character"),
        (r'summary="a\udcffb"', "holds the control character"),
        ('search={"lr": search.choice(1.0, float("inf"), default=1.0)}', "inf is not a finite"),
        ('search={"lr": search.choice(1.0, float("nan"), default=1.0)}', "nan is not a finite"),
        ('search={"lr": search.choice(*range(1001), default=1)}', "at most 1000 choices"),
        ('search={"lr": search.choice("a" * 201, default="a" * 201)}', "200 at most"),
        (r'search={"lr": search.choice("\n", default="\n")}', "holds the control character"),
        ('search={"lr": search.choice(1, 1.0, default=1)}', "a choice is given twice"),
        ('search={"lr": search.integer(0, 2**63, default=1)}', "does not fit into 64 bits"),
        ('search={"lr": search.integer(0, 10**400, default=1)}', "does not fit into 64 bits"),
        ('search={"lr": search.uniform(0, 1e100, default=1)}', r"too large: .* than 1e\+100"),
    ],
)
def test_what_no_result_could_hold_is_refused_when_it_is_declared(
    clean, tmp_path, declared, reason
):
    path = write(
        tmp_path / "mine.py",
        f"""
        from torch.optim import SGD
        from suite import optimizer, search
        optimizer("mine", SGD, paper="-", url="", {declared})
        """,
    )
    with pytest.raises(SuiteError, match=reason) as caught:
        registry.load_file(path)
    assert str(path) in str(caught.value)
    assert "mine" not in registry.names("optimizer")


@pytest.mark.parametrize(
    "distribution",
    [
        "search.log_uniform(0, 1, default=0.1)",
        "search.uniform(0, 1, default=2)",
        "search.integer(1, 5, default=7)",
        "search.integer(1, 5,\n  default=7)",
        "search.choice(1, default=2)",
    ],
)
def test_a_wrong_distribution_is_named(clean, tmp_path, distribution):
    path = tmp_path / "mine.py"
    path.write_text(
        "from suite import optimizer, search\ndef build(params, **settings): pass\n"
        'optimizer("good", build, paper="-", url="",\n'
        '    search={"beta": search.uniform(0, 1, default=0)})\n'
        'optimizer("mine", build, paper="-", url="",\n'
        '    search={"beta": search.uniform(0, 1, default=0),\n'
        f'        "lr": {distribution},\n'
        '        "gamma": search.uniform(0, 1, default=0)})\n'
    )
    with pytest.raises(SuiteError, match="ValueError: optimizer 'mine': hyperparameter 'lr': "):
        registry.load_file(path)


def test_a_wrong_distribution_is_named_among_others_in_its_line(clean, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from suite import optimizer, search\ndef build(params, **settings): pass\n"
        'optimizer("mine", build, paper="é", url="", search={"lr": search.uniform(0, 1, default=0),'
        ' "k": search.choice([8, 16], default=8), "x": search.uniform(0, 1, default=0)})\n'
    )
    with pytest.raises(SuiteError, match="optimizer 'mine': hyperparameter 'k': choices are "):
        registry.load_file(path)


def test_what_is_declared_is_kept_as_one_line_and_as_plain_values(clean, tmp_path):
    path = write(
        tmp_path / "mine.py",
        """
        from functools import partial
        import numpy as np
        from torch.optim import SGD
        from suite import optimizer, search

        def build(params, lr, size, depth=1, on=True):
            '''Steps down.

            With more to say.
            '''
            return SGD(params, lr)

        optimizer(
            "mine", partial(partial(build, size=1), lr=1), url=" https://example.org ",
            paper='''A title
                in two lines''', authors=["A. Person", "B. Person"], extra_work="factors",
            search={
                "size": search.choice(*np.array([8, 16]), default=np.int64(8)),
                "depth": search.integer(np.int64(1), np.int32(5), default=np.int64(2)),
                "on": search.choice(np.True_, np.False_, default=np.True_),
            },
        )
        """,
    )
    (entry,) = registry.load_file(path)
    assert entry.summary == "Steps down."
    assert (entry.paper, entry.url) == ("A title in two lines", "https://example.org")
    assert (entry.authors, entry.extra_work) == (("A. Person", "B. Person"), "factors")
    assert entry.search["size"].to_json() == {"kind": "choice", "default": 8, "choices": [8, 16]}
    types = {type(value) for d in entry.search.values() for value in d.to_json().values()}
    assert types == {str, int, bool, list}
    assert {type(value) for value in entry.search["size"].choices} == {int}
    assert {type(value) for value in entry.search["on"].choices} == {bool}
    assert {"torch", "numpy"} <= set(entry.packages)


def test_a_file_with_a_byte_order_mark_works(checkout, tmp_path):
    ours = write_optimizer(checkout / "baselines/optimizers/one.py", "one")
    theirs = write_optimizer(tmp_path / "two.py", "two")
    for path in (ours, theirs):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    discovery.forget()
    assert registry.names("optimizer") == ["one"]
    assert registry.get("optimizer", "one").path == ours
    assert [entry.name for entry in registry.load_file(theirs)] == ["two"]


@pytest.mark.parametrize("statement", ["from my_math import X", "from .my_math import X"])
def test_a_helper_that_is_not_found_says_what_to_do(clean, tmp_path, statement):
    write(tmp_path / "my_math.py", "X = 1\n")
    path = write_optimizer(tmp_path / "mine.py", "mine")
    path.write_text(f"{statement}\n{path.read_text()}")
    with pytest.raises(SuiteError, match=r"into the same file, install it .* PYTHONPATH"):
        registry.load_file(path)


def test_an_edited_helper_is_loaded_again(clean, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "lab"))
    (tmp_path / "lab").mkdir()
    helper = write(tmp_path / "lab" / "edited_helper.py", "PAPER = 'first'\n")
    path = write_optimizer(tmp_path / "mine.py", "mine")
    text = path.read_text().replace('"none"', "PAPER")
    path.write_text(f"from edited_helper import PAPER\n{text}")
    (first,) = registry.load_file(path)
    assert registry.load_file(path) == [first]
    write(helper, "PAPER = 'the second'\n")
    (second,) = registry.load_file(path)
    assert (first.paper, second.paper) == ("first", "the second")
    assert first.source_hash != second.source_hash


def test_each_declaration_belongs_to_the_file_that_makes_it(checkout, tmp_path, monkeypatch):
    """A file may import another one that declares something itself."""
    one = write_optimizer(checkout / "baselines/optimizers/one.py", "one")
    two = write_optimizer(checkout / "baselines/optimizers/two.py", "two")
    two.write_text(f"from .one import SGD\n{two.read_text()}")
    assert registry.get("optimizer", "two").path == two
    assert registry.get("optimizer", "one").path == one
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = write_optimizer(tmp_path / "declaring_helper.py", "helper")
    mine = write_optimizer(tmp_path / "mine.py", "mine")
    mine.write_text(f"import declaring_helper\n{mine.read_text()}")
    assert [entry.name for entry in registry.load_file(mine)] == ["mine"]
    assert registry.get("optimizer", "helper").path == helper


def test_a_declaration_outside_of_a_loaded_file(clean):
    def build(params, lr=1):
        return lr

    about = {"paper": "-", "url": ""}
    registry.optimizer("here", build, **about)
    assert registry.get("optimizer", "here").path == Path(__file__)
    namespace = {"__name__": "a_notebook"}
    exec("def build(params, lr=1): return lr", namespace)
    registry.optimizer("cell", namespace["build"], **about)
    registry.optimizer("built", dict, **about)
    for name in ("cell", "built"):
        entry = registry.get("optimizer", name)
        assert str(entry.path) == "<interactive>"
        assert len(entry.source_hash) == 16


def test_the_keywords_are_the_public_interface():
    expected = ["paper", "url", "search", "summary", "version", "authors"]
    expected += ["extra_work", "claims"]
    for declare in (registry.regularizer, registry.schedule):
        assert list(inspect.signature(declare).parameters)[2:] == expected
    how = ["gradient_first", "create_graph"]
    assert list(inspect.signature(registry.optimizer).parameters)[2:] == [*expected, *how]
    parts = ["regularizers", "schedules"]
    assert list(inspect.signature(registry.method).parameters)[2:] == [*parts, *expected, *how]


def test_an_entry_is_replaced_and_comes_back(clean, tmp_path):
    (entry,) = registry.load_file(write_optimizer(tmp_path / "mine.py", "mine"))
    other = dataclasses.replace(entry, version=2)
    new = dataclasses.replace(entry, name="new")
    with registry.replaced(other), registry.replaced(new):
        assert registry.get("optimizer", "mine") is other
        assert registry.get("optimizer", "new") is new
    assert registry.get("optimizer", "mine") is entry
    assert registry.names("optimizer").count("new") == 0


def test_an_entry_is_forgotten_and_may_be_declared_in_another_file(clean, tmp_path):
    registry.load_file(write_optimizer(tmp_path / "mine.py", "mine"))
    registry.forget("optimizer", "mine")
    registry.forget("optimizer", "mine")  # is not there: nothing to do
    assert "mine" not in registry.names("optimizer")
    (entry,) = registry.load_file(write_optimizer(tmp_path / "other.py", "mine"))
    assert registry.get("optimizer", "mine") is entry


@pytest.mark.parametrize("name", ["method", "method.txt", "method.v2"])
def test_a_users_file_may_have_any_ending(clean, tmp_path, name):
    (entry,) = registry.load_file(write_optimizer(tmp_path / name, "mine"))
    assert entry.name == "mine"


def test_a_quick_edit_of_equal_size_is_not_answered_with_cached_bytecode(
    clean, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "mine.py"
    for paper in ("old", "new"):
        write_optimizer(path, "mine", paper)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        (entry,) = registry.load_file(path)
        assert entry.paper == paper


@pytest.mark.parametrize("name", ["Upper", "a b", "../x", "", "1st", "a__b", "a-b", "x" * 61])
def test_names_that_would_not_do_as_file_names(name):
    with pytest.raises(UsageError, match="is not a name"):
        check_name(name)


def test_private_neighbours_are_imported_but_not_listed(checkout):
    write(checkout / "baselines/optimizers/_shared.py", "PAPER = 'from the neighbour'\n")
    write(
        checkout / "baselines/optimizers/one.py",
        """
        from torch.optim import SGD
        from suite import optimizer
        from ._shared import PAPER
        optimizer("one", SGD, paper=PAPER, url="")
        """,
    )
    assert registry.names("optimizer") == ["one"]
    one = registry.get("optimizer", "one")
    assert one.paper == "from the neighbour"
    write(checkout / "baselines/optimizers/_shared.py", "PAPER = 'changed'\n")
    assert registry.source_hash(one.path) != one.source_hash


def test_installed_packages_contribute_by_entry_points(tmp_path):
    package = tmp_path / "plugin_package"
    package.mkdir()
    write(package / "__init__.py", "")
    write(package / "papers.py", "PAPER = 'plugged in'\n")
    write(
        package / "method.py",
        """
        from torch.optim import SGD
        from suite import optimizer
        from .papers import PAPER
        optimizer("plugged", SGD, paper=PAPER, url="")
        """,
    )
    write(package / "broken.py", "raise ValueError('no good')\n")
    info = tmp_path / "plugin_package-1.0.dist-info"
    info.mkdir()
    write(info / "METADATA", "Metadata-Version: 2.1\nName: plugin-package\nVersion: 1.0\n")
    write(
        info / "entry_points.txt",
        """\
        [suite.components.optimizer]
        plugged = plugin_package.method
        absent = plugin_package.absent
        faulty = plugin_package.broken
        """,
    )
    output = python(
        """
        import sys
        from suite.components import discovery, registry
        from suite.errors import SuiteError
        discovery.FOLDERS = ()
        assert registry.names("optimizer") == ["absent", "faulty", "plugged"]
        assert "torch" not in sys.modules
        entry = registry.get("optimizer", "plugged")
        print(entry.paper, entry.path)
        for name in ("absent", "faulty"):
            try:
                registry.get("optimizer", name)
            except SuiteError as error:
                print(error)
        entries, broken = registry.load_all("optimizer")
        assert [entry.name for entry in entries] == ["plugged"]
        assert len(broken) == 2, broken
        """,
        tmp_path,
    )
    plugged, absent, faulty = output.splitlines()
    assert plugged == f"plugged in {package / 'method.py'}"
    assert "plugin_package.absent" in absent
    assert "ModuleNotFoundError" in absent
    assert "plugin_package.broken" in faulty
    assert "ValueError: no good" in faulty


DECLARED = """from functools import partial
from torch.optim import SGD
from suite import Regularizer, optimizer, regularizer, schedule, search, task
X = search.uniform(0, 1, default=0)
ABOUT = {"paper": "-", "url": ""}
class Both(SGD):
    def __init__(self, params, lr, *, rho): pass
class Any(SGD):
    def __init__(self, params, **settings): pass
class Rule(Regularizer):
    def __init__(self, weight): pass
def factor(progress, power): return 1.0
"""


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ('optimizer("mine", SGD)', r"needs paper and url: add paper=..., url=... to the call\.$"),
        ('optimizer("mine", SGD, paper="-")', r"needs url: add url=... to the call\.$"),
        (
            'optimizer("mine", SGD, serach={}, **ABOUT)',
            "no argument 'serach'. Did you mean 'search'",
        ),
        (
            'regularizer("mine", Rule, weight=1, **ABOUT)',
            "takes no argument 'weight'. It takes name",
        ),
        ('task("mine")', "task(...) needs problem: add problem=... to the call"),
        ("def f(:", "this is not Python: "),
    ],
)
def test_a_wrong_call_is_one_clear_line_with_its_place(clean, tmp_path, call, reason):
    path = tmp_path / "mine.py"
    path.write_text(DECLARED + call + "\n")
    with pytest.raises(SuiteError) as caught:
        registry.load_file(path)
    said = str(caught.value)
    assert said.startswith(f"{path}, line 13: ")
    assert re.search(reason.replace("(...)", r"\(...\)"), said), said
    assert "\n" not in said
    assert "TypeError" not in said


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            'optimizer("mine", Both, search={"lr": X, "rh": X}, **ABOUT)',
            "'rh', .*Did you mean 'rho'",
        ),
        ('optimizer("mine", Both, search={"lr": X}, **ABOUT)', "needs the argument 'rho'"),
        ('optimizer("mine", SGD, search={"params": X}, **ABOUT)', "no argument of that name"),
        ('optimizer("mine", 3, **ABOUT)', "is a class or function, not 3"),
        ('regularizer("mine", Rule, **ABOUT)', "Rule needs the argument 'weight'"),
        ('schedule("mine", factor, search={"progress": X}, **ABOUT)', "no argument of that name"),
        ('schedule("mine", factor, **ABOUT)', "factor needs the argument 'power'"),
    ],
)
def test_a_search_space_that_its_component_does_not_take_is_refused(clean, tmp_path, call, reason):
    path = tmp_path / "mine.py"
    path.write_text(DECLARED + call + "\n")
    with pytest.raises(UsageError, match=reason) as caught:
        registry.load_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        'optimizer("mine", Both, search={"lr": X, "rho": X}, **ABOUT)',
        'optimizer("mine", Any, search={"lr": X, "anything": X}, **ABOUT)',
        'optimizer("mine", partial(Both, rho=1), search={"lr": X}, **ABOUT)',
        'optimizer("mine", lambda params, info, lr: None, search={"lr": X}, **ABOUT)',
        'optimizer("mine", SGD, **ABOUT)',
        'schedule("mine", factor, search={"power": X}, **ABOUT)',
    ],
)
def test_a_search_space_that_fits_is_taken(clean, tmp_path, call):
    path = tmp_path / "mine.py"
    path.write_text(DECLARED + call + "\n")
    assert registry.load_file(path)[0].name == "mine"


def test_one_name_is_found_without_parsing_the_other_files(monkeypatch):
    """All files take a second: a run asks for a few names."""
    parsed = []
    real = discovery._declared
    monkeypatch.setattr(discovery, "_declared", lambda path: parsed.append(path) or real(path))
    discovery.forget()
    assert [path.stem for path in discovery.places("optimizer", "lion")] == ["lion"]
    assert 0 < len(parsed) < 30
    assert not discovery.places("optimizer", "no_such_name")


def test_a_name_in_two_literals_is_found_as_well(tmp_path, monkeypatch):
    """Python joins neighbouring literals: the file's text does not contain the name."""
    folder = tmp_path / "baselines" / "optimizers"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text('optimizer("in_" "two", None, paper="", url="")\n')
    monkeypatch.setattr(discovery, "ROOT", tmp_path)
    discovery.forget()
    try:
        assert [path.name for path in discovery.places("optimizer", "in_two")] == ["a.py"]
    finally:
        discovery.forget()
