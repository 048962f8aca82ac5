"""References of the Adam-like optimizers: the papers' equations in NumPy, and other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytorch_optimizer
import torch

from tests.golden.golden import Values, elementwise, library, whole
from tests.golden.walk import SEED, STEPS


def average(memory, name, value, beta):
    """An exponential average that begins at 0."""
    memory[name] = beta * memory.get(name, 0) + (1 - beta) * value
    return memory[name]


def adam(t, w, g, memory, h, fact):
    """Kingma and Ba 2015, algorithm 1."""
    m = average(memory, "m", g, h.beta1) / (1 - h.beta1**t)
    v = average(memory, "v", g**2, h.beta2) / (1 - h.beta2**t)
    return w - h.lr * m / (np.sqrt(v) + 1e-8)


def nadam(t, w, g, memory, h, fact):
    """Dozat 2016, algorithm 2 with the schedule of its footnote, and a decoupled decay."""
    mu = h.beta1 * (1 - 0.5 * 0.96 ** (t / 250))
    following = h.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) / 250))
    product = memory["product"] = memory.get("product", 1.0) * mu
    m = average(memory, "m", g, h.beta1)
    v = average(memory, "v", g**2, 0.999) / (1 - 0.999**t)
    ahead = following * m / (1 - product * following) + (1 - mu) * g / (1 - product)
    return w - h.lr * (ahead / (np.sqrt(v) + 1e-8) + h.weight_decay * w)


def adagrad(t, w, g, memory, h, fact):
    """Duchi et al. 2011, figure 1, diagonal."""
    total = memory["total"] = memory.get("total", h.initial) + g**2
    return w - h.lr * g / (np.sqrt(total) + 1e-10)


def rmsprop(t, w, g, memory, h, fact):
    """Tieleman and Hinton 2012, with momentum of the scaled gradient."""
    v = average(memory, "v", g**2, h.alpha)
    b = memory["b"] = h.momentum * memory.get("b", 0) + g / (np.sqrt(v) + 1e-8)
    return w - h.lr * b


def amsgrad(t, w, g, memory, h, fact):
    """Reddi et al. 2018, algorithm 2, with corrections for bias after the maximum."""
    m = average(memory, "m", g, h.beta1) / (1 - h.beta1**t)
    v = average(memory, "v", g**2, h.beta2)
    largest = memory["largest"] = np.maximum(memory.get("largest", 0), v)
    return w - h.lr * m / (np.sqrt(largest / (1 - h.beta2**t)) + 1e-8)


def radam(t, w, g, memory, h, fact):
    """Liu et al. 2020, algorithm 2, with the threshold 5 and a decoupled decay."""
    m = average(memory, "m", g, 0.9) / (1 - 0.9**t)
    v = average(memory, "v", g**2, h.beta2)
    most = 2 / (1 - h.beta2) - 1
    rho = most - 2 * t * h.beta2**t / (1 - h.beta2**t)
    step = m
    if rho > 5:
        factor = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        step = factor * m * math.sqrt(1 - h.beta2**t) / (np.sqrt(v) + 1e-8)
    return w - h.lr * (step + h.weight_decay * w)


def rms(x):
    return math.sqrt(float(np.mean(x**2)))


def adafactor(t, w, g, memory, h, fact):
    """Shazeer and Stern 2018, algorithms 4 and 5, without a warm-up."""
    beta = 1 - t**-0.8
    square = g**2 + 1e-30
    if g.ndim > 1:
        r = average(memory, "r", square.mean(-1, keepdims=True), beta)
        c = average(memory, "c", square.mean(-2, keepdims=True), beta)
        v = r * c / r.mean(-2, keepdims=True)
    else:
        v = average(memory, "v", square, beta)
    u = g / np.sqrt(v)
    u = u / max(1, rms(u) / h.clip)
    return w - max(1e-3, rms(w)) * min(h.lr, 1 / math.sqrt(t)) * u


def adabelief(t, w, g, memory, h, fact):
    """Zhuang et al. 2020, algorithm 2."""
    m = average(memory, "m", g, 0.9)
    s = memory["s"] = 0.999 * memory.get("s", 0) + 0.001 * (g - m) ** 2 + h.eps
    step = m / (1 - 0.9**t) / (np.sqrt(s / (1 - 0.999**t)) + h.eps)
    return w - h.lr * (step + h.weight_decay * w)


def adan(t, w, g, memory, h, fact):
    """Xie et al. 2022, algorithm 1, with averages from 0 and their corrections."""
    change = g - memory.get("g", g)
    memory["g"] = g
    m = average(memory, "m", g, 0.98) / (1 - 0.98**t)
    v = average(memory, "v", change, 0.92) / (1 - 0.92**t)
    n = average(memory, "n", (g + 0.92 * change) ** 2, 0.99) / (1 - 0.99**t)
    step = (m + 0.92 * v) / (np.sqrt(n) + 1e-8)
    return (w - h.lr * step) / (1 + h.lr * h.weight_decay)


def adopt(t, w, g, memory, h, fact):
    """Taniguchi et al. 2024, algorithm 2; the first call gives v_0."""
    decayed = w * (1 - h.lr * h.weight_decay)
    if t == 1:
        memory["v"] = g**2
        return decayed
    bound = (t - 1) ** 0.25
    scaled = np.clip(g / np.maximum(np.sqrt(memory["v"]), 1e-6), -bound, bound)
    m = average(memory, "m", scaled, 0.9)
    memory["v"] = h.beta2 * memory["v"] + (1 - h.beta2) * g**2
    return decayed - h.lr * m


def ademamix(t, w, g, memory, h, fact):
    """Pagliardini et al. 2024, algorithm 1 and the schedules of its section 3."""
    share = min(1, t / STEPS)
    start, end = math.log(0.9), math.log(h.beta3)
    beta3 = min(math.exp(start * end / ((1 - share) * end + share * start)), h.beta3)
    alpha = min(h.alpha * t / STEPS, h.alpha)
    fast = average(memory, "fast", g, 0.9) / (1 - 0.9**t)
    slow = average(memory, "slow", g, beta3)
    v = average(memory, "v", g**2, 0.999) / (1 - 0.999**t)
    return w - h.lr * ((fast + alpha * slow) / (np.sqrt(v) + 1e-8) + h.weight_decay * w)


def library_ademamix(parameters, h):
    return pytorch_optimizer.AdEMAMix(
        parameters,
        lr=h.lr,
        betas=(0.9, 0.999, h.beta3),
        alpha=h.alpha,
        t_alpha_beta3=STEPS,
        weight_decay=h.weight_decay,
        weight_decouple=True,
        eps=1e-8,
    )


def diffgrad(t, w, g, memory, h, fact):
    """Dubey et al. 2020, equations 5 to 9."""
    friction = 1 / (1 + np.exp(-np.abs(memory.get("g", 0) - g)))
    memory["g"] = g
    m = average(memory, "m", g, 0.9) / (1 - 0.9**t)
    v = average(memory, "v", g**2, h.beta2) / (1 - h.beta2**t)
    return w - h.lr * friction * m / (np.sqrt(v) + 1e-8)


def grams(t, w, g, memory, h, fact):
    """Cao et al. 2024, algorithm 1."""
    m = average(memory, "m", g, 0.9) / (1 - 0.9**t)
    v = average(memory, "v", g**2, h.beta2) / (1 - h.beta2**t)
    step = np.sign(g) * np.abs(m / (np.sqrt(v) + 1e-6))
    return w - h.lr * (step + h.weight_decay * w)


def factored(memory, name, value, beta):
    """The mean of rows times that of columns over that of both, averaged with decay beta."""
    rows = average(memory, name + "r", value.mean(-1, keepdims=True), beta)
    columns = average(memory, name + "c", value.mean(-2, keepdims=True), beta)
    return rows * columns / rows.mean(-2, keepdims=True)


def came(t, w, g, memory, h, fact):
    """Luo et al. 2023, algorithm 2; vectors without a confidence."""
    square = g**2 + 1e-30
    is_vector = g.ndim < 2
    v = average(memory, "v", square, 0.999) if is_vector else factored(memory, "v", square, 0.999)
    u = g / np.sqrt(v)
    u = u / max(1, rms(u))
    m = average(memory, "m", u, 0.9)
    trust = 1 if is_vector else factored(memory, "s", (u - m) ** 2 + 1e-16, h.beta3)
    return w - h.lr * (m / np.sqrt(trust) + h.weight_decay * w)


def library_came(parameters, h):
    return pytorch_optimizer.CAME(
        parameters,
        lr=h.lr,
        betas=(0.9, 0.999, h.beta3),
        weight_decay=h.weight_decay,
        weight_decouple=True,
        clip_threshold=1.0,
        ams_bound=False,
        eps1=1e-30,
        eps2=1e-16,
    )


def adam_mini(t, w, g, memory, h, fact):
    """Zhang et al. 2024, algorithm 1 with a block for each row, or for a vector."""
    blocks = g.reshape(len(g), -1) if g.ndim > 1 else g.reshape(1, -1)
    m = average(memory, "m", blocks, 0.9) / (1 - 0.9**t)
    v = average(memory, "v", (blocks**2).mean(1), h.beta2) / (1 - h.beta2**t)
    step = m / (np.sqrt(v) + 1e-8)[:, None]
    return w - h.lr * (step.reshape(g.shape) + h.weight_decay * w)


def spam_rise(step, steps):
    return 1.0 if step >= steps else 1 - 0.99 * (1 + math.cos(math.pi * step / (steps + 1))) / 2


def spam(t, w, g, memory, h, fact):
    """Huang et al. 2025, algorithm 1, with the authors' counts of steps."""
    if t % h.interval == 0:
        memory["m"], memory["v"], memory["reset"] = 0 * g, 0 * g, t
    if t >= 20 and t % h.interval >= 20:
        bound = np.sqrt(h.threshold * memory["v"])
        g = np.where(g**2 > h.threshold * memory["v"], np.sign(g) * bound, g)
    m, v = average(memory, "m", g, 0.9), average(memory, "v", g**2, 0.999)
    step = m / (1 - 0.9**t) * math.sqrt(1 - 0.999**t) / (np.sqrt(v) + 1e-6)
    if "reset" in memory:
        step = step * spam_rise(t - memory["reset"], round(0.3 * h.interval))
    return w - h.lr * (step + h.weight_decay * w)


def stable_spam(t, w, g, memory, h, fact):
    """Huang et al. 2025, algorithm 1: AdaClip, AdaGN, MoRet."""
    most = np.abs(g).max()
    bound = average(memory, "bound", most, 0.999) / (1 - 0.999**t)
    g = np.where(np.abs(g) > bound, g / most * bound, g)
    norm = np.sqrt((g**2).sum())
    n = average(memory, "n", norm, h.gamma1) / (1 - h.gamma1**t)
    square = average(memory, "square", norm**2, 0.9) / (1 - 0.9**t)
    g = g / norm * n / (math.sqrt(square) + 1e-8)
    if t % h.interval == 0:
        memory["m"], memory["v"], memory["count"] = 0, 0, 0
    count = memory["count"] = memory.get("count", 0) + 1
    m = average(memory, "m", g, 0.9) / (1 - 0.9**count)
    v = average(memory, "v", g**2, 0.999) / (1 - 0.999**count)
    return w - h.lr * (m / (np.sqrt(v) + 1e-8) + h.weight_decay * w)


def novograd(t, w, g, memory, h, fact):
    """Ginsburg et al. 2019, algorithm 1."""
    square = (g**2).sum()
    v = memory["v"] = h.beta2 * memory.get("v", square) + (1 - h.beta2) * square
    scaled = g / (math.sqrt(v) + 1e-8) + h.weight_decay * w
    m = memory["m"] = 0.95 * memory.get("m", 0) + scaled
    return w - h.lr * m


def mars(t, g, memory, h):
    """Yuan et al. 2024, algorithm 1, approximate: the corrected, clipped gradient, and m."""
    c = g + h.gamma * 0.95 / 0.05 * (g - memory.get("g", g))
    memory["g"] = g
    c = c / max(1, math.sqrt((c**2).sum()))
    return c, average(memory, "m", c, 0.95)


def mars_adamw(t, w, g, memory, h, fact):
    """Yuan et al. 2024, algorithm 2."""
    c, m = mars(t, g, memory, h)
    v = average(memory, "v", c**2, 0.99) / (1 - 0.99**t)
    return w - h.lr * (m / (1 - 0.95**t) / (np.sqrt(v) + 1e-8) + h.weight_decay * w)


def mars_lion(t, w, g, memory, h, fact):
    """Yuan et al. 2024, algorithm 3."""
    _, m = mars(t, g, memory, h)
    return w - h.lr * (np.sign(m) + h.weight_decay * w)


def mars_shampoo(t, w, g, memory, h, fact):
    """Yuan et al. 2024, algorithm 4, with the singular values that five iterations leave."""
    if g.ndim != 2:
        return mars_adamw(t, w, g, memory, Values({**h, "lr": h.adamw_lr}), fact)
    _, m = mars(t, g, memory, h)
    u, s, vt = np.linalg.svd(m, full_matrices=False)
    s = s / (math.sqrt((m**2).sum()) + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    factor = math.sqrt(max(1, w.shape[0] / w.shape[1]))
    return w - h.lr * (factor * (u * s) @ vt + h.weight_decay * w)


def flat(tensors):
    return np.concatenate([x.reshape(-1) for x in tensors])


def opt_amsgrad(setting):
    """Wang et al. 2021, algorithms 2 and 3, on the vector of all weights."""
    h, w = Values(setting.h), flat(setting.weights)
    half, m, v, u = w, 0 * w, 1e-8 + 0 * w, 1e-8 + 0 * w
    past, found = [], []
    for tensors in setting.gradients:
        g = flat(tensors)
        past = [*past, g][-h.history :]
        predicted = g
        if len(past) > 1:
            changes = np.diff(np.array(past), axis=0).T
            gram = changes.T @ changes
            z = np.linalg.solve(
                gram + 1e-3 * np.trace(gram) * np.eye(len(gram)), np.ones(len(gram))
            )
            predicted = np.array(past[:-1]).T @ (z / z.sum())
        before, m = m, 0.9 * m + 0.1 * g
        v = h.beta2 * v + (1 - h.beta2) * g**2
        u = np.maximum(u, v)
        half = half - h.lr * m / np.sqrt(u)
        w = half - h.lr * (0.9 * before + 0.1 * predicted) / np.sqrt(u)
        sizes = np.cumsum([x.size for x in tensors])[:-1]
        parts = zip(np.split(w, sizes), tensors, strict=True)
        found.append([part.reshape(x.shape) for part, x in parts])
    return found


def by_row(x):
    """The norm of each row, of the shape that multiplies the tensor; of a vector, its own."""
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    return np.sqrt((x**2).sum(axis=axes, keepdims=True))


def ranger21(setting):
    """Wright and Demeure 2021, algorithm 1, with the decay of the authors' code."""
    h, weights = Values(setting.h), [w.copy() for w in setting.weights]
    slow, size = [w.copy() for w in weights], sum(w.size for w in weights)
    zeros = [0 * w for w in weights]
    m, older, v, u = zeros, zeros, zeros, zeros
    found = []
    for t, gradients in enumerate(setting.gradients, start=1):
        clipped = []
        for w, g in zip(weights, gradients, strict=True):
            most = 0.01 * np.maximum(by_row(w), 1e-3)
            g = np.where(by_row(g) > most, g * most / np.maximum(by_row(g), 1e-6), g)
            if g.ndim > 1:
                g = g - g.mean(axis=tuple(range(1, g.ndim)), keepdims=True)
            clipped.append(g)
        m, older = [0.81 * a + 0.19 * g for a, g in zip(older, clipped, strict=True)], m
        v = [0.999 * a + 0.001 * g**2 for a, g in zip(v, clipped, strict=True)]
        u = [np.maximum(a, b) for a, b in zip(u, v, strict=True)]
        mean = sum(a.sum() for a in v) / size / (1 - 0.999**t)
        warm = max(0.0005 * t, t / (0.22 * STEPS))
        rate = h.lr * min(1, warm, (STEPS + 1 - t) / (0.28 * STEPS))
        for i, w in enumerate(weights):
            w = w - rate * h.weight_decay / math.sqrt(mean) * w
            if w.ndim > 1:
                w = w - rate * 2e-4 * (1 - 1 / (by_row(w) + 1e-8)) * w
            n = (1.9 * m[i] - 0.9 * older[i]) / (1 - 0.9**t) / math.hypot(1.9, 0.9)
            w = w - rate * n / (np.sqrt(u[i] / (1 - 0.999**t)) + 1e-8)
            if t % 5 == 0:
                w = slow[i] = (w + slow[i]) / 2
            weights[i] = w
        found.append(list(weights))
    return found


def schedule_free(evaluated):
    """Defazio et al. 2024, Algorithm 1 as in the authors' code; the weights y, or x."""

    def trajectory(setting):
        h = Values(setting.h)
        y, x, z = ([w.copy() for w in setting.weights] for _ in range(3))
        v = [0 * w for w in y]
        warmup, total, found = max(1, STEPS // 20), 0.0, []
        for t, gradients in enumerate(setting.gradients, start=1):
            rate = h.lr * min(1, t / warmup)
            total += rate**2
            share = rate**2 / total
            for i, g in enumerate(gradients):
                v[i] = 0.999 * v[i] + 0.001 * g**2
                step = g / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
                z[i] = z[i] - rate * (step + h.weight_decay * y[i])
                x[i] = (1 - share) * x[i] + share * z[i]
                y[i] = (1 - h.beta1) * z[i] + h.beta1 * x[i]
            found.append(list(x if evaluated else y))
        return found

    return trajectory


def sophia_g(setting):
    """Liu et al. 2023, Algorithms 2 and 3, with the labels that torch's generator draws."""
    h, model = Values(setting.h), setting.model()
    parameters = list(model.parameters())
    weights = [w.copy() for w in setting.weights]
    m, curvature = ([0 * w for w in weights] for _ in range(2))
    found = []
    torch.manual_seed(SEED)

    def gradients(inputs, targets):
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        return [g.numpy() for g in torch.autograd.grad(loss, parameters)]

    for t in range(STEPS):
        inputs, targets = setting.batch(t)
        for p, w in zip(parameters, weights, strict=True):
            p.data = torch.tensor(w)
        m = [0.965 * a + 0.035 * g for a, g in zip(m, gradients(inputs, targets), strict=True)]
        if t % 10 == 0:
            labels = torch.multinomial(model(inputs).detach().softmax(-1), 1).view(-1)
            drawn = gradients(inputs, labels)
            square = [len(labels) * g**2 for g in drawn]
            curvature = [0.99 * a + 0.01 * s for a, s in zip(curvature, square, strict=True)]
        for i, w in enumerate(weights):
            ratio = m[i] / np.maximum(h.gamma * curvature[i], 1e-12)
            weights[i] = w - h.lr * h.weight_decay * w - h.lr * np.clip(ratio, -1, 1)
        found.append(list(weights))
    return found


def mup_adam(t, w, g, memory, h, fact):
    """Adam with the rates of Tensor Programs V, table 3, relative to a width of 128."""
    rate = h.lr
    if fact.depth > 0 and fact.role in ("hidden", "head", "conv"):
        inputs = int(np.prod(fact.shape[1:]))
        rate = h.lr / (inputs / 128)
        if t == 1 and fact.role == "head":
            w = w / np.sqrt(inputs / 128)
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    return w - rate * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


OPTIMIZERS = {
    "mup_adam": elementwise("NumPy: Adam with the rates of Tensor Programs V, table 3", mup_adam),
    "adam": elementwise(
        "NumPy: Kingma and Ba 2015, algorithm 1",
        adam,
        variants=[{"beta1": 0.0, "beta2": 0.99}, {"beta1": 0.9, "beta2": 0.9999}],
    ),
    "nadam": [
        elementwise("NumPy: Dozat 2016, algorithm 2", nadam, variants=[{}, {"beta1": 0.98}]),
        library(
            "torch.optim.NAdam",
            lambda parameters, h: torch.optim.NAdam(
                parameters,
                h.lr,
                betas=(h.beta1, 0.999),
                weight_decay=h.weight_decay,
                decoupled_weight_decay=True,
            ),
        ),
    ],
    "adagrad": elementwise(
        "NumPy: Duchi et al. 2011, figure 1", adagrad, variants=[{}, {"initial": 0.1}]
    ),
    "rmsprop": elementwise(
        "NumPy: Tieleman and Hinton 2012",
        rmsprop,
        variants=[{}, {"alpha": 0.99, "momentum": 0.9}, {"alpha": 0.999}],
    ),
    "amsgrad": elementwise(
        "NumPy: Reddi et al. 2018, algorithm 2",
        amsgrad,
        variants=[{}, {"beta1": 0.0, "beta2": 0.99}],
    ),
    "radam": elementwise(
        "NumPy: Liu et al. 2020, algorithm 2", radam, variants=[{}, {"beta2": 0.99}]
    ),
    "adafactor": elementwise(
        "NumPy: Shazeer and Stern 2018, algorithms 4 and 5",
        adafactor,
        variants=[{}, {"lr": 0.3, "clip": 2.0}, {"lr": 0.3}],
    ),
    "adabelief": [
        elementwise(
            "NumPy: Zhuang et al. 2020, algorithm 2", adabelief, variants=[{}, {"eps": 1e-8}]
        ),
        library(
            "pytorch_optimizer.AdaBelief, without rectification",
            lambda parameters, h: pytorch_optimizer.AdaBelief(
                parameters,
                lr=h.lr,
                betas=(0.9, 0.999),
                weight_decay=h.weight_decay,
                weight_decouple=True,
                rectify=False,
                eps=h.eps,
            ),
        ),
    ],
    "adan": [
        elementwise("NumPy: Xie et al. 2022, algorithm 1", adan),
        library(
            "pytorch_optimizer.Adan",
            lambda parameters, h: pytorch_optimizer.Adan(
                parameters,
                lr=h.lr,
                betas=(0.98, 0.92, 0.99),
                weight_decay=h.weight_decay,
                weight_decouple=False,
                eps=1e-8,
            ),
        ),
    ],
    "adopt": elementwise(
        "NumPy: Taniguchi et al. 2024, algorithm 2", adopt, variants=[{}, {"beta2": 0.99}]
    ),
    "ademamix": [
        elementwise(
            "NumPy: Pagliardini et al. 2024, algorithm 1",
            ademamix,
            variants=[{}, {"beta3": 0.99, "alpha": 8.0}],
        ),
        library("pytorch_optimizer.AdEMAMix", library_ademamix, hyper={"beta3": 0.999}),
    ],
    "diffgrad": elementwise(
        "NumPy: Dubey et al. 2020, equations 5 to 9", diffgrad, variants=[{}, {"beta2": 0.99}]
    ),
    "grams": [
        elementwise("NumPy: Cao et al. 2024, algorithm 1", grams, variants=[{}, {"beta2": 0.95}]),
        library(
            "pytorch_optimizer.Grams",
            lambda parameters, h: pytorch_optimizer.Grams(
                parameters,
                lr=h.lr,
                betas=(0.9, h.beta2),
                weight_decay=h.weight_decay,
                weight_decouple=True,
                eps=1e-6,
            ),
        ),
    ],
    "came": [
        elementwise("NumPy: Luo et al. 2023, algorithm 2", came, variants=[{}, {"beta3": 0.999}]),
        library("pytorch_optimizer.CAME", library_came),
    ],
    "adam_mini": elementwise(
        "NumPy: Zhang et al. 2024, algorithm 1", adam_mini, variants=[{}, {"beta2": 0.95}]
    ),
    "spam": elementwise(
        "NumPy: Huang et al. 2025, algorithm 1 of SPAM",
        spam,
        variants=[{}, {"threshold": 1.0}, {"interval": 10}, {"interval": 22, "threshold": 0.5}],
    ),
    "stable_spam": elementwise(
        "NumPy: Huang et al. 2025, algorithm 1 of Stable-SPAM",
        stable_spam,
        variants=[{}, {"gamma1": 0.9}, {"interval": 10}],
    ),
    "novograd": [
        elementwise(
            "NumPy: Ginsburg et al. 2019, algorithm 1", novograd, variants=[{}, {"beta2": 0.25}]
        ),
        library(
            "pytorch_optimizer.NovoGrad",
            lambda parameters, h: pytorch_optimizer.NovoGrad(
                parameters,
                lr=h.lr,
                betas=(0.95, h.beta2),
                weight_decay=h.weight_decay,
                weight_decouple=False,
                grad_averaging=False,
                eps=1e-8,
            ),
        ),
    ],
    "mars_adamw": elementwise(
        "NumPy: Yuan et al. 2024, algorithm 2", mars_adamw, variants=[{}, {"gamma": 0.2}]
    ),
    "mars_lion": elementwise(
        "NumPy: Yuan et al. 2024, algorithm 3", mars_lion, variants=[{}, {"gamma": 0.2}]
    ),
    "mars_shampoo": elementwise(
        "NumPy: Yuan et al. 2024, algorithm 4", mars_shampoo, variants=[{}, {"gamma": 0.2}]
    ),
    "opt_amsgrad": whole(
        "NumPy: Wang et al. 2021, algorithms 2 and 3",
        opt_amsgrad,
        variants=[{}, {"history": 3, "beta2": 0.99}, {"history": 10}],
    ),
    "ranger21": whole("NumPy: Wright and Demeure 2021, algorithm 1", ranger21),
    "schedule_free": [
        whole(
            "NumPy: Defazio et al. 2024, Algorithm 1 as in the authors' code",
            schedule_free(False),
            variants=[{}, {"beta1": 0.98}],
        ),
        whole(
            "NumPy: the same, its averages, which are evaluated",
            schedule_free(True),
            variants=[{}, {"beta1": 0.98}],
            evaluated=True,
        ),
    ],
    "sophia_g": whole(
        "NumPy: Liu et al. 2023, Algorithms 2 and 3",
        sophia_g,
        variants=[{"lr": 0.01}, {"lr": 0.01, "gamma": 1.0}],
        on_network=True,
    ),
}
