"""Optimizers of a library that have one learning rate, whatever their groups say."""

from __future__ import annotations

from typing import Any


class OneRate:
    """Refuses parameter groups of several rates; to be inherited before the library's class.

    The library reads the rate of the first group for all groups.
    """

    param_groups: list[dict[str, Any]]

    def step(self, closure: Any = None) -> Any:
        if len({float(group["lr"]) for group in self.param_groups}) > 1:
            raise ValueError(
                f"{type(self).__name__} has one learning rate: parameter groups cannot have several"
            )
        return super().step(closure)
