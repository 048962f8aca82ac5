"""ReDo recycles exactly the dormant units, on networks where these are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from baselines.regularizers.families.units import set_entries
from suite import Combined, NotApplicable, TaskInfo
from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial

ReDo = registry.get("regularizer", "redo").build
DEAD = [1, 4]
ALIVE = [0, 2, 3]


def info() -> TaskInfo:
    return TaskInfo(8, 100, 3, torch.Generator().manual_seed(0))


def mlp(activation: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), activation or nn.ReLU(), nn.Linear(5, 3))


def kill(layer: nn.Module, units: list[int]) -> None:
    """Make units of a layer output zero for any input, after a ReLU."""
    with torch.no_grad():
        layer.weight[units] = 0.0
        layer.bias[units] = -1.0


def train(model, regularizer, optimizer, inputs, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            regularizer.after_step(model, optimizer)


def still(model: nn.Module) -> torch.optim.Optimizer:
    """An optimizer that moves nothing: what changes, ReDo changed."""
    return torch.optim.SGD(model.parameters(), lr=0.0)


def recycle(model: nn.Module, inputs: torch.Tensor, optimizer=None, tau: float = 0.0) -> None:
    regularizer = ReDo(tau=tau, period=2)
    regularizer.attach(model, info())
    kill(model[0], DEAD)
    train(model, regularizer, optimizer or still(model), inputs, steps=2)


def test_exactly_the_dead_units_start_anew():
    model, untouched = mlp(), mlp()
    initial = untouched[0].weight.flatten().tolist()
    recycle(model, torch.randn(32, 4))
    for name in ("weight", "bias"):
        now, before = getattr(model[0], name), getattr(untouched[0], name)
        assert torch.equal(now[ALIVE], before[ALIVE])
        assert set(now[DEAD].flatten().tolist()) <= set(before.flatten().tolist())
    assert set(model[0].weight[DEAD].flatten().tolist()) <= set(initial)
    assert len(model[0].weight[DEAD].unique()) > 2
    assert torch.equal(model[2].weight[:, ALIVE], untouched[2].weight[:, ALIVE])
    assert torch.equal(model[2].weight[:, DEAD], torch.zeros(3, len(DEAD)))
    assert torch.equal(model[2].bias, untouched[2].bias)


def test_the_function_stays_when_truly_dead_units_are_recycled():
    model, inputs = mlp(), torch.randn(32, 4)
    expected = mlp()
    kill(expected[0], DEAD)
    recycle(model, inputs)
    torch.testing.assert_close(model(inputs), expected(inputs))
    assert (model[1](model[0](inputs)).sum(0) > 0).all(), "the recycled units must be alive"


def test_nothing_happens_between_checks_or_to_living_units():
    model, inputs = mlp(), torch.randn(32, 4)
    regularizer = ReDo(tau=0.0, period=5)
    regularizer.attach(model, info())
    kill(model[0], DEAD)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, regularizer, still(model), inputs, steps=4)
    assert all(torch.equal(before[n], tensor) for n, tensor in model.state_dict().items())
    train(model, regularizer, still(model), inputs, steps=1)
    assert not torch.equal(before["0.weight"], model[0].weight)
    alive = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, regularizer, still(model), inputs, steps=5)
    assert all(torch.equal(alive[n], tensor) for n, tensor in model.state_dict().items())


def test_no_hook_costs_anything_between_checks():
    model, inputs = mlp(), torch.randn(8, 4)
    regularizer = ReDo(tau=0.0, period=5)
    regularizer.attach(model, info())
    watched = []
    for _ in range(10):
        watched.append(any(m._forward_hooks for m in model.modules()))
        train(model, regularizer, still(model), inputs, steps=1)
    # the second step looks whether ReDo applies at all, every fifth is a check
    assert [step for step, hooked in enumerate(watched, start=1) if hooked] == [2, 5, 10]


def test_threshold_is_relative_to_the_layer():
    # Activations 1, 10 and 19 have mean 10: scores 0.1, 1 and 1.9.
    for tau, recycled in ((0.09, []), (0.11, [0]), (1.5, [0, 1])):
        model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 1))
        regularizer = ReDo(tau=tau, period=2)
        regularizer.attach(model, info())
        with torch.no_grad():
            model[0].weight.copy_(torch.tensor([[1.0], [10.0], [19.0]]))
            model[2].weight.fill_(1.0)
        train(model, regularizer, still(model), torch.ones(4, 1), steps=2)
        zeroed = (model[2].weight[0] == 0).nonzero().flatten().tolist()
        assert zeroed == recycled


@pytest.mark.parametrize("combined", [False, True])
def test_moments_are_reset_for_exactly_these_entries(combined):
    model, inputs = mlp(), torch.randn(32, 4)
    adam = torch.optim.Adam(model.parameters(), lr=0.0)
    recycle(model, inputs, Combined(adam) if combined else adam)
    for moment in ("exp_avg", "exp_avg_sq"):
        incoming, outgoing = adam.state[model[0].weight], adam.state[model[2].weight]
        assert (incoming[moment][DEAD] == 0).all()
        assert (incoming[moment][ALIVE] != 0).all()
        assert (adam.state[model[0].bias][moment][ALIVE] != 0).all()
        assert (outgoing[moment][:, DEAD] == 0).all()
        assert (outgoing[moment][:, ALIVE] != 0).all()
    assert adam.state[model[0].weight]["step"] == 2


def test_moments_of_an_active_unit_that_is_recycled():
    model, inputs = mlp(), torch.rand(32, 4) + 0.5
    adam = torch.optim.Adam(model.parameters(), lr=0.0)
    regularizer = ReDo(tau=0.2, period=2)
    regularizer.attach(model, info())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [1e-3], [1.0], [1.0], [1e-3]]).expand(5, 4))
        model[0].bias.zero_()
    train(model, regularizer, adam, inputs, steps=2)
    state = adam.state[model[2].weight]["exp_avg"]
    assert (state[:, DEAD] == 0).all()
    assert (state[:, ALIVE] != 0).all()


def test_momentum_kept_as_a_matrix_is_reset_for_a_filter():
    """Muon flattens a filter: its momentum has another shape than the weights."""
    weight = nn.Parameter(torch.randn(4, 1, 3, 3))
    optimizer = still(nn.ParameterList([weight]))
    momentum = torch.ones(4, 9)
    optimizer.state[weight]["momentum_buffer"] = momentum
    with torch.no_grad():
        set_entries(weight, torch.tensor([1, 3]), 0.0, optimizer)
    assert momentum.sum(1).tolist() == [9.0, 0.0, 9.0, 0.0]
    assert (weight[[1, 3]] == 0).all()


def test_schedule_free_weights_start_where_the_weights_do():
    model = mlp()
    optimizer = still(model)
    for layer in (model[0], model[2]):
        optimizer.state[layer.weight]["z"] = torch.full_like(layer.weight, 9.0)
    recycle(model, torch.randn(32, 4), optimizer)
    incoming, outgoing = (optimizer.state[model[i].weight]["z"] for i in (0, 2))
    assert torch.equal(incoming[DEAD], model[0].weight[DEAD])
    assert (incoming[ALIVE] == 9).all()
    assert (outgoing[:, DEAD] == 0).all()
    assert (outgoing[:, ALIVE] == 9).all()


@pytest.mark.parametrize("activation", [nn.ReLU(inplace=True), nn.GELU(), nn.LeakyReLU()])
def test_other_activations(activation):
    model, inputs = mlp(activation), torch.randn(32, 4)
    regularizer = ReDo(tau=0.0, period=2)
    regularizer.attach(model, info())
    with torch.no_grad():
        model[0].weight[DEAD] = 0.0
        model[0].bias[DEAD] = 0.0
    train(model, regularizer, still(model), inputs, steps=2)
    assert (model[2].weight[:, DEAD] == 0).all()
    assert (model[2].weight[:, ALIVE] != 0).all()


def test_maps_of_a_convolution_through_pooling_and_flattening():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(20, 3)
    )
    inputs = torch.randn(16, 1, 4, 4)
    recycle(model, inputs)
    maps = model[4].weight.view(3, 5, 4)
    assert (maps[:, DEAD] == 0).all()
    assert (maps[:, ALIVE] != 0).all()
    assert (model[0].weight[DEAD].abs().sum((1, 2, 3)) > 0).all()


def test_a_batch_norm_before_the_activation_starts_anew_as_well():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 5, 3, bias=False),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    regularizer = ReDo(tau=0.0, period=2)
    regularizer.attach(model, info())
    with torch.no_grad():
        model[1].weight.fill_(2.0)
        model[1].bias.fill_(0.5)
        model[1].weight[DEAD] = 0.0
        model[1].bias[DEAD] = -1.0
    inputs = torch.randn(16, 1, 4, 4)
    expected = model(inputs)
    train(model, regularizer, still(model), inputs, steps=2)
    torch.testing.assert_close(model(inputs), expected)
    assert model[1].weight.tolist() == [2.0, 1.0, 2.0, 2.0, 1.0]
    assert model[1].bias.tolist() == [0.5, 0.0, 0.5, 0.5, 0.0]
    assert (model[5].weight == 0).all(0).nonzero().flatten().tolist() == DEAD


class Twisted(nn.Module):
    """Defined in another order than executed; one ReLU for all; one layer read by two."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(5, 2), nn.Linear(5, 3)])
        self.relu = nn.ReLU()
        self.second = nn.Linear(6, 5)
        self.first = nn.Linear(4, 6)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.relu(self.second(self.relu(self.first(inputs))))
        return torch.cat([head(hidden) for head in self.heads], dim=1)


def test_order_of_execution_decides_not_of_definition():
    torch.manual_seed(0)
    model = Twisted()
    regularizer = ReDo(tau=0.0, period=2)
    regularizer.attach(model, info())
    kill(model.second, [2])
    kill(model.first, [3])
    train(model, regularizer, still(model), torch.randn(64, 4), steps=2)
    assert (model.second.weight == 0).all(0).nonzero().flatten().tolist() == [3]
    for head in model.heads:
        assert (head.weight == 0).all(0).nonzero().flatten().tolist() == [2]


def test_held_out_activations_are_not_looked_at():
    model, inputs = mlp(), torch.randn(32, 4)
    regularizer = ReDo(tau=0.0, period=2)
    regularizer.attach(model, info())
    kill(model[0], DEAD)
    with torch.no_grad():
        model[0].weight[1, 0] = 1.0  # alive for the inputs below, dead for the training batch
    inputs[:, 0] = -1.0
    train(model, regularizer, still(model), inputs, steps=1)
    optimizer = still(model)
    model(inputs).mean().backward()
    model.eval()
    model(torch.full((8, 4), 100.0))
    model.train()
    with torch.no_grad():
        regularizer.after_step(model, optimizer)
    assert (model[2].weight[:, DEAD] == 0).all()


@pytest.mark.parametrize(
    "model",
    [nn.Sequential(nn.Linear(4, 3)), nn.Sequential(nn.Embedding(4, 3), nn.ReLU())],
)
def test_needs_layers_and_activations(model):
    with pytest.raises(NotApplicable, match="activation"):
        ReDo(tau=0.1, period=10).attach(model, info())


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()),
        nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 4)),
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
    ],
)
def test_needs_an_activation_right_between_two_plain_layers(model):
    if not isinstance(model, nn.Sequential):
        model = nn.Sequential(model, nn.ReLU(), nn.Linear(4, 4))
    regularizer = ReDo(tau=0.1, period=1000)
    regularizer.attach(model, info())
    with pytest.raises(NotApplicable, match="in between"):
        train(model, regularizer, still(model), torch.randn(8, 4), steps=2)


def test_a_run_with_frequent_recycling_repeats_and_differs():
    def losses(*regularizers: str) -> list[float]:
        components = [("optimizer", "adamw"), *(("regularizer", name) for name in regularizers)]
        values = {name: registry.get(kind, name).defaults for kind, name in components}
        values |= {"redo": {"tau": 0.3, "period": 5}} if regularizers else {}
        trial = Trial("modular_addition", tuple(components), values, 0, 7, "evaluation", 0.02)
        run = run_trial(trial).run
        assert run.status == "completed", run.reason
        return run.curve.train_loss

    assert losses("redo") == losses("redo")
    assert losses("redo") != losses()
    # dropout's hook changes what an activation returns: ReDo must still follow the units
    assert losses("redo", "early_dropout") == losses("redo", "early_dropout")
