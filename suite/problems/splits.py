"""Splits of one finite set: the task fixes the test rows; the run's seed draws all others.

Tuning trials and evaluation runs have different seeds. If each drew all of its splits, a tuning
trial would train on rows, and be chosen by rows, that an evaluation run tests on. Therefore the
test rows come from a constant of the task, its `key`, and training and validation rows from the
other rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from suite.data.split import Split


def constant_generator(key: str) -> torch.Generator:
    """A generator that is the same in every run: it follows from a text, such as a fingerprint."""
    digest = hashlib.sha256(f"test rows of {key}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def split_rows(
    count: int,
    key: str,
    generator: torch.Generator,
    *,
    train: int,
    validation: int,
    test: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of the training, validation and test rows of a set of `count` rows.

    Test rows follow from `key` alone, the others from `generator`. `test=None`: all rows that
    training and validation leave.
    """
    tested = count - train - validation if test is None else test
    if min(train, validation, tested) < 0 or train + validation + tested > count:
        raise ValueError(
            f"{count} rows cannot be split into {train} training, {validation} validation and "
            f"{tested} test rows"
        )
    fixed = torch.randperm(count, generator=constant_generator(key))
    rest = fixed[tested:]
    rest = rest[torch.randperm(len(rest), generator=generator)]
    return rest[:train], rest[train : train + validation], fixed[:tested]


def split_once(
    examples: Split,
    key: str,
    generator: torch.Generator,
    *,
    train: int,
    validation: int,
    test: int | None = None,
) -> tuple[Split, Split, Split]:
    """Training, validation and test examples of one finite set, see `split_rows`."""
    parts = split_rows(len(examples), key, generator, train=train, validation=validation, test=test)
    first, second, third = (Split(examples.inputs[i], examples.targets[i]) for i in parts)
    return first, second, third


def draw_apart(draw: Callable[[int], Split], count: int, *others: Split) -> Split:
    """`draw(count)`, where examples whose inputs are among those of `others` are drawn again.

    For generated data from so small a space that training rows could equal test rows.
    """
    taken = {row for split in others for row in _rows(split.inputs)}
    drawn = draw(count)
    while True:
        again = torch.tensor([row in taken for row in _rows(drawn.inputs)])
        if not again.any():
            return drawn
        fresh = draw(int(again.sum()))
        drawn.inputs[again], drawn.targets[again] = fresh.inputs, fresh.targets


def _rows(inputs: Tensor) -> list[bytes]:
    return [row.tobytes() for row in inputs.flatten(1).numpy()]
