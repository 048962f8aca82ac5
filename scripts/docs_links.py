"""A hook of MkDocs: links from docs to other files of the repository lead to its address.

Pages are read in the repository, too, where `../CONTRIBUTING.md` is right. On the site there is no
such page: the link gets the repository's address or, without one, becomes plain text.
"""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
#: an example's file name beside its language, which MkDocs would read as an option
_FILE = re.compile(r"^```python file=.*$", re.MULTILINE)


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """The text of a page for the site."""
    parts = _FENCE.split(markdown)
    parts[::2] = [with_outside_links(text, config["repo_url"] or "") for text in parts[::2]]
    return _FILE.sub("```python", "".join(parts))


def with_outside_links(text: str, repository: str) -> str:
    """The text with links that lead out of docs made absolute, or made plain text."""
    address = f"[\\1]({repository.rstrip('/')}/blob/main/\\2)" if repository else "\\1"
    return _OUTSIDE.sub(address, text)
