"""Settings of a task as plain values, so that every process hashes them alike."""

from __future__ import annotations

import dataclasses
from typing import Any


class NotPlain(Exception):
    """A value that has no plain form; the text says which, and what to write instead."""


def plain(value: object, where: str) -> Any:
    """A value in a form that JSON can hold; otherwise raises NotPlain, naming `where`.

    Plain are None, bool, int, float, str, and tuples, lists, dicts with texts as keys, and frozen
    dataclasses of these. A function, a tensor or any other object is refused: its text contains an
    address, which differs between processes, or leaves numbers out.
    """
    # By type and not by isinstance: a subclass, such as numpy's float64, has another text.
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        return _plain_dict(value, where)
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _frozen(value):
        names = [field.name for field in dataclasses.fields(value)]
        fields = {name: plain(getattr(value, name), f"{where}.{name}") for name in names}
        return {"class": type(value).__qualname__, **fields}
    raise NotPlain(f"{where} is {_described(value)}. {_cure(value)}")


def _plain_dict(value: dict[Any, Any], where: str) -> dict[str, Any]:
    for key in value:
        if type(key) is not str:
            raise NotPlain(f"{where} has the key {key!r}. Use texts as keys, or a tuple of pairs.")
    return {key: plain(item, f"{where}[{key!r}]") for key, item in sorted(value.items())}


def _frozen(dataclass: Any) -> bool:
    return bool(dataclass.__dataclass_params__.frozen)


def _described(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    if callable(value) and name:
        return f"the function or class {name}"
    return f"of the type {type(value).__module__}.{type(value).__qualname__}"


def _cure(value: object) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return "Declare the dataclass with frozen=True."
    if callable(value) and hasattr(value, "__qualname__"):
        return "Store its name as a text and look it up, or make it a method of the problem."
    return (
        "Store plain values (None, bool, int, float, str, and tuples, lists, dicts and frozen "
        "dataclasses of these) from which the problem computes it when it is needed."
    )
