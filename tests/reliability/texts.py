"""Hostile texts through the site in a real Chromium: none runs, and none leaves its place."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from leaderboard.references import Reference
from leaderboard.site import build
from tests.leaderboard.test_browser import FLAGS
from tests.samples import make_reference, make_result, write_results
from tests.system_packages import find_chromium

_RUN = "window.hacked=1"
_SHAPES = (
    "<script>{run}</script>", "<img src=x onerror={run}>", "<svg onload={run}>",
    "</title><script>{run}</script>", "</td></tr></table><script>{run}</script>",
    "<a href='javascript:{run}'>x</a>", "javascript:{run}", "data:text/html,<script>{run}</script>",
    "<iframe srcdoc='<script>parent.{run}</script>'>", "{{{{ 7 * 7 }}}}", "{{% for x in y %}}",
    "\"onmouseover='{run}'", "'-{run}-'", "`${{{run}}}`", "</script><script>{run}</script>",
    "<!--<script>{run}//-->", "<style>@import 'x'</style>", "<base href=//x>", "&lt;script&gt;",
    "<details open ontoggle={run}>", "<math><mtext></mtext><script>{run}</script></math>",
    "\N{FULLWIDTH LESS-THAN SIGN}script>{run}", "<scr\u200bipt>{run}</script>", "]]><script>{run}",
    "<form><button formaction=javascript:{run}>x",
)  # fmt: skip


def hostile_texts() -> list[str]:
    """A hundred texts: 25 shapes, alone, after text, in quotes and behind an address."""
    around = ("{}", "x {}", "\"'{}", "https://example.com/{}")
    return [a.format(s.format(run=_RUN)) for s in _SHAPES for a in around]


def measure(folder: Path) -> dict[str, object]:
    """Put the texts into results, build the site, and open every page."""
    texts = hostile_texts()
    made = []
    for number, text in enumerate(texts):
        fields = {
            "component": {"paper": text, "url": text},
            "data": {"source": text},
            "environment": {"commit": text, "cpu": text, "packages": {text[:60]: text[:60]}},
            "run": {"reason": text, "traceback": text, "status": "failed"},
        }
        made.append(make_result("digits", f"evil_{number}", scores=[0.0] * 3, **fields))
    write_results(folder / "results", [make_result("digits", "adamw"), *made])
    references = {"digits": Reference(**make_reference("digits", 0.3, 0.8))}
    pages = build(folder / "results", folder / "site", references).pages
    ran, outside, problems, links = 0, 0, 0, 0
    requests: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        for path in pages:
            if path.suffix != ".html":
                continue
            page.goto(path.as_uri())
            ran += bool(page.evaluate("window.hacked"))
            links += page.locator("a[href^='javascript:'], a[href^='data:']").count()
        browser.close()
    outside = sum(url.partition(":")[0] not in ("file", "data", "blob") for url in requests)
    problems = len(errors)
    found: dict[str, object] = {
        "texts": len(texts), "pages": sum(path.suffix == ".html" for path in pages),
        "scripts that ran": ran, "links to code": links, "requests to elsewhere": outside,
        "errors": problems,
    }  # fmt: skip
    return {**found, "good": not (ran or outside or problems or links)}
