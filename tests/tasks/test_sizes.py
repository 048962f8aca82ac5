"""Tasks in other sizes: the same problem, but for what their name says."""

from __future__ import annotations

import pytest

from suite.components import registry
from suite.studies.transfer_studies import sizes_of_tasks

PAIRS = sizes_of_tasks(registry.load_all("task")[0])
#: by name, what of the settings differs from the base
DIFFERENT = {
    "digits_batch_50": {"batch_size": 50},
    "digits_budget_5x": {"budget": 250 * 1000},
    "digits_wide": {"width": 512},
    "lm_data_constrained_short_batch_8": {"batch_size": 8},
    "lm_data_constrained_short_batch_128": {"batch_size": 128},
    "lm_markov_short_batch_8": {"batch_size": 8},
    "lm_markov_short_batch_16": {"batch_size": 16},
    "lm_markov_short_batch_128": {"batch_size": 128},
    "lm_markov_short_budget_4x": {"budget": 32 * 960, "train": 32 * 960},
    "lm_markov_wide": {"width": 64, "heads": 4},
    "modular_addition_wide": {"width": 96},
}


def settings(task):
    flat = {**task.settings, **task.settings["problem"]}
    return {name: value for name, value in flat.items() if name not in ("problem", "name")}


@pytest.mark.parametrize(("base", "task"), PAIRS, ids=[task.name for _, task in PAIRS])
def test_a_size_is_the_same_task_but_for_its_size(base, task):
    mine, theirs = settings(task), settings(base)
    differing = {name: value for name, value in mine.items() if theirs[name] != value}
    differing.pop("version", None)
    assert differing == DIFFERENT[task.name]
    assert task.family == base.family
    assert (task.track, task.core) == ("mini", False)


def test_every_size_is_of_a_task_that_is_there():
    declared = {task.name for task in registry.load_all("task")[0] if task.size_of}
    assert declared == {task.name for _, task in PAIRS} == set(DIFFERENT)
