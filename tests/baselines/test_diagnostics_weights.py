"""Diagnostics of weights and updates, on weights that were set by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.errors import NotApplicable
from tests.probes import Run, close, perceptron, quadratic, weights_of

registry.load_all("diagnostic")


def test_distance_and_its_logarithm():
    run = quadratic([1.0, 1.0], [3.0, 4.0])
    close(run.see("weight_distance_log"), whole=0.0, relative=0.0, fit=None)
    for steps in (10, 20, 80):  # the distance is exactly log of the steps
        run.change(w=[3.0 + math.log(steps), 4.0])
        found = run.see("weight_distance_log", steps=steps)
        close(found, whole=math.log(steps), relative=math.log(steps) / 5)
    close(found, fit=1.0)
    run.change(w=[3.0, 4.0])
    assert run.see("weight_distance_log", steps=160)["fit"] < 0.5


def test_rotation_by_known_angles():
    run = perceptron()
    close(run.see("layer_rotation"), mean=0.0, smallest=0.0, largest=0.0)
    run.change(**{"0__weight": -2 * run.model[0].weight, "2__weight": 3 * run.model[2].weight})
    run.change(**{"2__bias": -run.model[2].bias})  # biases do not count
    close(run.see("layer_rotation"), mean=1.0, smallest=0.0, largest=2.0)
    turned = torch.zeros(3, 6)
    turned[0, :2] = torch.tensor(
        [-run.earlier[0].weights["2.weight"][0, 1], run.earlier[0].weights["2.weight"][0, 0]]
    )
    run.change(**{"2__weight": turned})
    close(run.see("layer_rotation"), smallest=1.0, largest=2.0)
    with pytest.raises(NotApplicable, match="no matrix"):
        quadratic([1.0], [1.0]).see("layer_rotation")


def test_norms_of_an_update_along_the_gradient():
    run = perceptron()
    close(run.see("update_norms"), update=None, to_weight=None, cosine=None)
    run.model.zero_grad()
    run._how["criterion"](run.model(run.batch[0]), run.batch[1]).backward()
    gradient = {name: p.grad.clone() for name, p in run.model.named_parameters()}
    run.model.zero_grad()
    weights = weights_of(run.model)
    before = {name: weights[name] + 0.1 * g for name, g in gradient.items()}
    whole = torch.cat([g.flatten() for g in gradient.values()]).norm()
    ratios = [0.1 * gradient[n].norm() / weights[n].norm() for n in ("0.weight", "2.weight")]
    close(
        run.see("update_norms", before=before),
        gradient=float(whole),
        update=float(0.1 * whole),
        to_weight=float(sum(ratios) / 2),
        cosine=1.0,
    )


def test_the_box_of_lion():
    run = quadratic([1.0] * 3, [-4.0, 1.0, 2.0])
    settings = {"weight_decay": 0.25}
    close(run.see("lion_linf_bound", lr=0.1, settings=settings), largest=4.0, in_box=1.0)
    close(run.see("lion_linf_bound"), largest=4.0, in_box=None)
    settings = {"weight_decay": 0.0}
    close(run.see("lion_linf_bound", lr=0.1, settings=settings), in_box=None)


def test_lion_with_weight_decay_ends_in_its_box():
    """Sign steps with decoupled decay, from outside: the constraint that the paper proves."""
    run = quadratic([1.0] * 2, [9.0, -5.0])
    weight = torch.tensor([9.0, -5.0])
    for _ in range(400):
        weight = weight - 0.05 * ((weight - torch.tensor([8.0, 0.5])).sign() + 0.5 * weight)
    run.change(w=weight)
    found = run.see("lion_linf_bound", lr=0.05, settings={"weight_decay": 0.5})
    assert found["in_box"] == pytest.approx(1.0, abs=0.05)  # the optimum at 8 is outside


def test_the_norm_that_a_penalty_is_of():
    run = quadratic([1.0] * 4, [-4.0, 1.0, 0.0005, 0.0])
    close(run.see("ngdm_l1_paradox"), norm=5.0005, near_zero=0.5)


def test_gini_of_embeddings():
    torch.manual_seed(0)
    symbols = 31
    model = nn.Sequential(nn.Embedding(symbols, 2), nn.Flatten(), nn.Linear(2, symbols))
    inputs = torch.arange(symbols)[:, None]
    run = Run(model, (inputs, torch.arange(symbols)), classes=symbols)
    angle = 2 * math.pi * 5 * torch.arange(symbols) / symbols
    run.change(**{"0__weight": torch.stack([angle.cos(), angle.sin()], 1)})
    impulse = torch.zeros(symbols, 2)
    impulse[0] = 1.0  # all frequencies alike
    run.change(**{"2__weight": impulse})
    found = run.see("grokking_progress_measures")
    close(found, embedding_gini=1 - 1 / 15, head_gini=0.0)
    total = sum(float(p.detach().square().sum()) for p in model.parameters())
    close(found, squared_norm=total)


def test_largest_attention_logits():
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            attended = nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
            return self.head(attended).mean(1)

    run = Run(Attention(), (torch.zeros(8, 2, 4), torch.zeros(8, dtype=torch.long)), classes=3)
    run.batch[0][:, 0, 0], run.batch[0][:, 1, 0] = 1.0, -6.0
    run.change(head__weight=torch.zeros(3, 4), head__bias=[0.0, 0.0, math.log(2.0)])
    own = nn.functional.scaled_dot_product_attention
    found = run.see("attention_logit_growth", settings={"head.weight": {"eps": 0.5}})
    # 36 / sqrt(4) of the second token with itself; Z = 1 + 1 + 2.
    close(found, attention=18.0, log_z=math.log(4.0))
    assert found["gradient_over_eps"] > 0
    assert nn.functional.scaled_dot_product_attention is own
    plain = perceptron().see("attention_logit_growth")
    close(plain, attention=None, gradient_over_eps=None)


def test_efficiency_is_that_of_a_scaled_solution():
    run = perceptron()
    run.model = nn.Sequential(nn.Linear(4, 3, bias=False)).eval()
    first = run.see("circuit_efficiency")
    weight = run.model[0].weight.detach()
    logits = run.batch[0] @ weight.T
    right = logits[torch.arange(40), run.batch[1]] - logits.mean(1)
    close(first, logit=float(right.mean() / weight.norm()), squared_norm=float(weight.norm() ** 2))
    run.change(**{"0__weight": 7 * weight})  # of a linear network, the ratio stays
    assert run.see("circuit_efficiency")["logit"] == pytest.approx(first["logit"], rel=1e-4)


def test_collapse_of_the_softmax():
    run = perceptron()
    run.model = nn.Sequential(nn.Linear(3, 3, bias=False)).eval()
    run.batch = (torch.eye(3).repeat(8, 1), torch.arange(3).repeat(8))
    run.change(**{"0__weight": torch.diag(torch.tensor([200.0, 200.0, 1.0]))})
    found = run.see("softmax_collapse")
    close(found, absorbed=2 / 3)
    # exp(-16) is absorbed in float32, exp(-15) is not.
    for size, absorbed in ((18.0, 1.0), (15.0, 0.0)):
        run.change(**{"0__weight": size * torch.eye(3)})
        close(run.see("softmax_collapse"), absorbed=absorbed)
    # Along the weights: of a large margin, all that is left to do is to scale up.
    centered = 2.0 * (torch.eye(3) - 1 / 3)
    run.change(**{"0__weight": centered})
    close(run.see("softmax_collapse"), along_weights=1.0)


class Product(nn.Module):
    """a b x of two numbers: (1, 1) and (-1, -1) are the same function, and 0 lies between."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.0))
        self.b = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.a * self.b * x


def test_the_barrier_between_two_minima_and_on_a_convex_line():
    x = torch.tensor([[1.0], [3.0]])
    run = Run(Product(), (x, x), criterion=nn.functional.mse_loss)
    with pytest.raises(NotApplicable, match="before the first"):
        run.see("lmc_barrier")
    run.change(a=-1.0, b=-1.0)
    # In the middle a b = 0, so that the loss is the mean of x^2.
    close(run.see("lmc_barrier"), from_start=5.0, from_before=5.0)
    run.change(a=-1.0, b=-1.0)
    close(run.see("lmc_barrier"), from_start=5.0, from_before=0.0)
    bowl = quadratic([1.0, 4.0], [3.0, 1.0])
    bowl.probe("any")
    bowl.change(w=[-2.0, 5.0])
    close(bowl.see("lmc_barrier"), from_start=0.0, from_before=0.0)
