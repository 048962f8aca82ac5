"""Tables: what a narrow terminal leaves out."""

from __future__ import annotations

import json

from suite.cli.tables import Column, fit, plain_table, print_json

COLUMNS = [Column("name"), Column("score"), Column("seconds", 2), Column("about", 1, text=True)]
ROWS = [["a_long_name_that_is_typed", "0.123", "12.5", "words " * 10], ["b", "0.5", "1", "few"]]


def test_everything_is_shown_where_it_fits():
    titles, rows, left_out = fit(COLUMNS, ROWS, 200)
    assert titles == ["name", "score", "seconds", "about"]
    assert rows == ROWS
    assert left_out == []


def test_sentences_are_cut_first_then_columns_go_by_priority():
    titles, rows, left_out = fit(COLUMNS, ROWS, 70)
    assert left_out == []
    assert rows[0][3].endswith("...")
    assert len(plain_table(titles, rows).splitlines()[1]) <= 70
    titles, rows, left_out = fit(COLUMNS, ROWS, 60)
    assert (titles, left_out) == (["name", "score", "about"], ["seconds"])
    titles, rows, left_out = fit(COLUMNS, ROWS, 40)
    assert (titles, left_out) == (["name", "score"], ["seconds", "about"])


def test_names_and_scores_stay_whole_in_any_width():
    titles, rows, _ = fit(COLUMNS, ROWS, 10)
    assert titles == ["name", "score"]
    assert rows[0] == ROWS[0][:2]


def test_an_empty_column_is_not_mentioned():
    titles, _, left_out = fit([*COLUMNS, Column("note")], [[*row, ""] for row in ROWS], 200)
    assert "note" not in titles
    assert left_out == []


def test_json_holds_no_infinity(capsys):
    print_json({"a": [float("inf"), 1.5], "b": {"c": float("nan")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}}
