"""Study storage: trials that survive kills, damage and a full disk."""

from __future__ import annotations

import errno
import os
import shutil

import optuna
import pytest

from suite.components.search import log_uniform
from suite.errors import SuiteError, UsageError
from suite.results.model import DataRecord, Run
from suite.studies import storage as storage_module
from suite.studies.journal import Journal, line_of
from suite.studies.storage import StudyStorage, set_aside
from suite.training.trial import Outcome
from tests.samples import make_result

SPACE = {"adamw.lr": log_uniform(1e-5, 1.0, default=1e-3).to_optuna()}
TUNING = (0, "tuning")
RUNS: list[Run] = make_result("digits", "adamw").replicates[0].tuning


def outcome(number: int) -> Outcome:
    data = DataRecord(fingerprint="0123456789abcdef", canonical=True, source="x")
    return Outcome(RUNS[number], data)


def flat(number: int) -> dict[str, float]:
    return {"adamw.lr": 0.1 * (number + 1)}


def opened(path) -> StudyStorage:
    return StudyStorage(path, "minimize", SPACE)


@pytest.fixture
def path(tmp_path):
    """A study whose first and third of four planned trials have finished: six lines."""
    path = tmp_path / "digits" / "adamw.journal"
    with opened(path) as storage:
        for number in range(4):
            storage.plan(TUNING, number, flat(number))
        storage.finish(TUNING, outcome(0), 0.5)
        storage.finish(TUNING, outcome(2), 0.7)
    return path


def lines(path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_what_was_finished_is_there_again(path):
    with opened(path) as storage:
        assert storage.planned(TUNING) == {number: flat(number) for number in range(4)}
        assert storage.finished(TUNING) == {0: outcome(0), 2: outcome(2)}
        assert storage.planned((0, "evaluation")) == {}
        assert storage.damage is None


def test_replicates_are_kept_apart(path):
    with opened(path) as storage:
        storage.plan((1, "tuning"), 0, flat(7))
        storage.finish((1, "tuning"), outcome(0), 0.9)
    with opened(path) as storage:
        assert storage.planned((1, "tuning")) == {0: flat(7)}
        assert storage.finished((1, "tuning")) == {0: outcome(0)}
        assert storage.finished(TUNING) == {0: outcome(0), 2: outcome(2)}
    backend = optuna.storages.journal.JournalFileBackend(str(path.with_suffix(".optuna")))
    storage = optuna.storages.JournalStorage(backend)
    shown = {
        name: [trial.value for trial in optuna.load_study(study_name=name, storage=storage).trials]
        for name in optuna.get_all_study_names(storage)
    }
    assert shown == {"tuning 0": [0.5, None, 0.7, None], "tuning 1": [0.9]}


def test_half_a_line_at_the_end_is_dropped(path):
    path.write_bytes(path.read_bytes() + line_of({"kept": "x", "value": 1})[:-5])
    with opened(path) as storage:
        assert storage.finished(TUNING) == {0: outcome(0), 2: outcome(2)}
        assert storage.damage is None, "this is what a kill leaves"
        storage.finish(TUNING, outcome(1), 0.7)
    with opened(path) as storage:
        assert set(storage.finished(TUNING)) == {0, 1, 2}


@pytest.mark.parametrize("keep", range(0, 41, 2))
def test_any_prefix_of_the_journal_can_go_on(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * keep // 40])
    with opened(path) as storage:
        planned = storage.planned(TUNING)
        assert planned == {number: flat(number) for number in range(len(planned))}
        assert storage.damage is None
        for number in range(len(planned), 2):
            storage.plan(TUNING, number, flat(number))
        storage.finish(TUNING, outcome(1), 0.5)
    with opened(path) as storage:
        assert storage.finished(TUNING)[1] == outcome(1)


def flipped(line: bytes, place: int) -> bytes:
    return line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]


DAMAGE = {
    "a line of garbage": lambda ls: [*ls[:3], b"garbage\n", *ls[3:]],
    "a blank line": lambda ls: [*ls[:3], b"\n", *ls[3:]],
    "NULs and a newline at the end, as after a power cut": lambda ls: [*ls, b"\0" * 512 + b"\n"],
    "NULs at the end": lambda ls: [*ls, b"\0" * 512],
    "NULs in the middle": lambda ls: [*ls[:3], b"\0" * 512, b"\n", *ls[3:]],
    "a line of another journal's format": lambda ls: [*ls[:3], b'{"op_code": 4}\n', *ls[3:]],
    "a newline within a line": lambda ls: [*ls[:5], ls[5][:40] + b"\n" + ls[5][40:]],
    "a flipped byte in an outcome": lambda ls: [*ls[:5], flipped(ls[5], 300)],
    "a flipped byte in a checksum": lambda ls: [*ls[:5], flipped(ls[5], 3)],
    "a lost newline": lambda ls: [*ls[:4], ls[4] + ls[5][1:]],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_costs_the_damaged_lines_only(path, damage):
    whole = lines(path)
    path.write_bytes(b"".join(DAMAGE[damage](whole)))
    with opened(path) as storage:
        assert "moved to adamw.journal.damaged" in storage.damage
        assert str(path) in storage.damage
        assert storage.finished(TUNING)[0] == outcome(0)
        assert storage.planned(TUNING) == {number: flat(number) for number in range(4)}
        storage.finish(TUNING, outcome(3), 0.7)
    kept = path.with_name("adamw.journal.damaged").read_bytes()
    assert all(line.rstrip(b"\n") in b"".join(whole) + kept for line in lines(path)[:-1])
    with opened(path) as storage:
        assert storage.damage is None, "it is reported once"
        assert storage.finished(TUNING)[3] == outcome(3)


@pytest.mark.parametrize("lost", range(6))
def test_a_lost_line_costs_its_own_trial_only(path, lost):
    whole = lines(path)
    path.write_bytes(b"".join(whole[:lost] + whole[lost + 1 :]))
    with opened(path) as storage:
        expected = {0: outcome(0), 2: outcome(2)}
        if lost >= 4:
            del expected[2 * (lost - 4)]
        assert storage.finished(TUNING) == expected
        # A finished trial says itself what was planned.
        lost_plan = {lost} & {1, 3}
        assert set(storage.planned(TUNING)) == {0, 1, 2, 3} - lost_plan


def test_every_single_flipped_bit_is_found(path):
    whole = path.read_bytes()
    entries = Journal(path).entries
    for place in range(0, len(whole), 97):
        path.write_bytes(flipped(whole, place))
        found = Journal(path)
        assert found.damaged >= 1
        assert all(entry in entries for entry in found.entries)
        assert len(entries) - len(found.entries) in (1, 2)
        path.with_name("adamw.journal.damaged").unlink()


def test_a_trial_that_is_planned_with_other_values_runs_again(path):
    with opened(path) as storage:
        storage.plan(TUNING, 2, flat(9))
        assert set(storage.finished(TUNING)) == {0}
    with opened(path) as storage:
        assert storage.planned(TUNING)[2] == flat(9)
        assert set(storage.finished(TUNING)) == {0}


def test_optuna_reads_the_copy(path):
    def trials() -> list[tuple[str, float | None]]:
        backend = optuna.storages.journal.JournalFileBackend(str(path.with_suffix(".optuna")))
        storage = optuna.storages.JournalStorage(backend)
        study = optuna.load_study(study_name="tuning 0", storage=storage)
        assert [t.params for t in study.trials] == [flat(number) for number in range(4)]
        return [(trial.state.name, trial.value) for trial in study.trials]

    expected = [("COMPLETE", 0.5), ("RUNNING", None), ("COMPLETE", 0.7), ("RUNNING", None)]
    assert trials() == expected
    with opened(path):
        assert trials() == expected
    path.with_suffix(".optuna").write_bytes(b"garbage\n")
    with opened(path) as storage:
        assert trials() == expected
        storage.finish(TUNING, outcome(1), 0.6)
        assert trials()[1] == ("COMPLETE", 0.6)


def test_trials_do_not_depend_on_the_copy(path, monkeypatch):
    class Broken(storage_module.DashboardCopy):
        def finish(self, *arguments):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage_module, "DashboardCopy", Broken)
    with opened(path) as storage:
        storage.finish(TUNING, outcome(1), 0.6)
        storage.finish(TUNING, outcome(3), 0.6)
    with opened(path) as storage:
        assert set(storage.finished(TUNING)) == {0, 1, 2, 3}


def test_a_lock_of_optuna_left_by_a_kill_does_not_delay(path):
    lock = path.with_name("adamw.optuna.lock")
    lock.symlink_to(path)
    with opened(path) as storage:
        storage.finish(TUNING, outcome(1), 0.7)
    assert not lock.is_symlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_a_full_disk(path, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, os.strerror(number))

    before = path.read_bytes()
    with opened(path) as storage:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SuiteError, match=r"no space left in .*digits.*nothing is lost") as e:
            storage.finish(TUNING, outcome(1), 0.7)
        assert str(path.parent) in str(e.value)
        monkeypatch.undo()
        assert path.read_bytes() == before, "half a line would spoil the next one"
        storage.finish(TUNING, outcome(1), 0.7)
    with opened(path) as storage:
        assert set(storage.finished(TUNING)) == {0, 1, 2}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
def test_a_device_that_is_full(tmp_path):
    path = tmp_path / "x.journal"
    path.symlink_to("/dev/full")
    with pytest.raises(SuiteError, match="no space left in"):
        Journal(tmp_path / "y.journal")._write([b"x"], path)


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be made .* with SUITE_HOME"):
        opened(tmp_path / "file" / "digits" / "x.journal").__enter__()


def test_a_study_belongs_to_one_process_at_a_time(path):
    with opened(path), pytest.raises(UsageError, match="another process"), opened(path):
        pass


def test_set_aside_deletes_nothing(path):
    content = path.read_bytes()
    kept = set_aside(path)
    assert kept is not None
    assert kept.read_bytes() == content
    assert not path.exists()
    assert set_aside(path) is None


def test_a_journal_that_is_being_written_is_not_set_aside(path):
    with opened(path), pytest.raises(UsageError, match="another process"):
        set_aside(path)
    assert path.exists()


def test_damage_is_set_aside_before_the_journal_is_written_again(path, monkeypatch):
    """A kill between the two loses nothing."""
    path.write_bytes(path.read_bytes() + b"garbage\n")
    kept = path.with_name("kept")
    shutil.copy(path, kept)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "_rewrite", killed)
    with pytest.raises(KeyboardInterrupt):
        opened(path).__enter__()
    assert path.read_bytes() == kept.read_bytes()
    monkeypatch.undo()
    with opened(path) as storage:
        assert set(storage.finished(TUNING)) == {0, 2}
