"""References of optimizers with Kronecker-factored preconditioners."""

from __future__ import annotations

import numpy as np
import pytorch_optimizer
import torch
from torch import nn

from suite.components.parameters import describe_parameters, mark_head
from tests.golden.golden import Values, elementwise, library, whole
from tests.golden.references.matrix_orthogonal import adam, average, beside_adamw
from tests.golden.walk import SEED


def products(g, axis):
    """Inner products of the slices of a tensor along an axis."""
    rest = [i for i in range(g.ndim) if i != axis]
    return np.tensordot(g, g, axes=(rest, rest))


def multiplied(g, matrices):
    """The tensor with axis i multiplied by matrix i."""
    letters = "abcdef"[: g.ndim]
    new = letters.upper()
    factors = ",".join(n + old for n, old in zip(new, letters, strict=True))
    return np.einsum(f"{letters},{factors}->{new}", g, *matrices, optimize=True)


def power(matrix, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**exponent) @ vectors.T


def asgo(t, w, g, memory, h):
    """An et al. 2025 and its code: averages of 0.9 and 0.8, the smaller side, RMS 0.2."""
    m = average(memory, g, 0.9)
    if w.shape[0] < w.shape[1]:
        u = power(average(memory, g @ g.T, 0.8, "V"), -0.5) @ m
    else:
        u = m @ power(average(memory, g.T @ g, 0.8, "V"), -0.5)
    u *= 0.2 * np.sqrt(w.size) / np.linalg.norm(u)
    return w - h.lr * (u + h.weight_decay * w)


def shampoo(t, w, g, memory, h, fact):
    """Gupta et al. 2018, algorithm 2; roots of steps 1 to 10, and 20."""
    axes = range(g.ndim)
    sums = memory.setdefault("H", [1e-4 * np.eye(length) for length in g.shape])
    for axis in axes:
        sums[axis] = sums[axis] + products(g, axis)
    if t <= 10 or t == 20:
        memory["roots"] = [power(total, -1 / (2 * g.ndim)) for total in sums]
    m = memory["m"] = h.momentum * memory.get("m", 0) + multiplied(g, memory["roots"])
    return w - h.lr * (m + h.weight_decay * w)


class SquareLayers(nn.Module):
    """Layers whose gradients have no null space, in which an eigenbasis is any."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.hidden = nn.Linear(4, 4)
        self.head = mark_head(nn.Linear(4, 4))

    def forward(self, x):
        return self.head(self.hidden(self.conv(x).square().mean((2, 3))).tanh())


def square_layers():
    torch.manual_seed(SEED)
    model = SquareLayers().double()
    describe_parameters(model)
    return model


def image_batch(step):
    generator = torch.Generator().manual_seed(step)
    shapes = (16, 2, 5, 5), (16, 4)
    return tuple(torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)


def large_loss(outputs, targets):
    """Large gradients, beside which it does not matter where epsilon is added."""
    return 1e3 * nn.functional.mse_loss(outputs, targets)


def trained(setting, update):
    """The weights after each step of an update of tensors on a network under the square loss."""
    model, h = setting.model(), Values(setting.h)
    memories = [{} for _ in setting.weights]
    found = []
    for t in range(1, setting.steps + 1):
        inputs, targets = setting.batch(t - 1)
        parameters = list(model.parameters())
        gradients = torch.autograd.grad(large_loss(model(inputs), targets), parameters)
        for p, g, memory in zip(parameters, gradients, memories, strict=True):
            w = update(t, p.detach().numpy().copy(), g.numpy(), memory, h)
            p.data = torch.tensor(w)
        found.append([p.detach().numpy().copy() for p in parameters])
    return found


def soap(t, w, g, memory, h):
    """Vyas et al. 2024, algorithm 3, with the order of columns and the first step of the code."""
    if t == 1:  # of vectors, too
        return soap_start(w, g, memory, h)
    k = t - 1
    if w.ndim < 2:
        return w - h.lr * (adam(k, g, memory, (0.95, 0.95), 1e-8) + h.weight_decay * w)
    bases = memory["Q"]
    turned = multiplied(g, [q.T for q in bases])
    m = memory["m"] = 0.95 * memory["m"] + 0.05 * g  # kept in the original axes
    v = memory["v"] = 0.95 * memory["v"] + 0.05 * turned**2
    n = multiplied(m, [q.T for q in bases]) / (1 - 0.95**k) / (np.sqrt(v / (1 - 0.95**k)) + 1e-8)
    after = w - h.lr * (multiplied(n, bases) + h.weight_decay * w)
    for axis in range(g.ndim):
        memory["H"][axis] = 0.95 * memory["H"][axis] + 0.05 * products(g, axis)
    if k % h.interval == 0:
        for axis, (total, q) in enumerate(zip(memory["H"], bases, strict=True)):
            order = np.argsort(-np.diag(q.T @ total @ q), kind="stable")
            memory["v"] = np.take(memory["v"], order, axis)
            bases[axis] = np.linalg.qr(total @ q[:, order])[0]
    return after


def soap_start(w, g, memory, h):
    if w.ndim > 1:
        memory["H"] = [0.05 * products(g, axis) for axis in range(g.ndim)]
        memory["Q"] = [np.linalg.eigh(total)[1][:, ::-1] for total in memory["H"]]
    memory["m"], memory["v"] = np.zeros_like(g), np.zeros_like(g)
    return w - h.lr * h.weight_decay * w


def soap_of_library(setting):
    """pytorch-optimizer's; it decays later, and its QR is in single precision."""
    model, h = setting.model(), Values(setting.h)
    optimizer = pytorch_optimizer.SOAP(
        list(model.parameters()),
        lr=h.lr,
        betas=(0.95, 0.95),
        shampoo_beta=0.95,
        weight_decay=h.weight_decay,
        precondition_frequency=h.interval,
        max_precondition_dim=1024,
        merge_dims=False,
        precondition_1d=False,
        correct_bias=True,
        normalize_gradient=False,
        eps=1e-8,
    )
    found = []
    for step in range(setting.steps):
        inputs, targets = setting.batch(step)
        optimizer.zero_grad()
        large_loss(model(inputs), targets).backward()
        optimizer.step()
        found.append([p.detach().numpy().copy() for p in model.parameters()])
    return found


ON_SQUARES = {
    "on_network": True,
    "model": square_layers,
    "batch": image_batch,
    "criterion": large_loss,
}


def kron(setting):
    """Li 2018 as in kron_torch: matrices first, then vectors; normal noise from torch's stream."""
    h, generator = Values(setting.h), setting.generator()
    torch.manual_seed(SEED)
    weights, memories, found = setting.weights, [{} for _ in setting.weights], []
    for t, gradients in enumerate(setting.gradients, start=1):
        weights = list(weights)
        for several in (True, False):
            torch.rand((), generator=generator)  # whether factors are balanced changes nothing
            for i, w in enumerate(weights):
                if (w.ndim > 1) == several:
                    weights[i] = kron_step(t, w, gradients[i], memories[i], h)
        found.append(weights)
    return found


def kron_step(t, w, g, memory, h):
    m = average(memory, g, 0.9) / (1 - 0.9**t)
    factors = memory.setdefault("Q", [np.eye(length) for length in w.shape])
    noise = torch.randn(w.shape, dtype=torch.float64).numpy()
    a = multiplied(m, factors)
    b = multiplied(noise, [np.linalg.inv(q).T for q in factors])
    for axis, q in enumerate(factors):
        aa, bb = products(a, axis), products(b, axis)
        if w.ndim < 2:  # a diagonal
            change = np.diag(np.diag(aa - bb)) / np.diag(aa + bb).max()
        else:
            change = np.triu(aa - bb) / lower_bound(aa + bb)
        factors[axis] = q - 0.1 * change @ q
    u = multiplied(m, [q.T @ q for q in factors])
    u *= min(1, 1.1 / (np.sqrt((u**2).mean()) + 1e-6))
    decay = h.weight_decay if w.ndim > 1 else 0
    return w - h.lr * (u + decay * w)


def lower_bound(a):
    """psgd_torch's bound of the spectral norm, for a symmetric matrix."""
    a = a / (largest := np.abs(a).max())
    row = a[np.argmax((a**2).sum(1))]
    x = a @ row
    return largest * np.linalg.norm(a.T @ (x / np.linalg.norm(x)))


def kron_of_library(parameters, h):
    torch.manual_seed(SEED)
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim < 2]
    return pytorch_optimizer.Kron(
        [{"params": matrices}, {"params": vectors}],
        lr=h.lr,
        momentum=0.9,
        weight_decay=h.weight_decay,
        weight_decouple=True,
        pre_conditioner_update_probability=None,
        max_size_triangular=1024,
        min_ndim_triangular=2,
        memory_save_mode=None,
        momentum_into_precondition_update=True,
        precondition_dtype=torch.float64,
        balance_prob=0.0,
    )


def kfac(setting):
    """Martens and Grosse 2015, sections 3, 4.2, 5 and 6.3, on two layers; labels are drawn."""
    h, found = setting.h, []
    layers = [np.column_stack(setting.weights[i : i + 2]) for i in (0, 2)]
    velocities, factors = [0.0, 0.0], None
    torch.manual_seed(SEED)
    for step in range(setting.steps):
        inputs, targets = (x.numpy() for x in setting.batch(step))
        n = len(inputs)
        first = np.column_stack([inputs, np.ones(n)])
        hidden = np.tanh(first @ layers[0].T)
        second = np.column_stack([hidden, np.ones(n)])
        scores = second @ layers[1].T
        chances = np.exp(scores - scores.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)

        def at_outputs(labels, chances=chances, hidden=hidden, head=layers[1][:, :-1]):
            """The gradient of every row's own loss at the outputs of both layers."""
            last = chances - np.eye(chances.shape[1])[labels]
            return [last @ head * (1 - hidden**2), last]

        if step % 10 == 0:
            labels = torch.multinomial(torch.tensor(scores).softmax(-1), 1)[:, 0].numpy()
            new = [
                (a.T @ a / n, g.T @ g / n)
                for a, g in zip((first, second), at_outputs(labels), strict=True)
            ]
            k = step // 10 + 1
            decay = min(1 - 1 / k, 0.95)
            factors = [
                tuple(decay * o + (1 - decay) * m for o, m in zip(old, some, strict=True))
                for old, some in zip(factors or new, new, strict=True)
            ]
        gradients = at_outputs(targets)
        for i, (a, (big_a, big_g)) in enumerate(zip((first, second), factors, strict=True)):
            pi = np.sqrt(np.trace(big_a) / len(big_a) / (np.trace(big_g) / len(big_g)))
            root = np.sqrt(h["damping"])
            left = np.linalg.inv(big_g + root / pi * np.eye(len(big_g)))
            right = np.linalg.inv(big_a + pi * root * np.eye(len(big_a)))
            step_of = left @ (gradients[i].T @ a / n) @ right
            velocities[i] = h["momentum"] * velocities[i] + step_of
        layers = [w - h["lr"] * v for w, v in zip(layers, velocities, strict=True)]
        found.append([part for w in layers for part in (w[:, :-1], w[:, -1])])
    return found


OPTIMIZERS = {
    "kfac": whole(
        "NumPy: Martens and Grosse 2015, sections 3, 4.2, 5 and 6.3",
        kfac,
        variants=[{"momentum": 0.0}, {"momentum": 0.9, "damping": 0.01}],
        on_network=True,
    ),
    "asgo": elementwise("NumPy: An et al. 2025, the authors' code", beside_adamw(asgo)),
    "shampoo": elementwise("NumPy: Gupta et al. 2018, algorithm 2", shampoo),
    "soap": [
        whole(
            "NumPy: Vyas et al. 2024, algorithm 3",
            lambda setting: trained(setting, soap),
            variants=[{"interval": i} for i in (1, 10)],
            **ON_SQUARES,
        ),
        whole(
            "pytorch_optimizer.SOAP",
            soap_of_library,
            variants=[{"interval": i, "weight_decay": 0.0} for i in (10, 50)],
            **ON_SQUARES,
        ),
    ],
    "kron": [
        whole("NumPy: Li 2018, as in kron_torch", kron),
        library("pytorch_optimizer.Kron", kron_of_library),
    ],
}
