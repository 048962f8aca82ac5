"""Messages between the processes of an executor: plain records in frames, read by a schema.

A frame is four fixed bytes, the length of what follows, and one message as JSON. Every message
names its trial and attempt. Nothing that arrives can run code here, and anything that is not a
valid message is rejected.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from suite import errors
from suite.results.model import AuditRecord
from suite.training.trial import Key, Outcome, Trial

_MARK = b"suit"
_HEADER = struct.Struct(">4sI")
#: the longest message; an outcome of a full task takes some hundred kilobytes
_LONGEST = 64 << 20
_CHUNK = 1 << 16


class WrongMessage(Exception):
    """What arrived is not a message of this suite."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    key: Key
    attempt: int


class Request(_Message):
    """Run a trial, or audit it."""

    kind: Literal["request"] = "request"
    trial: Trial
    #: how the log names the trial
    title: str
    #: seconds after which the trial counts as hanging
    time_limit: float
    #: measure the costs of the trial's method instead of running it
    audit_only: bool = False
    audit: AuditRecord | None = None
    #: the GPU that the trial sees, as CUDA_VISIBLE_DEVICES names it; None for those that are there
    gpu: str | None = None
    #: modules to import before the trial's process starts
    modules: tuple[str, ...] = ()


class Began(_Message):
    """The trial's process has received its trial."""

    kind: Literal["began"] = "began"
    process: int


class Reported(_Message):
    """The trial made an evaluation."""

    kind: Literal["reported"] = "reported"
    progress: float
    metric: float


class Finished(_Message):
    """The trial ended with a record."""

    kind: Literal["finished"] = "finished"
    outcome: Outcome
    #: of the slow imports, those that the trial's process holds
    modules: tuple[str, ...] = ()
    #: why there is no audit, if one was requested and failed
    not_audited: str | None = None


class Audited(_Message):
    """The audit ended with a record."""

    kind: Literal["audited"] = "audited"
    record: AuditRecord


class Refused(_Message):
    """An error that the user can fix, raised before the method's code runs: ends the command."""

    kind: Literal["refused"] = "refused"
    name: str
    text: str

    def error(self) -> errors.SuiteError:
        """The error, made again from its class's name and its text."""
        found = getattr(errors, self.name, None)
        if isinstance(found, type) and issubclass(found, errors.SuiteError):
            return found(self.text)
        return errors.SuiteError(self.text)


class Broke(_Message):
    """The trial ended without a record, for a reason that another attempt would not change."""

    kind: Literal["broke"] = "broke"
    reason: str
    traceback: str | None = None


class Lost(_Message):
    """The trial's process ended and sent nothing."""

    kind: Literal["lost"] = "lost"
    timed_out: bool
    #: how the process ended, in words
    cause: str
    #: since the trial began
    seconds: float


Message = Request | Began | Reported | Finished | Audited | Refused | Broke | Lost
_READER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def send(file: int, message: Message) -> None:
    """Write one message to a file descriptor."""
    body = message.model_dump_json().encode()
    if len(body) > _LONGEST:
        raise WrongMessage(f"a message of {len(body)} bytes; at most {_LONGEST} are read")
    left = memoryview(_HEADER.pack(_MARK, len(body)) + body)
    while left:
        left = left[os.write(file, left) :]


def read(text: str | bytes) -> Message:
    """A message from its JSON; raises WrongMessage."""
    try:
        return _READER.validate_json(text)
    except ValidationError as error:
        raise WrongMessage(f"a message that the schema refuses: {error}") from None


class Inbox:
    """The messages that arrive through a file descriptor."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._unread = bytearray()

    def receive(self) -> Iterable[Message]:
        """Wait for the next bytes, and return the messages that they complete, one at a time.

        Raises EOFError at the end, and WrongMessage for anything else, after the valid messages
        before it.
        """
        part = os.read(self.file, _CHUNK)
        if not part:
            raise EOFError
        self._unread += part
        return self._whole()

    def _whole(self) -> Iterable[Message]:
        while len(self._unread) >= _HEADER.size:
            mark, length = _HEADER.unpack_from(self._unread)
            if mark != _MARK or length > _LONGEST:
                raise WrongMessage("bytes that are not a message")
            end = _HEADER.size + length
            if len(self._unread) < end:
                return
            body = bytes(self._unread[_HEADER.size : end])
            del self._unread[:end]
            yield read(body)
