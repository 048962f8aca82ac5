"""docs/methods.md and docs/coverage.md: no component and no row of the catalogue is left out."""

from __future__ import annotations

import json
import re

import pytest

from scripts import write_methods
from suite.components import registry
from tests.golden.golden import TOLERANCE
from tests.golden.table import TABLE


@pytest.fixture(scope="module")
def measured():
    return json.loads(write_methods.MEASURED.read_text(encoding="utf-8"))


def test_the_page_is_what_the_script_writes(measured):
    assert write_methods.PAGE.read_text(encoding="utf-8") == write_methods.page(measured)


def test_every_component_was_measured_against_each_of_its_references(measured):
    for component in write_methods.components():
        key = component.kind, component.name
        found = measured[" ".join(key)]["deviation"]
        assert set(found) == {golden.reference for golden in TABLE[key]}, key
        assert max(found.values()) <= TOLERANCE, key


def test_every_optimizer_was_timed(measured):
    names = [c.name for c in write_methods.components() if c.kind == "optimizer"]
    assert not [name for name in names if "step" not in measured[f"optimizer {name}"]]


def test_every_component_says_how_it_deviates_from_its_paper():
    missing = [c.name for c in write_methods.components() if not write_methods.deviates(c.path)]
    assert not missing


def test_lines_of_code_leave_out_blank_lines_comments_docstrings_and_claims(tmp_path):
    path = tmp_path / "a.py"
    lines = [
        '"""Two',
        'lines."""',
        "",
        "# why",
        'x = """a',
        'b"""  # why',
        "def f():",
        '    """No."""',
        "    return g(",
        "        claims=[",
        "            1,",
        "        ])",
    ]
    path.write_text("\n".join(lines))
    assert write_methods.lines_of_code(path) == 4


def test_a_deviation_ends_with_its_paragraph(tmp_path):
    path = tmp_path / "a.py"
    text = "B.\n\n    Deviates from the paper: c\n    d.\n\n    E.\n    "
    path.write_text(f'class A:\n    """{text}"""\n')
    assert write_methods.deviates(path) == "c d"


def test_every_row_of_the_catalogue_has_a_line_that_names_components():
    text = (write_methods.ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    part = text.split("## The literature's methods", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z/-]+) \| (.*) \|$", part, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}) == 138
    known = {component.name for component in write_methods.components()}
    for name, _, where in rows:
        assert known & set(re.findall(r"`(\w+)`", where)), name


def test_every_diagnostic_of_the_catalogue_has_a_line_and_every_file_is_named():
    text = (write_methods.ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    part = text.split("## The literature's diagnostics", 1)[1].split("\n## ", 1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.MULTILINE))
    assert len(rows) == 41
    # Other tests may have registered their own.
    known = {
        name
        for name in registry.names("diagnostic")
        if registry.get("diagnostic", name).path.is_relative_to(write_methods.ROOT / "baselines")
    }
    for row, where in rows.items():
        named = re.match(r"diagnostic `(\w+)`", where)
        assert named is None or named[1] in known, row
        assert named or where.startswith(("**not there**: ", "task `", "measure `")), row
    assert known <= set(re.findall(r"`(\w+)`", part))


def test_every_rule_of_scaling_of_the_catalogue_has_a_line_and_every_file_is_named():
    text = (write_methods.ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    part = text.split("## The literature's rules of scaling", 1)[1].split("\n## ", 1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.MULTILINE))
    assert len(rows) == 12
    folder = write_methods.ROOT / "baselines"
    found = registry.load_all("rule")[0]
    known = {rule.name for rule in found if rule.path.is_relative_to(folder)}
    for row, where in rows.items():
        named = re.match(r"rule `(\w+)`", where)
        assert named is None or named[1] in known, row
        assert named or where.startswith(("**not there**: ", "claim of `", "the zeroth")), row
    assert known <= set(re.findall(r"`(\w+)`", part))
