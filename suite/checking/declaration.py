"""What a component says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from suite.checking.bench import Bench
from suite.checking.verdict import Verdict
from suite.components.discovery import FOLDERS, ROOT

#: what a file says once: how the method differs from its paper, or "nothing"
DEVIATES = "Deviates from the paper:"
#: what `suite new` writes where a paper and its address belong
PLACEHOLDERS = ("Authors year, Title", "https://example.org/paper")
_TITLE = "declaration"


def check_declaration(bench: Bench) -> Iterator[Verdict]:
    """Summary, paper and address; and the line on deviations, which files here must have."""
    component = bench.subject.component
    missing = [name for name in ("summary", "paper", "url") if not getattr(component, name)]
    if missing:
        listed = " and ".join(missing)
        yield Verdict(_TITLE, "problem", f"no {listed}", f"Give {listed} when you register it.")
        return
    if component.paper == PLACEHOLDERS[0] or component.url == PLACEHOLDERS[1]:
        seen = "paper or url is still the skeleton's"
        yield Verdict(_TITLE, "warning", seen, "Fill in both: results hold them.")
        return
    if not component.url.startswith(("https://", "http://")):
        seen = f"the url is {component.url!r}"
        yield Verdict(_TITLE, "problem", seen, "Give an address that begins with https://.")
        return
    text = component.path.read_text(encoding="utf-8") if component.path.is_file() else DEVIATES
    count = text.count(DEVIATES)
    if count == 0:
        ours = any(component.path.is_relative_to(ROOT / folder) for folder in FOLDERS)
        yield Verdict(
            _TITLE,
            "problem" if ours else "warning",
            "the file does not say how it differs from the paper",
            f'Write "{DEVIATES} nothing." or what deviates into the docstring.',
        )
        return
    yield Verdict(_TITLE, "ok", "summary, paper, url and deviations are stated")
