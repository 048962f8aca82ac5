"""Damaged result files: each is refused in one line."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from suite.errors import InvalidResult
from suite.results import files as results
from tests.samples import make_result

KINDS = ("flipped bit", "lost bytes", "doubled bytes", "cut off", "zeros", "other digit", "nesting")


def measure(count: int) -> dict[str, object]:
    """Damage a result `count` times, and read each file."""
    chance = random.Random(0)
    whole = results.text_of(make_result(method="lion")).encode()
    found = {"tried": count, "refused in one line": 0, "the same content": 0, "other": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lion.quick.json"
        for number in range(count):
            path.write_bytes(damaged(whole, KINDS[number % len(KINDS)], chance))
            try:
                same = results.text_of(results.read(path)).encode() == whole
                found["the same content" if same else "other"] += 1
            except InvalidResult as error:
                found["refused in one line" if len(str(error).splitlines()) == 1 else "other"] += 1
            except Exception:
                found["other"] += 1
    return {**found, "good": found["other"] == 0}


def damaged(text: bytes, kind: str, chance: random.Random) -> bytes:
    """A file's bytes with one damage."""
    at, size = chance.randrange(len(text)), chance.randrange(1, 200)
    match kind:
        case "flipped bit":
            return text[:at] + bytes([text[at] ^ (1 << chance.randrange(8))]) + text[at + 1 :]
        case "lost bytes":
            return text[:at] + text[at + size :]
        case "doubled bytes":
            return text[: at + size] + text[at:]
        case "cut off":
            return text[:at]
        case "zeros":
            return text[:at] + bytes(size) + text[at + size :]
        case "other digit":
            digits = [i for i, byte in enumerate(text) if chr(byte).isdigit()]
            at = chance.choice(digits)
            other = chance.choice([d for d in b"0123456789" if d != text[at]])
            return text[:at] + bytes([other]) + text[at + 1 :]
        case _:
            return text[:at] + b"[" * (size * 1_000) + text[at:]
