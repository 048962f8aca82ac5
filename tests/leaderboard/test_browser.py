"""The site in a real Chromium: from disk, at desk and on a phone, sorted, filtered, dark."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import sync_playwright

from leaderboard.board import load_board
from leaderboard.references import Reference, References
from leaderboard.site import build
from tests.leaderboard.test_site import HOSTILE
from tests.samples import (
    TASKS,
    make_reference,
    make_result,
    with_diagnostics,
    write_results,
)
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


class Site(NamedTuple):
    """A built site and what it was made from."""

    folder: Path
    references: References
    pages: list[Path]


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
    results = [make_result("digits", method) for method in METHODS]
    results += [
        with_diagnostics(
            make_result("modular_addition", method),
            {"sharpness": [[20.0, 5.0, number + 1.0]], "rotation": [[0.0, 0.1 * number]]},
        )
        for number, method in enumerate(METHODS)
    ]
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
    report = build(folder / "results", folder / "out", references)
    return Site(folder, references, report.pages)


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
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}
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


def test_the_first_screen_says_what_to_try_and_what_mini_means(site, opened):
    page = opened(page_of(site, "index.html"))
    answers = page.get_by_role("list", name="The best methods of each family of tasks")
    said = answers.get_by_role("listitem").filter(has_text="Algorithmic")
    best = page.locator("table.ranking thead th", has_text="algorithmic")
    at = best.evaluate("cell => cell.cellIndex")
    best.get_by_role("button").click()
    first = page.locator("table.ranking tbody tr").first
    assert f"{first.locator('th').inner_text()} scores highest" in said.inner_text()
    values = [float(value) for value in column(page, at) if value != "\N{EN DASH}"]
    assert len(values) == len(METHODS)
    assert values == sorted(values, reverse=True)
    assert first.locator("td").nth(at - 1).inner_text() == f"{values[0]:.2f}"
    assert page.get_by_text("small enough for one core").is_visible()
    # it is said before the ranking is scrolled to
    assert answers.bounding_box()["y"] + answers.bounding_box()["height"] < 844


def test_the_first_click_shows_the_best_first(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    # time to target is the score: the lower the better; the scaled score is the other way round
    for name, states in (
        ("Test score", ("ascending", "descending")),
        ("Scaled score", ("descending", "ascending")),
    ):
        header = page.locator("#scores-quick thead th", has_text=name).first
        index = header.evaluate("cell => cell.cellIndex")
        for state in states:
            header.get_by_role("button").click()
            assert header.get_attribute("aria-sort") == state
            values = [float(value) for value in column(page, index)]
            assert len(values) == len(METHODS)
            assert values == sorted(values, reverse=state == "descending")


def test_filter_sort_and_chosen_line_are_in_the_address(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    page.get_by_role("searchbox").first.fill("adamw")
    page.locator("#scores-quick thead th", has_text="Method").get_by_role("button").click()
    page.locator("figure .legend button", has_text="muon").first.click()
    address = page.url
    assert "filter.scores-quick=adamw" in address
    assert "sort.scores-quick=method" in address
    other = opened(page_of(site, "index.html"))
    other.goto(address)
    assert other.get_by_role("searchbox").first.input_value() == "adamw"
    rows = other.locator("#scores-quick tbody tr").locator("visible=true")
    assert [row.split()[1] for row in rows.all_inner_texts()] == ["adamw", "adamw+sam"]
    pressed = other.locator("figure .legend [aria-pressed=true]")
    assert pressed.all_inner_texts() == ["muon"]


def test_a_line_is_shown_alone_and_its_values_are_read_off(site, opened):
    page = opened(page_of(site, "digits.html"))
    figure = page.locator("figure.chart").first
    svg = figure.locator("svg")
    button = figure.locator(".legend button", has_text="lion")
    button.click()
    assert figure.locator("g.alone").evaluate_all("all => all.map(g => g.dataset.name)") == ["lion"]
    assert figure.locator("g.faded").count() == figure.locator("g[data-name]").count() - 1
    box = svg.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.974, box["y"] + 60)
    tip = figure.locator(".tip")
    assert "lion" in tip.inner_text()
    # the value at the right end is the mean that the table for download has there
    text = (page_of(site, "index.html").parent / "figures" / "curves-digits-quick.csv").read_text()
    last = [row for row in csv.DictReader(io.StringIO(text)) if row["method"] == "lion"][-1]
    shown = float(tip.locator("b").last.inner_text())
    assert shown == pytest.approx(float(last["mean"]), rel=0.02)
    button.click()
    assert figure.locator("g.faded").count() == 0
    svg.focus()
    page.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert "muon" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_diagnostic_is_read_off_its_small_figure(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    figure = page.locator("#diagnostics-quick figure", has_text="sharpness")
    svg = figure.locator("svg")
    # The values of lion, whose runs last longest, at their end.
    line = svg.locator("g[data-name=lion] path.line").get_attribute("d")
    end = float(line.split()[-1].split(",")[0])
    unit = svg.bounding_box()["width"] / float(svg.get_attribute("viewBox").split()[2])
    svg.hover(position={"x": end * unit - 1, "y": 60})
    said = [line.split() for line in figure.locator(".tip span").all_inner_texts()]
    assert {name: float(value) for name, value in said} == pytest.approx({"lion": 2}, rel=0.05)
    # The colours are those of the legend that stands above all small figures.
    legend = page.locator("#diagnostics-quick > .legend li")
    assert sorted(legend.all_inner_texts()) == sorted(METHODS)
    page.get_by_role("link", name="what goes with them").click()
    page.wait_for_url("**/diagnostics.html")
    row = page.locator("#correlations tbody tr", has_text="rotation")
    assert row.locator("td.number").count() == 6
    on_method = opened(page_of(site, "muon.html"))
    titles = on_method.locator("#diagnostics figure b").all_inner_texts()
    assert titles == ["train loss", "rotation", "sharpness"]


def downloaded(page, name, button):
    group = page.get_by_role("group", name=f"Download {name}", exact=True)
    with page.expect_download() as waiting:
        group.get_by_role("button", name=button).click()
    return Path(waiting.value.path()).read_text("utf-8"), waiting.value.suggested_filename


def test_a_table_is_downloaded_as_it_is_shown(site, opened):
    page = opened(page_of(site, "digits.html"))
    page.get_by_role("searchbox").first.fill("adamw")
    text, name = downloaded(page, "methods, quick", "CSV")
    assert name == "scores-quick.csv"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["Method"] for row in rows) == ["adamw", "adamw+sam"]
    for row in rows:
        low, high = float(row["Scaled score low"]), float(row["Scaled score high"])
        assert low <= float(row["Scaled score"]) <= high
    as_json = json.loads(downloaded(page, "methods, quick", "JSON")[0])
    assert [row["Method"] for row in as_json] == [row["Method"] for row in rows]
    assert as_json[0]["Test score"] == float(rows[0]["Test score"])
    latex, name = downloaded(page, "methods, quick", "LaTeX")
    assert name == "scores-quick.tex"
    assert latex.count("\\\\\n") == 1 + len(rows)
    (line,) = (line for line in latex.splitlines() if "adamw+sam" in line)
    assert line.count("&") == latex.splitlines()[3].count("&")


def test_no_text_of_a_download_is_a_formula_or_a_command(site, opened):
    page = opened(page_of(site, "evil.html"))
    text, _ = downloaded(page, "files", "CSV")
    assert len(list(csv.DictReader(io.StringIO(text)))) == 1
    latex, _ = downloaded(page, "tasks of the results", "LaTeX")
    assert "digits" in latex
    page.evaluate("""() => {
        const cell = document.querySelector("#results-table tbody td.searched");
        cell.textContent = "=1+1";
        const name = document.querySelector("#results-table tbody th");
        name.textContent = "50% of $x_1$ & \\\\input{a}";
    }""")
    rows = list(csv.reader(io.StringIO(downloaded(page, "tasks of the results", "CSV")[0])))
    assert rows[1][1] == "'=1+1"
    latex = downloaded(page, "tasks of the results", "LaTeX")[0]
    assert r"50\% of \$x\_1\$ \& " in latex
    assert r"\input" not in latex


def test_two_methods_are_compared_with_the_numbers_of_the_board(site, opened):
    board = load_board(site.folder / "results", site.references)
    page = opened(page_of(site, "compare.html"))
    page.get_by_label("Method", exact=True).select_option("muon")
    page.get_by_label("Compared with").select_option("lion")
    page.get_by_text("muon is better than lion").wait_for()
    assert "a=muon" in page.url
    rows = page.locator("#compare-table tbody tr")
    found = {row.locator("th").inner_text(): row for row in rows.all()}
    assert {"digits", "modular addition"} <= set(found)
    for task in ENDS:
        standing = board.task(task, "quick")
        pair = standing.comparisons.pair("muon", "lion")
        row = found[task.replace("_", " ")]
        assert pair.verdict in row.locator("td").nth(1).inner_text()
        cell = row.locator("td").nth(3)
        numbers = [float(cell.get_attribute(f"data-{part}")) for part in ("value", "low", "high")]
        assert numbers == pytest.approx([pair.value, pair.low, pair.high], rel=1e-3)
        reference = site.references[task]
        scale = reference.tuned.mean - reference.untuned.mean
        scaled = float(row.locator("td").nth(2).get_attribute("data-value"))
        assert scaled == pytest.approx(pair.value / scale, rel=1e-3)
    page.get_by_role("button", name="Swap").click()
    page.get_by_text("lion is better than muon").wait_for()
    swapped = page.locator("#compare-table tbody tr", has_text="digits").locator("td").nth(3)
    pair = board.task("digits", "quick").comparisons.pair("lion", "muon")
    assert float(swapped.get_attribute("data-value")) == pytest.approx(pair.value, rel=1e-3)
    again = opened(page_of(site, "index.html"))
    again.goto(page.url)
    again.get_by_text("lion is better than muon").wait_for()


def test_a_number_leads_to_its_file_its_commit_and_its_command(site, opened):
    page = opened(page_of(site, "digits.html"))
    row = page.locator(
        "#scores-quick tbody tr", has=page.get_by_role("link", name="sgd", exact=False)
    )
    row.filter(has_text="cosine").locator("td.estimate a").click()
    page.wait_for_url("**/methods/sgd-label_smoothing--cosine.html#file-*")
    target = page.locator("tr:target")
    assert "digits/sgd+label_smoothing@cosine.quick.json" in target.inner_text()
    assert "0123456789" in target.inner_text()
    command = target.locator("code").inner_text()
    assert command == (
        "suite run --optimizer sgd --regularizer label_smoothing --schedule cosine --task digits "
        "--protocol quick"
    )


def test_the_skip_link_comes_first(site, opened):
    page = opened(page_of(site, "index.html"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_every_table_and_region_has_a_name(site, opened):
    page = opened(page_of(site, "index.html"))
    for path in site.pages:
        page.goto(path.as_uri())
        assert page.locator("table:not(:has(caption))").count() == 0, path
        assert page.locator("thead th:not([scope])").count() == 0, path
        assert page.locator(".scroll:not([tabindex][aria-label])").count() == 0, path


def test_print_shows_all_rows_and_no_controls(site, opened):
    page = opened(page_of(site, "index.html"), scheme="dark")
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    assert not page.get_by_role("searchbox").first.is_visible()
    assert not page.get_by_role("navigation", name="Pages").is_visible()
    assert page.locator("table.ranking").is_visible()


def test_the_keyboard_sorts_by_name(site, opened):
    page = opened(page_of(site, "modular_addition.html"))
    page.locator("#scores-quick thead th", has_text="Method").locator("button").focus()
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
    assert page.locator(".count").first.inner_text() == f"1 of {len(METHODS)}"
    box.fill("no such method")
    assert rows.locator("visible=true").count() == 0
    box.fill("")
    assert rows.locator("visible=true").count() == len(METHODS)


@pytest.mark.parametrize(
    ("name", "box", "words", "shown", "column"),
    [
        ("tasks.html", "tasks", "digits smoke", 1, "Methods"),
        ("adamw.html", "tasks of the results", "lm quick", 1, "Test score"),
        ("adamw.html", "tasks of the hyperparameters", "permuted", 1, "adamw.lr"),
        ("adamw.html", "files", "digits/adamw", 3, "Finished"),
        ("digits.html", "methods that are not ranked, smoke", "sgd", 2, "Test score"),
        ("protocol.html", "references", "other 3", 1, "Raw"),
    ],
)
def test_every_long_table_filters_and_sorts(site, opened, name, box, words, shown, column):
    page = opened(page_of(site, name))
    search = page.get_by_role("searchbox", name=f"Filter {box}", exact=True)
    table = page.locator(".tools", has=search).locator("xpath=following-sibling::*[1]//table")
    best = table.locator("thead th", has_text=column).first.get_attribute("data-best")
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
    states = ("descending", "ascending") if best == "high" else ("ascending", "descending")
    for state in states:
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == state
        cells = table.evaluate(read, index)
        orders.append([float(cell) for cell in cells] if column != "Finished" else cells)
    assert orders[0] == sorted(orders[0], reverse=best == "high")
    assert orders[1] == orders[0][::-1]


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
        assert page.locator("main img, main script:not([type='application/json'])").count() == 0
    page.goto(page_of(site, "evil.html").as_uri())
    assert "<script>window.hacked" in page.locator("main").inner_text()
