"""References of the schedules, and of the methods that make a learning rate of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import lr_scheduler as torch_schedules

from suite.components import method, registry
from suite.training.batch_source import BatchSource
from suite.training.meter import Ledger, meter
from suite.training.objective import Objective
from suite.training.steps import Steps
from tests.golden.golden import closed_form, elementwise, measured
from tests.golden.walk import STEPS, arrays, deviation, info
from tests.objectives import EXAMPLES, small_batch, small_model

LENGTH = 1000


def of_torch(make: Callable[..., Any]) -> Callable[..., float]:
    """A torch scheduler of 1,000 epochs, read between them; `make(optimizer, h)`."""

    def factor(progress, h):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = make(optimizer, h)
        epoch = progress * LENGTH
        if isinstance(scheduler, torch_schedules.CosineAnnealingWarmRestarts):
            scheduler.step(epoch)
            return optimizer.param_groups[0]["lr"]
        scheduler.last_epoch = epoch
        return scheduler._get_closed_form_lr()[0]

    return factor


def constant(optimizer, h):
    return torch_schedules.ConstantLR(optimizer, factor=1.0, total_iters=LENGTH)


def straight(optimizer, h):
    return torch_schedules.LinearLR(optimizer, 1.0, 0.0, total_iters=LENGTH)


def linear_decay(progress, h):
    """Defazio et al. 2023, corollary 3, after a linear warm-up."""
    return float(np.interp(progress, [0, h.warmup, 1], [0 if h.warmup else 1, 1, 0]))


def annealing(optimizer, h):
    return torch_schedules.CosineAnnealingLR(optimizer, T_max=LENGTH)


def restarts(optimizer, h):
    first = LENGTH / sum(h.t_mult**i for i in range(h.cycles))
    scheduler = torch_schedules.CosineAnnealingWarmRestarts(optimizer, 1, h.t_mult)
    # torch takes whole numbers of epochs for the first cycle only, here a share of the run
    scheduler.T_0 = scheduler.T_i = first
    return scheduler


def sgdr(progress, h):
    """Loshchilov and Hutter 2017, equation 5, from the list of the restarts."""
    lengths = np.array([float(h.t_mult) ** i for i in range(h.cycles)])
    ends = np.cumsum(lengths) / lengths.sum()
    cycle = int(np.searchsorted(ends, progress, side="right"))
    if cycle == h.cycles:
        return 0.0
    begin = ends[cycle - 1] if cycle else 0.0
    return (1 + math.cos(math.pi * (progress - begin) / (ends[cycle] - begin))) / 2


def one_cycle(progress, h):
    """Smith and Topin 2018, section 3; Smith 2018 for the momentum; the tail in logarithms."""
    corners = [0, h.rise, 2 * h.rise]
    if progress < 2 * h.rise:
        rate = np.interp(progress, corners, [0.04, 1, 0.04])
    else:
        tail = np.interp(progress, [2 * h.rise, 1], np.log([0.04, 0.04 * h.final / 0.04]))
        rate = np.exp(tail)
    momentum = np.interp(progress, corners, [0.95, 0.85, 0.95]) / 0.95
    return {"lr": float(rate), "momentum": float(momentum)}


def wsd(progress, h):
    """Hu et al. 2024, section 4.2; Hägele et al. 2024, section 3, for the two shapes."""
    begins = 1 - h.cooldown
    if progress <= begins:
        return min(1.0, progress / h.warmup) if h.warmup else 1.0
    x = (progress - begins) / (1 - begins)
    shapes = {
        "linear": lambda: 1 - x,
        "sqrt": lambda: 1 - math.sqrt(x),
        "cosine": lambda: math.cos(math.pi * x / 2) ** 2,
        "exponential": lambda: 0.5 ** (x * math.log2(10)),
    }
    return shapes[h.shape]()


def trapezoid(progress, h):
    """Schaipp et al. 2025, section 3: straight lines up to 1, along 1 and down to 0."""
    return float(np.interp(progress, [0, h.warmup, 1 - h.cooldown, 1], [0, 1, 1, 0]))


def inverse_sqrt(progress, h):
    """Vaswani et al. 2017, equation 3, of 10,000 steps and d_model = 64, over its maximum."""
    warmup, step = h.warmup * 1e4, progress * 1e4

    def rate(s):
        return 64**-0.5 * min(s**-0.5, s * warmup**-1.5)

    return rate(step) / rate(warmup)


def powers(optimizer, h):
    return torch_schedules.PolynomialLR(optimizer, total_iters=LENGTH, power=h.power)


def milestones(optimizer, h):
    left = (1 - h.begin) * 0.5 ** np.arange(h.drops)
    return torch_schedules.MultiStepLR(optimizer, list(LENGTH * (1 - left)), gamma=h.factor)


def lr_warmup(progress, h):
    """Gilmer et al. 2021: a straight line to 1 and 1 from then on."""
    return float(np.interp(progress, [0, h.warmup, 1], [0, 1, 1]))


def large_step_then_decay(progress, h):
    """The authors' `piecewise_XXepochs` with the rate at the first drop as unit."""
    rate = np.interp(progress, [0, h.hold], [h.start, 1])
    return float(rate) if progress < h.hold else 0.1 if progress < 0.9 else 0.01


def sigmoid_lr(progress, h):
    """Stitsyuk and Choi 2025, equation 24, by hyperbolic tangents."""
    epoch = 100 * progress
    rise = np.tanh(h.k * (epoch - h.w) / 2)
    fall = np.tanh(h.k / h.s * (epoch - h.s * h.w) / 2)
    return float((rise - fall) / 2)


def heavy_ball(t, w, g, memory, h, fact):
    """Pan et al. 2024, algorithm 1; 25 steps, read in their middle, fall into equal stages."""
    # the walk reads a schedule half a step later than a trial does
    stage = min((t * h.stages) // STEPS, h.stages - 1)
    v = memory["v"] = h.momentum * memory.get("v", 0) + h.lr / h.decay**stage * g
    return w - v


def refined(norm: str, steps: int) -> float:
    """The two runs of `refined_schedule` around SGD, and NumPy's on the same batches."""
    lr = 0.3
    names = [("optimizer", "sgd"), ("regularizer", "refined_schedule")]
    plain = {"lr": lr, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    model, start = small_model(), arrays(small_model().parameters())
    chosen = {"sgd": plain, "refined_schedule": {"norm": norm}}
    parts = method.build(names, chosen, model, info(steps))
    ledger = Ledger(steps * EXAMPLES)
    meter(model, ledger)
    source = BatchSource((small_batch(t % 5) for t in range(steps)), ledger)
    criterion = nn.functional.cross_entropy
    objective = Objective(model, criterion, source.key, ledger, parts.regularizers)
    walk = Steps(model, parts, objective)
    walk.start()
    found = []
    for t in range(steps):
        walk.take(t / steps)
        found.append(arrays(model.parameters()))

    reference, expected, gradients = small_model(), [], []

    def take(batch: int, rate: float) -> None:
        inputs, targets = small_batch(batch % 5)
        loss = criterion(reference(inputs), targets)
        some = torch.autograd.grad(loss, list(reference.parameters()))
        gradients.append(np.concatenate([g.numpy().ravel() for g in some]))
        with torch.no_grad():
            for p, g in zip(reference.parameters(), some, strict=True):
                p -= rate * g
        expected.append(arrays(reference.parameters()))

    half = math.ceil(steps / 2)
    for t in range(half):
        take(t, lr * (1 - t / (steps / 2)))
    order = 1 if norm == "l1" else 2
    norms = np.array([np.linalg.norm(g, order) for g in gradients])
    width = 2 * (int(0.1 * half) // 2) + 1
    side = width // 2
    padded = np.concatenate([np.full(side, norms[0]), np.pad(norms, (0, side), mode="reflect")])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    weights = np.median(windows, axis=1) ** -float(order)
    rates = weights * (weights.sum() - np.cumsum(weights))
    rates = rates / rates.max()
    # the weights at the end of the former run are those that the latter begins with
    expected[-1] = start
    reference = small_model()
    for t in range(half, steps):
        share = (t / steps - 0.5) / 0.5
        take(t, lr * rates[math.floor(share * half + 1e-6)])
    return deviation(found, expected, start)


def refined_schedule() -> float:
    assert registry.get("regularizer", "refined_schedule").defaults == {"norm": "l1"}
    cases = [("l1", 24), ("l2", 24), ("l1", 25), ("l2", 80)]
    return max(refined(*case) for case in cases)


SHAPES = ("linear", "sqrt", "cosine", "exponential")
SCHEDULES = {
    "constant": closed_form("torch.optim.lr_scheduler.ConstantLR", of_torch(constant)),
    "linear_decay": [
        closed_form(
            "NumPy: Defazio et al. 2023, after a warm-up",
            linear_decay,
            [{}, {"warmup": 0.0}, {"warmup": 0.2}],
        ),
        closed_form("torch.optim.lr_scheduler.LinearLR", of_torch(straight), [{"warmup": 0.0}]),
    ],
    "sgdr": [
        closed_form(
            "NumPy: Loshchilov and Hutter 2017, equation 5",
            sgdr,
            [{}, {"cycles": 1}, {"cycles": 3, "t_mult": 1}, {"cycles": 5, "t_mult": 3}],
        ),
        closed_form(
            "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
            of_torch(restarts),
            [{"cycles": 1}, {"cycles": 3, "t_mult": 1}],
        ),
    ],
    "one_cycle": closed_form(
        "NumPy: Smith and Topin 2018; Smith 2018 for the momentum",
        one_cycle,
        [{}, {"rise": 0.5}, {"rise": 0.3, "final": 1e-2}],
    ),
    "wsd": [
        closed_form(
            "NumPy: Hu et al. 2024, section 4.2; Hägele et al. 2024, section 3",
            wsd,
            [
                {"shape": s, **more}
                for s in SHAPES
                for more in ({}, {"warmup": 0.0}, {"cooldown": 0.4})
            ],
        ),
        closed_form("NumPy: Schaipp et al. 2025", trapezoid, [{"shape": "linear"}]),
    ],
    "inverse_sqrt": closed_form(
        "NumPy: Vaswani et al. 2017, equation 3", inverse_sqrt, [{}, {"warmup": 0.3}]
    ),
    "polynomial": closed_form(
        "torch.optim.lr_scheduler.PolynomialLR", of_torch(powers), [{}, {"power": 2.0}]
    ),
    "step_decay": closed_form(
        "torch.optim.lr_scheduler.MultiStepLR",
        of_torch(milestones),
        [{}, {"drops": 1}, {"drops": 4, "begin": 0.3, "factor": 0.5}],
    ),
    "lr_warmup": closed_form("NumPy: Gilmer et al. 2021", lr_warmup, [{}, {"warmup": 0.5}]),
    "large_step_then_decay": closed_form(
        "NumPy: the authors' piecewise schedule",
        large_step_then_decay,
        [{}, {"start": 0.1, "hold": 0.3}],
    ),
    "sigmoid_lr": closed_form(
        "NumPy: Stitsyuk and Choi 2025, equation 24",
        sigmoid_lr,
        [{}, {"k": 0.3, "s": 5.0, "w": 20.0}],
    ),
}
OPTIMIZERS = {
    "shb_step_decay": elementwise(
        "NumPy: Pan et al. 2024, algorithm 1",
        heavy_ball,
        variants=[{}, {"stages": 3, "decay": 2.0}],
    ),
}
REGULARIZERS = {
    "refined_schedule": measured(
        "NumPy: Defazio et al. 2023, algorithms 1 and 2", refined_schedule
    ),
}
