"""Settings of a task: what is plain, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from suite.problems.settings import NotPlain, plain


@dataclasses.dataclass(frozen=True)
class Shape:
    width: int
    parts: tuple[float, ...] = (0.5, 2.0)


@dataclasses.dataclass
class Loose:
    width: int


def test_plain_values_are_what_json_holds() -> None:
    settings = {"b": (1, 2.5, None), "a": [True, "text"], "shape": Shape(3)}
    found = plain(settings, "x")
    assert found == {
        "a": [True, "text"],
        "b": [1, 2.5, None],
        "shape": {"class": "Shape", "width": 3, "parts": [0.5, 2.0]},
    }
    assert json.loads(json.dumps(found)) == found
    assert list(found) == ["a", "b", "shape"]


def test_classes_of_the_same_fields_are_told_apart() -> None:
    other = dataclasses.make_dataclass("Other", [("width", int)], frozen=True)
    same = dataclasses.make_dataclass("Same", [("width", int)], frozen=True)
    assert plain(other(3), "x") != plain(same(3), "x")


def test_numbers_of_other_types_are_told_apart() -> None:
    assert json.dumps(plain([1, 1.0, True], "x")) == "[1, 1.0, true]"
    assert json.dumps(plain(math.inf, "x")) == "Infinity"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda x: x, r"x is the function or class .*<lambda>\. Store its name as a text"),
        (nn.ReLU, r"x is the function or class ReLU\. Store its name as a text"),
        (torch.zeros(2), r"x is of the type torch\.Tensor\. Store plain values"),
        (nn.ReLU(), r"x is of the type torch\.nn.*ReLU\. Store plain values"),
        (np.float64(0.5), r"x is of the type numpy\.float64\. Store plain values"),
        ({1, 2}, r"x is of the type builtins\.set\. Store plain values"),
        (object(), r"x is of the type builtins\.object\. Store plain values"),
        (Loose(1), r"x is of the type .*Loose\. Declare the dataclass with frozen=True"),
        ({1: "a"}, r"x has the key 1\. Use texts as keys"),
        ([0, (Shape(1), print)], r"x\[1\]\[1\] is the function or class print"),
        (Shape(print), r"x\.width is the function or class print"),
        ({"deep": torch.zeros(1)}, r"x\['deep'\] is of the type torch\.Tensor"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(value: object, reason: str) -> None:
    with pytest.raises(NotPlain, match=reason):
        plain(value, "x")
