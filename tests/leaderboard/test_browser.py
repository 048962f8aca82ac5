"""The site in a real Chromium: from disk, at desk and on a phone, sorted, filtered, dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import sync_playwright

from leaderboard.references import Reference
from leaderboard.site import build
from tests.leaderboard.test_site import HOSTILE
from tests.samples import TASKS, make_reference, make_result, write_results
from tests.system_packages import find_chromium

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
METHODS = ("adamw", "lion", "sgd", "muon", "adamw+sam", "sgd+label_smoothing@cosine")
ENDS = {"digits": (0.3, 0.8), "modular_addition": (350, 150)}


@pytest.fixture(scope="module")
def browser():
    path = find_chromium()
    assert path, "these tests need Chromium: python tests/system_packages.py says what to do"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    results = [make_result(task, method) for task in ENDS for method in METHODS]
    evil = {
        "component": {"paper": HOSTILE + "p" * 1_500, "url": "javascript:window.hacked=1"},
        "data": {"source": HOSTILE},
        "environment": {"commit": HOSTILE, "cpu": HOSTILE, "packages": {HOSTILE: HOSTILE}},
        "run": {"reason": HOSTILE, "traceback": HOSTILE + "t" * 9000, "status": "failed"},
    }
    long_name = "optimizer" + "x" * 51
    results += [
        make_result("digits", "evil", scores=[0.0] * 3, **evil),
        make_result("digits", long_name),
    ]
    results += [make_result("digits", method, "smoke") for method in METHODS]
    results += [make_result(task, "adamw") for task in sorted(TASKS.keys() - ENDS.keys())]
    write_results(folder / "results", results)
    (folder / "results" / "digits" / "<img src=x onerror=window.hacked=1>.json").write_text("{")
    references = {task: Reference(**make_reference(task, *ends)) for task, ends in ENDS.items()}
    for number in range(6):
        fields = make_reference("digits", 0.3 + 0.01 * number, 0.9, command=f"freeze {number % 2}")
        references[f"other_{number}"] = Reference(**fields)
    return build(folder / "results", folder / "out", references)


@pytest.fixture
def opened(browser):
    """Opens a page and checks, at the end, that nothing left the disk and nothing failed."""
    contexts, requests, problems = [], [], []

    def open_page(path, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert requests
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    assert problems == []


def page_of(site, name):
    return next(path for path in site.pages if path.name == name)


def column(page, index):
    return page.evaluate(
        """index => [...document.querySelector("table.sortable").tBodies[0].rows].map(row =>
             row.cells[index].dataset.value ?? row.cells[index].textContent.trim())""",
        index,
    )


def test_index_opens_from_disk_and_leads_to_the_pages(site, opened):
    page = opened(page_of(site, "index.html"))
    assert page.locator("h1").is_visible()
    page.get_by_role("link", name="muon", exact=True).first.click()
    page.wait_for_url("**/methods/muon.html")
    page.get_by_role("link", name="digits").first.click()
    page.wait_for_url("**/tasks/digits.html#quick")
    assert page.locator("figure svg").count() == 2
    page.get_by_role("link", name="Protocol", exact=True).click()
    page.wait_for_url("**/protocol.html")
    page.get_by_text("What an example is used for").wait_for()


def test_a_click_sorts_numbers_as_numbers(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    header = page.locator("table.sortable thead th", has_text="Test score").first
    index = header.evaluate("cell => cell.cellIndex")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    values = [float(value) for value in column(page, index)]
    assert len(values) == len(METHODS)
    assert values == sorted(values)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert [float(value) for value in column(page, index)] == sorted(values, reverse=True)


def test_the_keyboard_sorts_by_name(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    page.locator("table.sortable thead th", has_text="Method").locator("button").focus()
    page.keyboard.press("Enter")
    names = column(page, 1)
    assert names[0] == "adamw"
    assert names[-1].startswith("sgd+label")
    rank = page.locator("table.sortable thead th", has_text="Rank").first
    assert rank.get_attribute("aria-sort") == "none"


def test_missing_values_come_last_either_way(site, opened):
    page = opened(page_of(site, "digits.html"))
    header = page.locator("table.sortable thead th", has_text="Time to target").first
    index = header.evaluate("cell => cell.cellIndex")
    for _ in range(2):
        header.locator("button").click()
        cells = column(page, index)
        numbers = [not cell.startswith("missed") for cell in cells]
        assert numbers == sorted(numbers, reverse=True)
        assert not all(numbers)


def test_typing_filters_the_rows(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    rows = page.locator("table.sortable").first.locator("tbody tr")
    box = page.get_by_role("searchbox").first
    box.fill("SGD smooth")
    assert rows.locator("visible=true").count() == 1
    assert page.locator(".count").first.inner_text() == "1 of 6"
    box.fill("no such method")
    assert rows.locator("visible=true").count() == 0
    box.fill("")
    assert rows.locator("visible=true").count() == len(METHODS)


@pytest.mark.parametrize(
    ("name", "box", "words", "shown", "column"),
    [
        ("index.html", "tasks", "digits smoke", 1, "Methods"),
        ("adamw.html", "tasks of the results", "lm quick", 1, "Test score"),
        ("adamw.html", "tasks of the hyperparameters", "permuted", 1, "adamw.lr"),
        ("adamw.html", "files", "digits/adamw", 3, "Finished"),
        ("digits.html", "methods that are not ranked", "sgd", 2, "Test score"),
        ("protocol.html", "references", "other 3", 1, "Raw"),
    ],
)
def test_every_long_table_filters_and_sorts(site, opened, name, box, words, shown, column):
    page = opened(page_of(site, name))
    search = page.get_by_role("searchbox", name=f"Filter {box}", exact=True)
    table = page.locator(".tools", has=search).locator("xpath=following-sibling::*[1]//table")
    rows = table.locator("tbody tr")
    total = rows.count()
    search.fill(words)
    assert rows.locator("visible=true").count() == shown < total
    search.fill("")
    assert rows.locator("visible=true").count() == total
    header = table.locator("thead th", has_text=column).first
    index = header.evaluate("cell => cell.cellIndex")
    read = """(table, index) => [...table.tBodies[0].rows].map(row =>
              row.cells[index].dataset.value ?? row.cells[index].textContent.trim())"""
    orders = []
    for state in ("ascending", "descending"):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == state
        cells = table.evaluate(read, index)
        orders.append([float(cell) for cell in cells] if column != "Finished" else cells)
    assert orders[0] == sorted(orders[0])
    assert orders[1] == sorted(orders[1], reverse=True)


def test_a_bar_that_is_cut_off_says_so_and_shows_it(site, opened):
    page = opened(page_of(site, "digits.html"))
    cut = page.get_by_role("img", name="cut off on the left")
    assert cut.count() == 1
    row = page.locator("tr", has=cut)
    assert row.locator("th").inner_text() == "evil"
    whole = page.locator(".bar[aria-hidden]").first
    pictures = [
        bar.evaluate("bar => getComputedStyle(bar).backgroundImage") for bar in (cut, whole)
    ]
    assert "conic-gradient" in pictures[0]
    assert pictures[1] == "none"


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_and_light(site, opened):
    light = opened(page_of(site, "index.html"))
    dark = opened(page_of(site, "index.html"), scheme="dark")
    assert background(light) != background(dark)
    light.get_by_role("button", name="Dark theme").click()
    assert background(light) == background(dark)
    assert light.evaluate("getComputedStyle(document.querySelector('figure svg')).color") == (
        dark.evaluate("getComputedStyle(document.querySelector('figure svg')).color")
    )
    light.reload()
    assert background(light) == background(dark)
    light.get_by_role("button", name="Light theme").click()
    assert background(light) != background(dark)


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_page_scrolls_sideways(site, opened, width):
    page = opened(page_of(site, "index.html"), width=width)
    for path in site.pages:
        page.goto(path.as_uri())
        size = page.evaluate("document.documentElement.scrollWidth")
        assert size <= width, f"{path.name} is {size} wide at {width}"


def test_hostile_text_does_nothing(site, opened):
    page = opened(page_of(site, "index.html"))
    for path in site.pages:
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("window.hacked") is None
        assert page.locator("a[href^='javascript']").count() == 0
        assert page.locator("main img, main script").count() == 0
    page.goto(page_of(site, "evil.html").as_uri())
    assert "<script>window.hacked" in page.locator("main").inner_text()
