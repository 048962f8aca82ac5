"""Study storage: an Optuna journal that survives what kills leave behind."""

from __future__ import annotations

import optuna
import pytest

from suite.components.search import log_uniform
from suite.errors import UsageError
from suite.results.model import DataRecord, Run
from suite.studies.storage import StudyStorage, set_aside
from suite.training.trial import Outcome
from tests.samples import make_result

SPACE = {"adamw.lr": log_uniform(1e-5, 1.0, default=1e-3).to_optuna()}


def outcome(number: int) -> Outcome:
    run: Run = make_result("digits", "adamw").tuning[number]
    return Outcome(run, DataRecord(fingerprint="0123456789abcdef", canonical=True, source="x"))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "digits" / "adamw.journal"
    with StudyStorage(path, "minimize") as storage:
        for number in range(3):
            storage.plan("tuning", {"adamw.lr": 0.1 * (number + 1)}, SPACE)
        storage.finish("tuning", outcome(1), 0.5)
    return path


def test_what_was_finished_is_there_again(path):
    with StudyStorage(path, "minimize") as storage:
        assert storage.planned("tuning") == [{"adamw.lr": lr} for lr in (0.1, 0.2, 0.1 * 3)]
        assert storage.finished("tuning") == {1: outcome(1)}
        assert storage.planned("evaluation") == []


def test_optuna_reads_the_journal(path):
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    study = optuna.load_study(study_name="tuning", storage=optuna.storages.JournalStorage(backend))
    states = [trial.state.name for trial in study.trials]
    assert states == ["RUNNING", "COMPLETE", "RUNNING"]
    assert study.best_value == 0.5


def test_half_a_line_at_the_end_is_dropped(path):
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "worker')
    with StudyStorage(path, "minimize") as storage:
        assert storage.finished("tuning") == {1: outcome(1)}
        storage.finish("tuning", outcome(0), 0.7)
    with StudyStorage(path, "minimize") as storage:
        assert set(storage.finished("tuning")) == {0, 1}


@pytest.mark.parametrize("keep", range(1, 40, 3))
def test_any_prefix_of_the_journal_can_go_on(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * keep // 40])
    with StudyStorage(path, "minimize") as storage:
        planned = storage.planned("tuning")
        assert planned == [{"adamw.lr": lr} for lr in (0.1, 0.2, 0.1 * 3)][: len(planned)]
        for number in range(len(planned), 2):
            storage.plan("tuning", {"adamw.lr": 0.1 * (number + 1)}, SPACE)
        storage.finish("tuning", outcome(1), 0.5)
        assert storage.finished("tuning")[1] == outcome(1)


def test_a_lock_left_by_a_killed_process_does_not_delay(path):
    lock = path.with_name(path.name + ".lock")
    lock.symlink_to(path)
    with StudyStorage(path, "minimize") as storage:
        storage.finish("tuning", outcome(0), 0.7)
    assert not lock.is_symlink()


def test_an_outcome_whose_trial_was_not_told_is_finished(path):
    """A kill between the two journal lines of a finished trial."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with StudyStorage(path, "minimize") as storage:
        assert storage.finished("tuning") == {1: outcome(1)}


def test_a_study_belongs_to_one_process_at_a_time(path):
    with (
        StudyStorage(path, "minimize"),
        pytest.raises(UsageError, match="another process"),
        StudyStorage(path, "minimize"),
    ):
        pass


def test_set_aside_deletes_nothing(path):
    content = path.read_bytes()
    kept = set_aside(path)
    assert kept is not None
    assert kept.read_bytes() == content
    assert not path.exists()
    assert set_aside(path) is None


def test_a_journal_that_is_being_written_is_not_set_aside(path):
    with StudyStorage(path, "minimize"), pytest.raises(UsageError, match="another process"):
        set_aside(path)
    assert path.exists()
