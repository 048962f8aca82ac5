"""The site as files: what is written, what is refused, what is escaped."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from leaderboard.board import make_board
from leaderboard.catalogue import read_catalogue
from leaderboard.filters import breakable, figure, slug, web_address
from leaderboard.references import Reference
from leaderboard.site import Site, build, write_site
from leaderboard.transfer import decide
from suite import Claim
from suite.components.claims import Stated
from suite.results.frames import Stored
from tests.leaderboard.test_transfer import NOISE, OTHER_NOISE, rule, sweep, transfer
from tests.samples import TASKS, make_reference, make_result, write_results

REFERENCES = {"digits": Reference(**make_reference("digits", 0.3, 0.8))}
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"'{{ 7 * 7 }}"


def write_samples(folder):
    write_results(
        folder,
        [
            make_result(method="adamw"),
            make_result(method="sgd+sam@cosine", status=["completed", "diverged", "completed"]),
            make_result(method="mezo", status="failed"),
            make_result(method="lion", protocol="smoke"),
            make_result("modular_addition", "adamw"),
        ],
    )
    return folder


@pytest.fixture
def results(tmp_path):
    """A folder of results that a test may change."""
    return write_samples(tmp_path / "results")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A site that tests only read, and its report."""
    folder = tmp_path_factory.mktemp("made")
    return built(write_samples(folder / "results"), folder)


def built(results, tmp_path, references=REFERENCES):
    report = build(results, tmp_path / "site", references)
    return report, tmp_path / "site"


def visible(page):
    """The text of a page, without its tags, with one space between words."""
    return visible_text(page.read_text("utf-8"))


def visible_text(markup):
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", markup)).split())


def index_of(site):
    return (site / "index.html").read_text("utf-8")


def rows_of(page):
    """The rows of all tables of a page: the visible text of each cell."""
    rows = re.findall(r"<tr[ >].*?</tr>", page.read_text("utf-8"), re.DOTALL)
    return [
        [visible_text(cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


class Links(HTMLParser):
    """Every address and id of a page, and its elements."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)


def test_a_page_a_task_a_method_and_the_protocol(made):
    report, site = made
    assert sorted(str(path.relative_to(site)) for path in report.pages) == [
        "boards/mini-quick.html",
        "claims.html",
        "compare.html",
        "families/algorithmic.html",
        "families/vision.html",
        "index.html",
        "lost.html",
        "methods.html",
        "methods/adamw.html",
        "methods/lion.html",
        "methods/mezo.html",
        "methods/sgd-sam--cosine.html",
        "protocol.html",
        "tasks.html",
        "tasks/digits.html",
        "tasks/modular_addition.html",
    ]
    assert all(path.is_file() for path in report.pages)
    assert report.skipped == []


def test_every_link_within_the_site_leads_somewhere(made):
    report, site = made
    found = {page: Links(page.read_text("utf-8")) for page in report.pages}
    seen = 0
    for page, links in found.items():
        assert len(set(links.ids)) == len(links.ids), f"{page}: an id stands twice"
        for address in links.addresses:
            if address.startswith(("data:", "https://")):
                assert page.name != "index.html" or address.startswith("data:")
                continue
            path, _, fragment = address.partition("#")
            path = path.partition("?")[0]
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page}: {address}"
            assert target.is_relative_to(site)
            if fragment and fragment != "content":
                assert fragment in found[target].ids, f"{page}: {address}"
            seen += 1
    assert seen > 50


def test_a_second_build_elsewhere_is_the_same_to_the_byte(made, results, tmp_path):
    _, again = built(results, tmp_path)
    contents = [
        {path.relative_to(site): path.read_bytes() for path in site.rglob("*.*") if path.is_file()}
        for site in (made[1], again)
    ]
    assert len(contents[0]) > 10
    assert contents[0] == contents[1]


def test_figures_have_text_alternatives_and_follow_the_theme(made):
    _, site = made
    text = (site / "tasks" / "digits.html").read_text("utf-8")
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) == 2
    for svg in drawings:
        assert 'role="img"' in svg
        assert re.search(r'aria-labelledby="([^" ]+) ([^"]+)"', svg)
        assert re.search(r"<title [^>]*>\w+.* on digits", svg)
        assert re.search(r"<desc [^>]*>.*adamw", svg)
        assert "<text" in svg
        assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
        assert "var(--series-0)" in svg


def test_invalid_files_are_left_out_with_the_reason(results, tmp_path):
    (results / "digits" / "lion.quick.json").write_text("{")
    report, site = built(results, tmp_path)
    (skipped,) = report.skipped
    assert str(skipped.path) == "digits/lion.quick.json"
    assert "not valid JSON" in skipped.reason
    assert "digits/lion.quick.json: left out: not valid JSON" in (site / "index.html").read_text()


def test_what_is_raw_partial_failed_or_not_ranked_is_said(results, tmp_path):
    strange = {"fingerprint": "ab" * 8, "canonical": False}
    write_results(results, [make_result(method="muon", data=strange)])
    write_results(results, [make_result(method="adamw", threads=2)], variant="0123abcd")
    report, site = built(results, tmp_path)
    index = (site / "index.html").read_text("utf-8")
    assert "modular_addition (quick): there is no frozen reference for this task" in index
    assert "digits/muon.quick.json: not ranked with the others: not the task" in index
    assert "superseded by digits/adamw.quick" in index
    assert len(report.warnings) == 3
    digits = (site / "tasks" / "digits.html").read_text("utf-8")
    assert "3 failed" in digits
    assert "1 diverged" in digits
    assert "the protocol smoke is never ranked" in digits
    assert "raw scores only" in (site / "tasks" / "modular_addition.html").read_text("utf-8")
    mezo = (site / "methods" / "mezo.html").read_text("utf-8")
    assert "RuntimeError: sample of failed" in mezo
    assert "not canonical" in (site / "methods" / "muon.html").read_text("utf-8")


def test_a_task_page_says_that_its_data_is_not_canonical(tmp_path):
    strange = {"fingerprint": "ab" * 8, "canonical": False}
    for method in ("adamw", "lion"):
        write_results(tmp_path / "r", [make_result(method=method, data=strange)])
    _, site = built(tmp_path / "r", tmp_path, references={})
    page = (site / "tasks" / "digits.html").read_text("utf-8")
    assert "Not the task's canonical data" in page
    assert "fingerprint abababab" in page


def test_a_stream_has_no_time_to_target(made, tmp_path):
    _, site = made
    assert "Time to target" in visible(site / "tasks" / "digits.html")
    write_samples(tmp_path / "results")
    write_results(tmp_path / "results", [make_result(task_fields={"stream": True})])
    (tmp_path / "results" / "digits" / "mezo.quick.json").unlink()
    (tmp_path / "results" / "digits" / "sgd+sam@cosine.quick.json").unlink()
    _, site = built(tmp_path / "results", tmp_path)
    assert "Time to target" not in visible(site / "tasks" / "digits.html")
    rows = rows_of(site / "methods" / "adamw.html")
    head = next(row for row in rows if {"Rank", "Protocol"} <= set(row))
    at = head.index("Time to target gradient evaluations")
    times = {row[0]: row[at] for row in rows if len(row) == len(head) and row[1] == "quick"}
    assert times["digits"] == "\N{EN DASH}"
    assert times["modular addition"].endswith("of 3")


def test_the_pages_state_the_rule_of_ranks_and_what_intervals_hold(made):
    report, site = made
    pages = {path.relative_to(site).as_posix(): visible(path) for path in report.pages}
    rule = (
        "A method's ranks are a range: the first is 1 + the number of methods that are better "
        "beyond doubt, the last leaves out those that are worse beyond doubt."
    )
    for page in ("index.html", "protocol.html", "tasks/digits.html"):
        assert rule in pages[page]
    assert "Of the mean over replicates, 95%, from a t distribution." in pages["protocol.html"]
    assert "Smyth 2004" in pages["protocol.html"]
    assert "Holm 1979" in pages["protocol.html"]


def test_a_command_that_froze_references_is_shown_once(results, tmp_path):
    many = "python scripts/calibrate.py --protocol standard " + " ".join(
        f"task_{i}" for i in range(40)
    )
    references = {
        f"task_{i}": Reference(
            **make_reference("digits", 0.3, 0.8, command=many, protocol="standard")
        )
        for i in range(40)
    }
    fields = make_reference("digits", 0.3, 0.8, command="freeze digits", canonical=False)
    references["digits"] = Reference(**fields)
    _, site = built(results, tmp_path, references)
    page = site / "protocol.html"
    text = page.read_text("utf-8")
    assert text.count(many) == 1
    assert text.count('<a href="#command-1">') == 40
    rows = {cells[0]: " ".join(cells) for cells in rows_of(page) if len(cells) == 8}
    assert "adamw under standard" in rows["task 7"]
    assert "canonical" not in rows["task 7"]
    assert "adamw under quick" in rows["digits"]
    assert "2026-11-22 on other than the canonical data" in rows["digits"]


def test_hyperparameters_have_a_row_a_task(tmp_path):
    results = [make_result(task, "sgd+sam") for task in TASKS]
    older = {"search_space": {"lr": {"kind": "choice", "default": "slow", "choices": ["slow"]}}}
    run = {"hyperparameters": {"sgd": {"lr": "slow"}}}
    date = {"finished": "2026-01-01T00:00:00+00:00"}
    results.append(
        make_result("digits", "sgd+sam", "smoke", component=older, run=run, environment=date)
    )
    write_results(tmp_path / "results", results)
    report, site = built(tmp_path / "results", tmp_path)
    assert report.skipped == []
    rows = [cells for cells in rows_of(site / "methods" / "sgd-sam.html") if len(cells) == 6]
    header = next(cells for cells in rows if cells[1] == "Protocol" and "sgd" in cells[2])
    assert header[2] == "sgd. lr log-uniform, 1e-05 to 0.1; default 0.001"
    assert header[5].startswith("sam. weight_ decay log-uniform, 1e-05 to 1; default 0.01")
    found = {tuple(cells[:2]): cells[2:] for cells in rows}
    assert {task for task, _ in found} >= {task.replace("_", " ") for task in TASKS}
    chosen = results[0].replicates[0].chosen_run.hyperparameters
    lr = f"{chosen['sgd']['lr']:.4g}"
    assert found["modular addition", "quick"][0].split()[0] == lr
    assert len(found["modular addition", "quick"][0].split(" / ")) == len(results[0].replicates)
    # an older version that had one other hyperparameter
    assert found["digits", "smoke"] == ["slow"] + ["\N{EN DASH}"] * 3


def test_runs_that_are_missing_from_a_number_or_a_line_are_said(tmp_path):
    some = ["completed", "diverged", "completed"]
    results = [
        make_result("permuted_digits", "sgd", status=some),
        make_result("permuted_digits", "lion"),
        make_result("permuted_digits", "mezo", status="failed"),
    ]
    write_results(tmp_path / "results", results)
    _, site = built(tmp_path / "results", tmp_path)
    page = site / "tasks" / "permuted_digits.html"
    cells = re.findall(r"<small>over [^<]*</small>", page.read_text("utf-8"))
    assert cells == ["<small>over 2 of 3 runs</small>"]
    text = visible(page)
    assert "at the end: sgd over 2 of 3 runs, mezo over 0 of 3 runs." in text
    assert re.search(r"sgd ends at 0\.\d+ over 2 of 3 runs[;.]", text)
    assert re.search(r"lion ends at 0\.\d+[;.]", text)


def test_methods_that_failed_are_not_unbeaten(tmp_path):
    methods = ("adamw", "lion", "mezo", "muon", "sgd")
    failed = [make_result(method=method, status="failed") for method in methods]
    write_results(tmp_path / "results", failed)
    _, site = built(tmp_path / "results", tmp_path)
    page = (site / "tasks.html").read_text("utf-8")
    (row,) = re.findall(r'<tr>\s*<th[^>]*><a href="tasks/digits.*?</tr>', page, re.DOTALL)
    assert "methods/" not in row
    assert "more" not in row
    assert "\N{EN DASH}" in row


def test_the_index_says_how_much_is_compared(made):
    _, site = made
    assert "4 methods on 2 tasks, all tuned with the same number" in visible(site / "index.html")
    tasks = visible(site / "tasks.html")
    assert "2 tasks in 2 families; 1 of them holds no more than two methods so far." in tasks


def test_tasks_show_their_family(made):
    _, site = made
    rows = {row[0]: row for row in rows_of(site / "tasks.html")}
    assert rows["digits"][1] == "vision"
    assert "Family vision Track mini" in visible(site / "tasks" / "digits.html")
    assert "digits core : Handwritten digits" in visible(site / "families" / "vision.html")


def test_seconds_are_only_shown_as_a_ratio_to_adamws_step(made):
    report, site = made
    for page in report.pages:
        headers = re.findall(r"<th[^>]*>(.*?)</th>", page.read_text("utf-8"), re.DOTALL)
        assert not any("econds" in header for header in headers)
    # AdamW's own runs say how its timed step compares: the samples all take about as long.
    header, *rows = (r for r in rows_of(site / "tasks" / "digits.html") if len(r) > 9)
    at = header.index("Step cost of AdamW's")
    ratios = {row[1]: float(row[at].removesuffix("\N{MULTIPLICATION SIGN}")) for row in rows
              if row[at] != "\N{EN DASH}"}  # fmt: skip
    assert ratios
    assert all(0.8 <= ratio <= 1.25 for ratio in ratios.values())


def test_the_download_holds_all_results(made):
    _, site = made
    results = pd.read_csv(site / "results.csv")
    assert sorted(zip(results.task, results.method, strict=True)) == [
        ("digits", "adamw"), ("digits", "lion"), ("digits", "mezo"), ("digits", "sgd+sam@cosine"),
        ("modular_addition", "adamw"),
    ]  # fmt: skip
    for row in results.itertuples():
        scores = [float(score) for score in row.replicate_scores.split()]
        assert row.score == pytest.approx(sum(scores) / len(scores))
        assert row.score_low <= row.score <= row.score_high
    adamw = results[(results.task == "digits") & (results.method == "adamw")].iloc[0]
    assert adamw.scaled_score == pytest.approx((adamw.score - 0.3) / (0.8 - 0.3))
    assert adamw.commit == "0123456789abcdef"
    assert str(site.parent) not in (site / "results.csv").read_text()


def test_a_formula_in_any_column_is_text_in_the_download(tmp_path):
    formula = '=HYPERLINK("http://evil","x")'
    evil = make_result(method="sgd", environment={"finished": formula, "commit": "+1"})
    other = make_result(method="sgd+sam", scores=[-0.5] * 3)  # its sign is no formula
    write_results(tmp_path / "results", [evil, other])
    _, site = built(tmp_path / "results", tmp_path)
    rows = pd.read_csv(site / "results.csv", dtype=str).set_index("method")
    assert rows.finished["sgd"] == f"'{formula}"
    assert rows.commit["sgd"] == "'+1"
    assert rows.finished["sgd+sam"] == other.environment.finished


def test_text_of_result_files_is_escaped(tmp_path):
    evil = make_result(
        component={"paper": HOSTILE, "url": "javascript:window.hacked=1"},
        data={"source": HOSTILE},
        environment={
            "commit": HOSTILE, "cpu": HOSTILE, "suite_version": HOSTILE,
            "packages": {HOSTILE: HOSTILE}, "finished": HOSTILE,
        },
        run={"reason": HOSTILE, "traceback": HOSTILE * 200, "status": "failed"},
    )  # fmt: skip
    write_results(tmp_path / "results", [evil])
    (tmp_path / "results" / "digits" / "<script>window.hacked=1<").mkdir(parents=True)
    (tmp_path / "results" / "digits" / "<img src=x onerror=alert(1)>.json").write_text("{")
    report, _ = built(tmp_path / "results", tmp_path)
    for page in report.pages:
        text = page.read_text("utf-8")
        assert "<script>window" not in text
        links = Links(text)
        ours = [address for address in links.addresses if address.endswith(".js")]
        data = 1 if page.name == "compare.html" else 0
        assert links.tags.count("script") == len(ours) + data
        assert "img" not in links.tags
        assert not any("javascript" in address for address in links.addresses)
    assert "{{ 7 * 7 }}" in (tmp_path / "site" / "methods" / "adamw.html").read_text("utf-8")


def test_very_long_texts_are_cut_on_the_pages(tmp_path):
    run = {"reason": "r" * 20_000, "traceback": "t" * 20_000, "status": "failed"}
    component = {"paper": "p" * 2_000, "url": "https://example.org/" + "u" * 1_900}
    write_results(tmp_path / "results", [make_result(component=component, run=run)])
    report, site = built(tmp_path / "results", tmp_path)
    assert max(p.stat().st_size for p in report.pages if p.name != "claims.html") < 200_000
    assert "…" in (site / "methods" / "adamw.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://arxiv.org/abs/2302.06675", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("https://", False),
        ("https://[", False),
        (" https://example.org", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(url, good):
    assert (web_address(url) == url) is good


def test_slugs_are_safe_and_one_to_one():
    names = ["a+b", "a@b", "a_b", "a+b@c", "a@b_c", "a+b_c"]
    assert len({slug(name) for name in names}) == len(names)
    assert slug("../../etc/<x>.html") == "______etc__x__html"
    assert len(slug("x" * 5000)) < 255


def test_names_break_where_parts_meet_and_stay_escaped():
    assert breakable("a_b+c@d") == "a_<wbr>b<wbr>+c<wbr>@d"
    assert breakable("<b>") == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.93456, "0.9346"),
        (12.0, "12"),
        (-1.5, "\N{MINUS SIGN}1.500"),
        (1234567.0, "1\u202f234\u202f567"),
        (1.2e9, "1.200e+09"),
        (float("inf"), "∞"),
    ],
)
def test_figures(value, text):
    assert figure(value) == text


def test_an_empty_folder_makes_a_site_that_says_so(tmp_path):
    (tmp_path / "results").mkdir()
    _, site = built(tmp_path / "results", tmp_path, references={})
    assert "There are no results yet" in (site / "index.html").read_text("utf-8")


def test_the_claims_page_says_what_the_same_results_decide(tmp_path):
    """Columns included, which are read at the end of the whole curve."""
    write_results(
        tmp_path / "results",
        [
            make_result(method="adamw", scores=[0.8, 0.81, 0.8]),
            make_result(method="lion", scores=[0.3, 0.31, 0.3]),
        ],
    )
    facts = {"task": "digits", "rival": "adamw", "number": "n", "place": "p"}
    claims = [
        Stated(
            SimpleNamespace(name="lion", paper="a paper"),
            Claim(says=says, measure=measure, quantity=quantity, expect=expect, **facts),
        )
        for says, measure, quantity, expect in [
            ("Lion wins.", "score", "", "better"),
            ("Lion ends with less accuracy.", "column", "accuracy", "lower"),
        ]
    ]
    build(tmp_path / "results", tmp_path / "site", REFERENCES, claims=claims)
    rows = {row[1]: row for row in rows_of(tmp_path / "site" / "claims.html") if len(row) > 1}
    found = [next(row for said, row in rows.items() if c.claim.says in said) for c in claims]
    assert "not reproduced" in " ".join(found[0])
    assert "not reproduced" not in " ".join(found[1])
    assert "reproduced" in " ".join(found[1])


def test_the_claims_page_shows_rules_of_scaling(tmp_path):
    studies = [
        sweep("digits", 0.01, shift=NOISE),
        sweep("cifar10_mini", 0.02, shift=OTHER_NOISE),
    ]
    stored = [Stored(Path(f"{i}.json"), study) for i, study in enumerate(studies)]
    moved = decide([transfer(rule()), transfer(rule(sizes=3))], stored, {})
    site = Site(make_board([]), read_catalogue(), {}, "", moved=tuple(moved))
    list(write_site(site, tmp_path / "site"))
    page = tmp_path / "site" / "claims.html"
    assert "<h2>Rules of scaling</h2>" in page.read_text("utf-8")
    rows = [row for row in rows_of(page) if row and row[0].startswith("s p, a")]
    assert [row[3].split(" ", 1)[1] for row in rows] == ["reproduced", "reproduced", "not run"]
    first, _, last = rows
    assert first[1] == "adamw lr"
    assert first[2].startswith("digits → cifar10 mini")
    assert first[4] == "2"
    assert first[8] == "the interval holds the predicted factor, and not 1"
    assert last[5:8] == ["\N{EN DASH}"] * 3
