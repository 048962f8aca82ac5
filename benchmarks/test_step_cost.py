"""The time of a step: ours against torch's AdamW, and against libraries' form of the same rule."""

from __future__ import annotations

import gc
from statistics import median

import pytest
import torch

from benchmarks.library_optimizers import LIBRARIES
from benchmarks.step_cost import NeedsNetwork, ours, ratios, seconds, theirs
from suite.components import registry
from suite.errors import NotApplicable

#: a library may be faster by this much, and measurements differ by this much
SLOWER, ROUNDS = 1.1, 15


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", ["1M", "10M"])
@pytest.mark.parametrize("name", registry.names("optimizer"))
def test_a_step_over_that_of_torch_adamw(benchmark, name, size):
    try:
        ratio = ratios(ours(name, size), size)
    except (NeedsNetwork, NotApplicable) as error:
        pytest.skip(f"a step of {name} needs a network: {error}")
    benchmark.extra_info["ratio_to_torch_adamw"] = ratio
    benchmark.pedantic(ours(name, size), rounds=1, warmup_rounds=1)
    print(f"\n{name}, {size}: {ratio:.2f} x torch AdamW")


PAIRS = [(name, library) for name, some in LIBRARIES.items() for library in some]


@pytest.mark.parametrize("size", ["1M", "10M"])
@pytest.mark.parametrize(("name", "library"), PAIRS)
def test_no_library_is_faster_by_more_than_a_tenth(name, library, size):
    mine, other = ours(name, size), theirs(LIBRARIES[name][library], name, size)
    for _ in range(12):  # some methods compute more in their first ten steps
        mine()
        other()
    count = max(1, min(20, int(0.1 / max(seconds(mine, 1), 1e-4))))
    gc.disable()
    try:
        found = median(seconds(mine, count) / seconds(other, count) for _ in range(ROUNDS))
    finally:
        gc.enable()
    print(f"\n{name}, {size}: {found:.2f} x {library}")
    assert found <= SLOWER
