"""Steps along a stream: as `walk.take`, with the method told that a task changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from suite.components import registry
from tests.golden.golden import SGD, Golden, measured
from tests.golden.walk import Setting, arrays, deviation, fixed, make_steps, mean_output

#: the steps before which the task changes
CHANGES = (8, 17)


def streamed(
    reference: str,
    name: str,
    trajectory: Callable[[Setting], Sequence[Any]],
    hyper: dict[str, Any],
    *,
    evaluated: bool = False,
    changes: Collection[int] = CHANGES,
) -> Golden:
    """A regularizer on a stream of three tasks against weights after each step."""

    def measure() -> float:
        h = {**registry.get("regularizer", name).defaults, **hyper}
        setting = fixed(h, SGD)
        names = [("optimizer", "sgd"), ("regularizer", name)]
        values = {"sgd": {**registry.get("optimizer", "sgd").defaults, **SGD[1]}, name: h}
        steps, model, _ = make_steps(setting, names, values, mean_output, tasks=3)
        found = []
        steps.start()
        for t in range(setting.steps):
            if t in changes:
                steps.change_task(1 + list(changes).index(t))
            steps.take((t + 0.5) / setting.steps)
            steps.take_average()
            taken = model.named_parameters() if not evaluated else steps.average.items()
            held = dict(taken)
            found.append(arrays(held[n] for n, _ in model.named_parameters()))
        return deviation(found, trajectory(setting), setting.weights)

    return measured(reference, measure)
