from __future__ import annotations

import pytest

from suite.checking.declaration import DEVIATES, PLACEHOLDERS
from tests.checked import Descent, from_file, verdict

FILE = '''
"""A file. {line}"""
from torch.optim import SGD
from suite import optimizer, search
optimizer("under_test", SGD, summary="Plain.", paper="none", url="https://example.org",
          search={{"lr": search.log_uniform(1e-3, 1.0, default=0.1)}})
'''


@pytest.mark.parametrize(
    ("fields", "outcome", "seen"),
    [
        ({}, "ok", "are stated"),
        ({"summary": ""}, "problem", "no summary"),
        ({"url": "", "paper": ""}, "problem", "no paper and url"),
        ({"url": "arxiv 1234"}, "problem", "'arxiv 1234'"),
        ({"url": PLACEHOLDERS[1]}, "warning", "skeleton"),
    ],
)
def test_texts_are_needed(fields, outcome, seen):
    found = verdict("declaration", Descent, **fields)
    assert (found.outcome, seen in found.seen) == (outcome, True)
    assert bool(found.cure) == (outcome != "ok")


@pytest.mark.parametrize(("line", "outcome"), [(DEVIATES + " nothing.", "ok"), ("", "warning")])
def test_a_file_outside_is_only_warned_that_it_does_not_state_deviations(tmp_path, line, outcome):
    tested = from_file(tmp_path, FILE.format(line=line))
    found = verdict("declaration", tested.build, path=tested.path)
    assert found.outcome == outcome


def test_a_file_of_the_repository_must_state_deviations(tmp_path, monkeypatch):
    monkeypatch.setattr("suite.checking.declaration.ROOT", tmp_path)
    folder = tmp_path / "baselines" / "optimizers"
    folder.mkdir(parents=True)
    tested = from_file(folder, FILE.format(line=""))
    assert verdict("declaration", tested.build, path=tested.path).failed
