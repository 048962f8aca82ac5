"""The documentation as a site: every page has a place, every public name its text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import suite
from scripts.docs_links import on_page_markdown
from tests.commands import ROOT

DOCS = ROOT / "docs"
TEXT = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def navigation() -> list[str]:
    """The pages of the navigation, in order."""
    (part,) = re.findall(r"^nav:\n((?: .*\n)+)", TEXT, re.MULTILINE)
    return re.findall(r"(\S+\.md)$", part, re.MULTILINE)


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(navigation()) == sorted(page.name for page in DOCS.glob("*.md"))


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    described = re.findall(r"^::: suite\.(\w+)$", text, re.MULTILINE)
    assert sorted(described) == sorted({*suite.__all__} - {"__version__"})


@pytest.mark.parametrize(
    ("repository", "link"),
    [
        ("", "See LICENSE and [the tasks](tasks.md)."),
        (
            "https://host/a/b/",
            "See [LICENSE](https://host/a/b/blob/main/LICENSE) and [the tasks](tasks.md).",
        ),
    ],
)
def test_links_out_of_docs_lead_to_the_repository(repository: str, link: str) -> None:
    page = "See [LICENSE](../LICENSE) and [the tasks](tasks.md).\n\n```sh\n[x](../y)\n```\n"
    shown = on_page_markdown(page, {"repo_url": repository})
    assert shown == f"{link}\n\n```sh\n[x](../y)\n```\n"


def test_an_examples_file_name_is_no_option_of_the_site() -> None:
    shown = on_page_markdown("```python file=a.py\nx = 1\n```\n", {"repo_url": ""})
    assert shown == "```python\nx = 1\n```\n"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Strict: a link or an anchor that leads nowhere, or a name without a text, is an error."""
    pytest.importorskip("mkdocs", reason="needs the extra 'docs', which tox installs")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "REPOSITORY_URL": "", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stderr
    reference = (tmp_path / "api" / "index.html").read_text(encoding="utf-8")
    assert "Register an optimizer" in reference
    outside = re.findall(r'(?:src|href)="(https?://[^"]+)"', reference)
    assert [link for link in outside if "squidfunk.github.io" not in link] == []


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == project["version"]
    assert cited["license"] == project["license"]
    assert [author["name"] for author in cited["authors"]] == [project["authors"][0]["name"]]
    assert {"cff-version", "message", "title"} <= cited.keys()
    assert f"version = {{{project['version']}}}" in (DOCS / "cite.md").read_text(encoding="utf-8")
