"""References of methods of second order, on a network: full Hessians, written out in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.optim import Adagrad

from tests.golden.golden import Values, whole
from tests.golden.walk import SEED, Setting, Weights
from tests.objectives import CLASSES, EXAMPLES, FEATURES

cross_entropy = nn.functional.cross_entropy


def small_filters(seed=0):
    """Filters, a matrix and biases: few weights, so that the whole Hessian is cheap."""
    torch.manual_seed(seed)
    layers = nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6, 3)
    model = nn.Sequential(*layers).double()
    model[-1].is_head = True
    return model


class Loss:
    """Loss, gradient and Hessian of a step's batch at any weights, given as one vector."""

    def __init__(self, setting: Setting) -> None:
        self.model, self.batch = setting.model(), setting.batch
        self.names = [name for name, _ in self.model.named_parameters()]
        self.shapes = [p.shape for p in self.model.parameters()]
        self.start = flat(setting.weights)

    def _at(self, step: int) -> Callable[[torch.Tensor], torch.Tensor]:
        batch = self.batch(step)
        return lambda vector: self._of(vector, batch)

    def _of(self, vector: torch.Tensor, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        inputs, targets = batch
        parts = vector.split([shape.numel() for shape in self.shapes])
        weights = {
            name: part.view(shape)
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }
        return cross_entropy(functional_call(self.model, weights, (inputs,)), targets)

    def __call__(self, vector: np.ndarray, step: int) -> float:
        return float(self._at(step)(torch.tensor(vector)))

    def gradient(self, vector: np.ndarray, step: int) -> np.ndarray:
        at = torch.tensor(vector, requires_grad=True)
        return torch.autograd.grad(self._at(step)(at), at)[0].numpy()

    def hessian(self, vector: np.ndarray, step: int) -> np.ndarray:
        at = torch.tensor(vector, requires_grad=True)
        (gradient,) = torch.autograd.grad(self._at(step)(at), at, create_graph=True)
        rows = torch.eye(len(vector), dtype=at.dtype)
        return torch.autograd.grad(gradient, at, rows, is_grads_batched=True)[0].numpy()

    def parts(self, vector: np.ndarray) -> Weights:
        ends = np.cumsum([shape.numel() for shape in self.shapes])[:-1]
        return [
            part.reshape(shape)
            for part, shape in zip(np.split(vector, ends), self.shapes, strict=True)
        ]


def flat(weights: Any) -> np.ndarray:
    return np.concatenate([np.ravel(w) for w in weights])


def steps_of(rule: Callable[..., np.ndarray]) -> Callable[[Setting], list[Weights]]:
    """`rule(loss, w, t, memory, h)` gives the next weights, a vector; t counts from 0."""

    def trajectory(setting: Setting) -> list[Weights]:
        loss, memory, h = Loss(setting), {}, Values(setting.h)
        torch.manual_seed(SEED)
        w, found = loss.start, []
        for t in range(setting.steps):
            w = rule(loss, w, t, memory, h)
            found.append(loss.parts(w))
        return found

    return trajectory


def signs(loss: Loss) -> np.ndarray:
    """Random signs for every weight, as torch's global generator draws them, tensor by tensor."""
    drawn = [torch.randint(0, 2, shape, dtype=torch.float64) for shape in loss.shapes]
    return 2 * flat(d.numpy() for d in drawn) - 1


def normals(loss: Loss) -> np.ndarray:
    return flat(torch.randn(shape, dtype=torch.float64).numpy() for shape in loss.shapes)


def sophia_h(loss, w, t, memory, h):
    """Liu et al. 2023, algorithms 1 and 3."""
    m = memory["m"] = 0.96 * memory.get("m", 0) + 0.04 * loss.gradient(w, t)
    if t % 10 == 0:
        u = normals(loss)
        estimate = u * (loss.hessian(w, t) @ u)
        memory["h"] = 0.99 * memory.get("h", 0) + 0.01 * estimate
    w = w - h.lr * h.weight_decay * w
    return w - h.lr * np.clip(m / np.maximum(h.gamma * memory["h"], 1e-12), -1, 1)


def adahessian(loss, w, t, memory, h):
    """Yao et al. 2021, algorithm 1; a kernel's entries share the mean of their |D|."""
    z, g = signs(loss), loss.gradient(w, t)
    estimate = []
    for part in loss.parts(np.abs(z * (loss.hessian(w, t) @ z))):
        if part.ndim == 3:
            part = np.repeat(part.mean(axis=2)[:, :, None], part.shape[2], axis=2)
        estimate.append(part)
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * flat(estimate) ** 2
    m, v = m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))
    return w - h.lr * (m / (np.sqrt(v) ** h.hessian_power + h.eps) + h.weight_decay * w)


def oasis(loss, w, t, memory, h):
    """Jahani et al. 2022, algorithm 1."""
    z, g = signs(loss), loss.gradient(w, t)
    estimate = z * (loss.hessian(w, t) @ z)
    d = memory["d"] = h.beta2 * memory.get("d", estimate) + (1 - h.beta2) * estimate
    scale = np.maximum(np.abs(d), h.alpha)
    if t == 0:
        eta = h.eta
    else:
        step, change = w - memory["w"], g - loss.gradient(memory["w"], t)
        smooth = np.sqrt(step @ (scale * step)) / (2 * np.sqrt(change @ (change / scale)))
        eta = min(np.sqrt(1 + memory["theta"]) * memory["eta"], smooth)
    memory["theta"] = eta / memory["eta"] if t else math.inf
    memory["eta"], memory["w"] = eta, w
    return w - h.lr * eta * g / scale


def saddle_free_newton(loss, w, t, memory, h):
    """Dauphin et al. 2014, algorithm 1; the Krylov space by a QR of H^i g, the step by |V'HV|."""
    g, hessian = loss.gradient(w, t), loss.hessian(w, t)
    powers = [g / np.linalg.norm(g)]
    for _ in range(h.dimension - 1):
        # each power is made orthogonal first: the span is the same, and the QR exact
        q = np.linalg.qr(np.stack(powers, axis=1))[0]
        following = hessian @ q[:, -1]
        following = following - q @ (q.T @ following)
        powers.append(following / np.linalg.norm(following))
    v = np.linalg.qr(np.stack(powers, axis=1))[0]
    values, u = np.linalg.eigh(v.T @ hessian @ v)
    absolute = u @ np.diag(np.abs(values)) @ u.T
    tried = []
    for damping in (1.0, 0.1, 0.01, 0.001):
        damped = absolute + damping * np.abs(values).max() * np.eye(len(values))
        tried.append(w - h.lr * v @ np.linalg.solve(damped, v.T @ g))
    return min(tried, key=lambda point: loss(point, t))


def newton_cg(loss, w, t, memory, h):
    """Nocedal and Wright 2006, algorithm 7.1, with the Hessian plus damping and a fixed length."""
    g = loss.gradient(w, t)
    b = loss.hessian(w, t) + h.damping * np.eye(len(w))
    norm = np.linalg.norm(g)
    z, r, d = np.zeros_like(w), g, -g
    for j in range(h.iterations):
        curvature = d @ b @ d
        if curvature <= 0:
            z = -g if j == 0 else z
            break
        length = r @ r / curvature
        z, new = z + length * d, r + length * (b @ d)
        if np.linalg.norm(new) < min(0.5, np.sqrt(norm)) * norm:
            break
        d, r = -new + new @ new / (r @ r) * d, new
    return w + h.lr * z


def adadagrad(setting: Setting) -> list[Weights]:
    """Lau et al. 2024: torch's AdaGrad; the next batch by the norm test, example by example."""
    loss, h = Loss(setting), Values(setting.h)
    model = setting.model()
    parameters = list(model.parameters())
    optimizer = Adagrad(parameters, lr=h.lr, eps=1e-10)
    drawn, batches, found = 0, 1, []
    for _ in range(setting.steps):
        w = flat(p.detach().numpy() for p in parameters)
        rows = []
        for number in range(drawn, drawn + batches):
            inputs, targets = setting.batch(number)
            for i in range(EXAMPLES):
                loss.batch = lambda _, x=inputs, y=targets, i=i: (x[i : i + 1], y[i : i + 1])
                rows.append(loss.gradient(w, 0))
        drawn += batches
        each = np.stack(rows)
        mean = each.mean(0)
        needed = each.var(0, ddof=1).sum() / (h.eta**2 * (mean @ mean))
        batches = min(max(batches, math.ceil(needed / EXAMPLES)), 16)
        for p, part in zip(parameters, loss.parts(mean), strict=True):
            p.grad = torch.tensor(part)
        optimizer.step()
        found.append([p.detach().numpy().copy() for p in parameters])
    return found


def on_network(reference: str, rule: Any, **how: Any) -> Any:
    trajectory = rule if rule is adadagrad else steps_of(rule)
    return whole(reference, trajectory, on_network=True, **how)


assert FEATURES == 5 and CLASSES == 3  # the filters above are made for these
FILTERS = {"model": small_filters}
OPTIMIZERS = {
    "sophia_h": on_network(
        "NumPy: Liu et al. 2023, algorithms 1 and 3", sophia_h, variants=[{}, {"gamma": 1.0}]
    ),
    "adahessian": on_network(
        "NumPy: Yao et al. 2021, algorithm 1",
        adahessian,
        variants=[{}, {"hessian_power": 0.5, "eps": 1e-2}],
        **FILTERS,
    ),
    "oasis": on_network(
        "NumPy: Jahani et al. 2022, algorithm 1",
        oasis,
        variants=[{}, {"lr": 0.5, "beta2": 0.95, "alpha": 0.01}],
        **FILTERS,
    ),
    "saddle_free_newton": on_network(
        "NumPy: Dauphin et al. 2014, algorithm 1",
        saddle_free_newton,
        variants=[{}, {"lr": 0.1, "dimension": 6}],
        **FILTERS,
    ),
    "newton_cg": on_network(
        "NumPy: Nocedal and Wright 2006, algorithm 7.1",
        newton_cg,
        variants=[{}, {"damping": 1e-3}, {"lr": 0.5, "iterations": 8}],
        **FILTERS,
    ),
    "adadagrad": on_network(
        "torch.optim.Adagrad, with batches by the norm test of Lau et al. 2024",
        adadagrad,
        variants=[{"eta": 5.0}, {"eta": 1.5}],
    ),
}
