"""Messages between processes: read as they were sent, or refused."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator

import pytest

from suite.errors import DamagedData, MissingData, SuiteError, UsageError
from suite.execution.executor import Job, lost
from suite.execution.messages import (
    Broke,
    Finished,
    Inbox,
    Message,
    Refused,
    Reported,
    Request,
    WrongMessage,
    send,
)
from suite.studies.plan import find_task
from suite.training.trial import Outcome, Trial
from tests.commands import TINY

OF = {"key": ("a study", 0, "tuning", 0), "attempt": 1}


@pytest.fixture
def pipe() -> Iterator[tuple[Inbox, int]]:
    reading, writing = os.pipe()
    yield Inbox(reading), writing
    for file in (reading, writing):
        os.close(file)


def trial(**hyperparameters: object) -> Trial:
    return Trial(
        task="tiny_blobs",
        components=(("optimizer", "sgd"), ("regularizer", "sam")),
        hyperparameters={"sgd": hyperparameters, "sam": {}},
        number=3,
        seed=2**63 - 1,
        purpose="tuning",
        budget_fraction=0.05,
        files=("a.py", "b.py"),
        sources=(("task 'tiny_blobs'", "0123"),),
        audited={"sgd": {"lr": 0.1}, "sam": {}},
    )


def carried(pipe: tuple[Inbox, int], message: Message) -> Message:
    inbox, file = pipe
    send(file, message)
    (found,) = inbox.receive()
    return found


def test_a_trial_arrives_as_it_was_sent(pipe):
    chance = random.Random(0)
    floats = [chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300) for _ in range(300)]
    values = {f"x{i}": value for i, value in enumerate(floats)}
    sent = trial(**values, whole=8, as_float=8.0, flag=True, name="adam", tiny=5e-324)
    found = carried(pipe, Request(**OF, trial=sent, title="t", time_limit=1.5))
    assert isinstance(found, Request)
    assert found.trial == sent
    kept = found.trial.hyperparameters["sgd"]
    assert [type(kept[name]) for name in ("whole", "as_float", "flag")] == [int, float, bool]


def test_an_outcome_arrives_as_it_was_sent(pipe):
    job = Job("a study", trial(lr=0.1), find_task(TINY), 60.0)
    outcome = lost(job, "failed", "for a test", progress=0.3, seconds=1.25)
    found = carried(pipe, Finished(**OF, outcome=outcome))
    assert isinstance(found, Finished)
    assert found.outcome == outcome == Outcome(outcome.run, None)


@pytest.mark.parametrize("metric", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_can_be_reported(pipe, metric):
    found = carried(pipe, Reported(**OF, progress=0.5, metric=metric))
    assert isinstance(found, Reported)
    assert str(found.metric) == str(metric)


@pytest.mark.parametrize("kind", [SuiteError, UsageError, MissingData, DamagedData])
def test_errors_are_made_anew_from_their_class_and_text(kind):
    error = Refused(**OF, name=kind.__name__, text="what to do").error()
    assert type(error) is kind
    assert str(error) == "what to do"


@pytest.mark.parametrize("name", ["Exception", "difflib", "unknown_name", "Nothing", "__class__"])
def test_no_other_name_is_looked_up(name):
    assert type(Refused(**OF, name=name, text="text").error()) is SuiteError


def test_messages_in_pieces_are_put_together(pipe):
    inbox, file = pipe
    reading, writing = os.pipe()
    send(writing, Broke(**OF, reason="first"))
    send(writing, Broke(**OF, reason="second"))
    whole = os.read(reading, 1 << 16)
    found = []
    for start in range(0, len(whole), 7):
        os.write(file, whole[start : start + 7])
        found += inbox.receive()
    assert [message.reason for message in found] == ["first", "second"]
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    "stray",
    [
        b"hello from a method",
        b"suit\xff\xff\xff\xff",
        b"suit\x00\x00\x00\x02{}",
        b'suit\x00\x00\x00\x13{"kind": "unknown"}',
        b"suit\x00\x00\x00\x04\x80abc",
    ],
)
def test_what_is_no_message_is_refused_after_those_before_it(pipe, stray):
    inbox, file = pipe
    send(file, Broke(**OF, reason="first"))
    os.write(file, stray)
    messages = iter(inbox.receive())
    assert isinstance(next(messages), Broke)
    with pytest.raises(WrongMessage):
        next(messages)
