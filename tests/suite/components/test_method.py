"""Methods: from names, files and products to components, and from there to a trial's parts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from suite import TaskInfo
from suite.components import registry
from suite.components.method import build, looks_like_file, make_method, parse_method, products
from suite.errors import SuiteError, UsageError

FILE = """
import torch
from suite import optimizer, search

optimizer(
    "{name}",
    torch.optim.SGD,
    paper="Nobody 2020, Nothing",
    url="https://example.org",
    search={{"lr": search.log_uniform(1e-3, 1.0, default=0.5)}},
)
"""


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("adamw", ["optimizer"]),
        ("adamw+sam", ["optimizer", "regularizer"]),
        ("adamw@sgdr", ["optimizer", "schedule"]),
        ("adamw+redo+sam@cosine", ["optimizer", "regularizer", "regularizer", "schedule"]),
    ],
)
def test_names_there_and_back(name, kinds):
    method = parse_method(name)
    assert method.name == name
    assert [component.kind for component in method.components] == kinds


def test_the_order_of_the_regularizers_is_kept():
    assert make_method("adamw", ["sam", "grokfast_ema"]).name == "adamw+sam+grokfast_ema"
    assert make_method("adamw", ["grokfast_ema", "sam"]).name == "adamw+grokfast_ema+sam"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adamww", r"unknown optimizer 'adamww'\. Did you mean [^?]*'adamw'"),
        ("adamw+grokfast", r"unknown regularizer 'grokfast'\. Did you mean [^?]*'grokfast_ema'"),
        ("adamw@sdgr", r"unknown schedule 'sdgr'\. Did you mean 'sgdr'"),
        ("adamw+cosine", "unknown regularizer 'cosine'"),
        ("sam", "unknown optimizer 'sam'"),
        ("", "unknown optimizer ''"),
        ("adamw+", "unknown regularizer ''"),
        ("adamw+sam+sam", "each component once: adamw.sam.sam"),
        ("adamw@cosine@cosine", "each component once: adamw@cosine@cosine"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(name, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_method(name)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "../adamw",
        "/etc/passwd",
        "baselines/adamw",
        "./adamw",
        "adamw/",
        "~/adamw",
        "missing.py",
    ],
)
def test_paths_are_files_and_these_do_not_exist_or_register_nothing(name):
    assert looks_like_file(name)
    with pytest.raises(SuiteError):
        make_method(name)


@pytest.mark.parametrize("name", ["..", "adamw\n", "ADAMW", "adamw ", "a" * 1000, "\u0430damw"])
def test_tricks_in_names_are_unknown_names(name):
    with pytest.raises(UsageError, match="unknown optimizer"):
        make_method(name)


def test_a_file_that_registers_an_optimizer(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="from_a_file"))
    method = make_method(str(path), ["sam"], ["cosine"])
    assert method.name == "from_a_file+sam@cosine"
    assert method.defaults["from_a_file"] == {"lr": 0.5}
    assert method.components[0].path == path


def test_a_file_that_registers_something_else(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="not_a_schedule"))
    with pytest.raises(UsageError, match="must register one schedule; it registers none"):
        make_method("adamw", schedules=[str(path)])


def test_a_file_with_two_optimizers(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="one_of_two") + FILE.format(name="two_of_two"))
    with pytest.raises(UsageError, match=r"must register one optimizer; .*one_of_two, two_of_two"):
        make_method(str(path))


def test_a_file_cannot_name_itself_out_of_the_results(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="../../escaped"))
    with pytest.raises(SuiteError, match="is not a name"):
        make_method(str(path))


def test_hyperparameters_flat_and_nested():
    method = parse_method("adamw+grokfast_ema@cosine")
    flat = method.flat(method.defaults)
    assert flat["grokfast_ema.alpha"] == 0.98
    assert set(flat) == set(method.distributions())
    assert method.nested(flat) == method.defaults


def test_a_component_without_hyperparameters_keeps_its_place():
    method = parse_method("adamw+weight_norm@constant")
    nested = method.nested(method.flat(method.defaults))
    assert nested["weight_norm"] == nested["constant"] == {}


def test_products_are_all_combinations():
    found = [m.name for m in products(["adamw"], ["sam", "sam,redo"], ["cosine", "sgdr"])]
    assert found == [
        "adamw+sam@cosine",
        "adamw+sam@sgdr",
        "adamw+sam+redo@cosine",
        "adamw+sam+redo@sgdr",
    ]
    assert [m.name for m in products(["adamw"], [], [])] == ["adamw"]


def test_build_attaches_regularizers_before_the_optimizer():
    method = parse_method("adamw+weight_norm@linear_decay")
    model = nn.Sequential(nn.Linear(2, 2))
    info = TaskInfo(8, 100, 2, torch.Generator())
    components = [(c.kind, c.name) for c in method.components]
    parts = build(components, method.defaults, model, info)
    held = [p for group in parts.optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.parameters()}
    assert len(held) == 3, "length, direction and bias"
    assert all(p.role for p in held)
    parts.schedules.apply(0.52)
    # A step is 0.01 of the budget: the rate is that of its middle, 0.525.
    assert parts.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.5)


# -- several parts under one name -----------------------------------------------------------------

PARTS = """
import torch
from suite import Regularizer, method, search


class Decays(Regularizer):
    def __init__(self, strength, lr):
        self.strength, self.lr = strength, lr


def sgd(params, lr, momentum, info, model, named_parameters):
    assert info.steps == 100 and [name for name, _ in named_parameters] == ["0.weight", "0.bias"]
    assert params[0] is model[0].weight
    return torch.optim.SGD(params, lr=lr, momentum=momentum)


def falls(progress, power):
    return {{"lr": 1 - progress**power}}


method(
    "whole",
    sgd,
    regularizers=[Decays],
    schedules=[falls],
    paper="Nobody 2020, Nothing",
    url="https://example.org",
    search={{{search}}},
)
"""
WHOLE = """
    "lr": search.log_uniform(1e-3, 1.0, default=0.5),
    "momentum": search.choice(0.0, 0.9, default=0.9),
    "strength": search.uniform(0.0, 1.0, default=0.25),
    "power": search.integer(1, 3, default=2),
"""


def test_a_method_of_several_parts_has_one_name(tmp_path):
    path = tmp_path / "whole.py"
    path.write_text(PARTS.format(search=WHOLE))
    with registry.separate():
        found = make_method(str(path), [], ["cosine"])
        assert found.name == "whole@cosine"
        assert set(found.distributions()) == {
            "whole.lr", "whole.momentum", "whole.strength", "whole.power",
            "cosine.warmup", "cosine.final",
        }  # fmt: skip
        info = TaskInfo(8, 100, 2, torch.Generator())
        model = nn.Sequential(nn.Linear(2, 2))
        components = [(c.kind, c.name) for c in found.components]
        parts = build(components, found.defaults, model, info)
    (decays,) = parts.regularizers
    assert (decays.strength, decays.lr) == (0.25, 0.5)
    assert parts.names == ["Decays"]
    parts.schedules.apply(0.5)
    # In the middle of the step, at 0.505: 1 - p^2 times half a cosine wave.
    expected = 0.5 * (1 - 0.505**2) * (1 + math.cos(math.pi * 0.505)) / 2
    assert parts.optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_a_hyperparameter_that_no_part_takes_is_refused(tmp_path):
    path = tmp_path / "whole.py"
    path.write_text(PARTS.format(search='"other": search.integer(1, 3, default=2),'))
    with registry.separate(), pytest.raises(UsageError, match="no part has an argument for"):
        make_method(str(path))


def test_several_schedules_are_part_of_the_name():
    method = parse_method("sgd+sam@cosine@one_cycle")
    assert method.name == "sgd+sam@cosine@one_cycle"
    names = [m.name for m in products(["sgd"], [], ["cosine,one_cycle", "none"])]
    assert names == ["sgd@cosine@one_cycle", "sgd"]
