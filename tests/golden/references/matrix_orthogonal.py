"""References of optimizers that orthogonalize, and what the other matrix families use of them."""

from __future__ import annotations

import numpy as np
import torch

from tests.golden.golden import Values, elementwise, whole


def is_matrix(fact):
    return fact.role == "conv" or (fact.role == "hidden" and len(fact.shape) == 2)


def adam(t, g, memory, betas, eps):
    """Kingma and Ba 2015, algorithm 1: the direction."""
    b1, b2 = betas
    m = memory["adam m"] = b1 * memory.get("adam m", 0) + (1 - b1) * g
    v = memory["adam v"] = b2 * memory.get("adam v", 0) + (1 - b2) * g**2
    return m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


def beside_adamw(rule, betas=(0.9, 0.95), eps=1e-10, rate="adamw_lr"):
    """The rule for matrices, given as two-dimensional, and AdamW for the rest."""

    def update(t, w, g, memory, h, fact):
        if is_matrix(fact):
            rows = len(w)
            return rule(t, w.reshape(rows, -1), g.reshape(rows, -1), memory, h).reshape(w.shape)
        decay = h.get("weight_decay", 0.0)
        return w - h[rate] * (adam(t, g, memory, betas, eps) + decay * w)

    return update


def newton_schulz(g, steps=5):
    """Jordan et al. 2024: five quintic steps from the matrix divided by its norm."""
    x = g / (np.sqrt((g**2).sum()) + 1e-7)
    for _ in range(steps):
        if len(x) <= len(x.T):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        else:
            a = x.T @ x
            x = 3.4445 * x + x @ (-4.7750 * a + 2.0315 * a @ a)
    return x


def average(memory, g, beta, name="average"):
    memory[name] = beta * memory.get(name, np.zeros_like(g)) + (1 - beta) * g
    return memory[name]


def nesterov(memory, g, beta=0.95):
    return beta * average(memory, g, beta) + (1 - beta) * g


def aspect(w):
    return np.sqrt(max(1, w.shape[0] / w.shape[1]))


def muon(t, w, g, memory, h):
    o = newton_schulz(nesterov(memory, g))
    return w - h.lr * h.weight_decay * w - h.lr * aspect(w) * o


def moonlight(t, w, g, memory, h):
    """Liu et al. 2025: Nesterov momentum as a sum; equation 4 and algorithm 1."""
    m = memory["m"] = 0.95 * memory.get("m", 0) + g
    o = newton_schulz(0.95 * m + g)
    return w - h.lr * (0.2 * np.sqrt(max(w.shape)) * o + h.weight_decay * w)


def normuon(t, w, g, memory, h):
    o = newton_schulz(nesterov(memory, g))
    v = average(memory, (o**2).mean(1), 0.95, "v")
    u = o / (np.sqrt(v)[:, None] + 1e-10)
    u *= np.linalg.norm(o) / np.linalg.norm(u)
    return w - h.lr * (aspect(w) * u + h.weight_decay * w)


def scion(t, w, g, memory, h, fact):
    """Pethick et al. 2025: lmo by role."""
    m = average(memory, g, 0.9)
    if is_matrix(fact):
        kernel = int(np.prod(w.shape[2:]))
        o = newton_schulz(m.reshape(len(m), -1)).reshape(w.shape)
        step = h.radius * np.sqrt(w.shape[0] / w.shape[1]) / kernel * o
    elif fact.role == "embedding":
        step = h.radius * m / (np.sqrt((m**2).mean(1))[:, None] + 1e-8)
    elif fact.role == "head":
        step = h.head_radius * np.sign(m) / w.shape[1]
    else:
        step = m / (np.sqrt((m**2).mean()) + 1e-8)
    return w - h.lr * step - (h.lr * w if h.constrained else 0)


def hyperball(t, w, g, memory, h):
    u = newton_schulz(nesterov(memory, g)) if h.base == "muon" else None
    u = adam(t, g, memory, (0.9, 0.95), 1e-8) if u is None else u
    radius = memory.setdefault("radius", np.linalg.norm(w))
    moved = w - h.lr * radius * u / np.linalg.norm(u)
    return radius * moved / np.linalg.norm(moved)


def dion(setting):
    """Ahn et al. 2025, algorithm 1; Q begins with normal draws, in the order of the matrices."""
    h, generator = setting.h, setting.generator()
    memories = [{} for _ in setting.weights]
    for memory, w, fact in zip(memories, setting.weights, setting.facts, strict=True):
        if is_matrix(fact):
            columns = w[0].size
            rank = int(np.ceil(h["rank_fraction"] * min(len(w), columns)))
            memory["Q"] = torch.randn(columns, rank, generator=generator).double().numpy()

    def rule(t, w, g, memory, h):
        m = memory.get("m", 0) + g
        p = np.linalg.qr(m @ memory["Q"])[0]
        r = m.T @ p
        memory["m"] = m - 0.05 * p @ r.T
        q = memory["Q"] = r / (np.linalg.norm(r, axis=0) + 1e-8)
        scale = np.sqrt(w.shape[0] / w.shape[1])
        return w - h.lr * (scale * p @ q.T + h.weight_decay * w)

    return walked(setting, beside_adamw(rule, eps=1e-8), memories)


def walked(setting, update, memories=None):
    """The weights after each step of an update of tensors by themselves."""
    weights, h = setting.weights, Values(setting.h)
    memories = [{} for _ in weights] if memories is None else memories
    found = []
    for t, gradients in enumerate(setting.gradients, start=1):
        parts = zip(weights, gradients, memories, setting.facts, strict=True)
        weights = [update(t, w, g, memory, h, fact) for w, g, memory, fact in parts]
        found.append(weights)
    return found


def auon(t, w, g, memory, h):
    """Maity 2025; the hybrid has one step of Newton-Schulz."""
    n = nesterov(memory, g)
    n = newton_schulz(n, steps=1) if h.hybrid else n
    u = n / (np.linalg.norm(n) + 1e-7)
    u = u / (np.sqrt((np.cosh(u) ** 2).mean()) + 1e-8)
    return w - h.lr * (aspect(w) * u + h.weight_decay * w)


def polar(g):
    """U V' of the directions in which g is not 0."""
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    rank = int((s > 1e-12 * s[0]).sum())
    return u[:, :rank] @ vt[:rank]


def orthogonal_sgdm(t, w, g, memory, h, fact):
    if w.ndim > 1:
        g = polar(g.reshape(len(g), -1)).reshape(g.shape)
    v = memory["v"] = h.momentum * memory.get("v", 0) + g + h.weight_decay * w
    return w - h.lr * v


def modular(setting):
    """Bernstein and Newhouse 2024: one factor, the sum of all dual norms, for all tensors."""
    h, weights, found = setting.h, setting.weights, []
    for gradients in setting.gradients:
        steps = []
        for g, fact in zip(gradients, setting.facts, strict=True):
            if fact.role == "embedding":
                steps.append(g / (np.sqrt((g**2).mean(1))[:, None] + 1e-12))
            elif g.ndim > 1:
                kernel = int(np.prod(g.shape[2:]))
                scale = np.sqrt(g.shape[0] / g.shape[1]) / kernel
                steps.append(scale * newton_schulz(g.reshape(len(g), -1)).reshape(g.shape))
            else:
                steps.append(g / np.sqrt((g**2).mean()))
        dual = sum((g * s).sum() for g, s in zip(gradients, steps, strict=True))
        factor = h["lr"] * (dual if h["size"] == "dual" else 1)
        weights = [
            (1 - h["lr"] * h["weight_decay"]) * w - factor * s
            for w, s in zip(weights, steps, strict=True)
        ]
        found.append(weights)
    return found


def trust_region(setting):
    """Kovalev 2025: the best point of a ball around the decayed weights."""
    h, weights, momenta, found = setting.h, setting.weights, None, []
    for gradients in setting.gradients:
        momenta = [
            (1 - h["alpha"]) * m + h["alpha"] * g
            for m, g in zip(momenta or gradients, gradients, strict=True)
        ]
        total = np.sqrt(sum((m**2).sum() for m in momenta))

        def best(m, total=total):
            if h["norm"] == "max":
                return np.sign(m)
            if h["norm"] == "euclidean":
                return m / total
            if m.ndim < 2:
                return m / np.linalg.norm(m)
            return newton_schulz(m.reshape(len(m), -1)).reshape(m.shape)

        weights = [
            (1 - h["lr"] * h["weight_decay"]) * w - h["lr"] * best(m)
            for w, m in zip(weights, momenta, strict=True)
        ]
        found.append(weights)
    return found


MUON = {"lr": 0.02, "adamw_lr": 3e-4, "weight_decay": 0.1}


def drop_muon(setting):
    """Gruntkowska et al. 2025: layers below a uniform draw keep weights and averages."""
    h, generator, weights, found = Values(MUON), setting.generator(), setting.weights, []
    memories = [{} for _ in weights]
    depths = sorted({fact.depth for fact in setting.facts})
    update = beside_adamw(muon)
    for gradients in setting.gradients:
        lowest = depths[int(torch.randint(len(depths), (), generator=generator))]
        weights = list(weights)
        for i, fact in enumerate(setting.facts):
            if fact.depth >= lowest:
                memory = memories[i]
                memory["t"] = memory.get("t", 0) + 1
                weights[i] = update(memory["t"], weights[i], gradients[i], memory, h, fact)
        found.append(weights)
    return found


def lanton(setting):
    """Hao et al. 2025, algorithm 1, option I: noise from the difference of two gradients."""
    h, weights, found = setting.h, setting.weights, []
    kinds = [
        "hidden" if is_matrix(f) else "symbols" if len(f.shape) > 1 else "vectors"
        for f in setting.facts
    ]
    before, noise, momenta = None, [0.0] * len(weights), [0.0] * len(weights)

    def best(kind, m):
        if kind == "hidden":
            return newton_schulz(m.reshape(len(m), -1)).reshape(m.shape)
        return np.sign(m) if kind == "symbols" else m / np.sqrt((m**2).mean())

    for gradients in setting.gradients:
        if before is not None:
            for i, (g, old) in enumerate(zip(gradients, before, strict=True)):
                dual = ((g - old) * best(kinds[i], g - old)).sum()
                noise[i] = 0.9 * noise[i] + 0.1 * dual**2
        before = gradients
        shares = [h["alpha"] / np.sqrt(h["alpha"] ** 2 + n) for n in noise]
        after = []
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            momenta[i] = 0.95 * momenta[i] + 0.05 * g
            largest = max(s for s, kind in zip(shares, kinds, strict=True) if kind == kinds[i])
            rate = h["lr"] * np.sqrt(shares[i] / largest)
            if kinds[i] == "hidden":
                rate *= 0.2 * np.sqrt(max(len(w), w[0].size))
            else:
                rate *= h["rest"]
            decayed = (1 - h["lr"] * h["weight_decay"]) * w
            after.append(decayed - rate * best(kinds[i], momenta[i]))
        weights = after
        found.append(weights)
    return found


OPTIMIZERS = {
    "muon": elementwise("NumPy: Jordan et al. 2024, in double precision", beside_adamw(muon)),
    "muon_moonlight": elementwise(
        "NumPy: Liu et al. 2025, equation 4 and algorithm 1",
        beside_adamw(moonlight, eps=1e-8, rate="lr"),
    ),
    "normuon": elementwise("NumPy: Li et al. 2025, the authors' code", beside_adamw(normuon)),
    "scion": elementwise(
        "NumPy: Pethick et al. 2025, algorithms 1 and 2",
        scion,
        variants=[{"constrained": True}, {"constrained": False}],
    ),
    "hyperball": elementwise(
        "NumPy: Wen et al. 2026",
        beside_adamw(hyperball, eps=1e-8),
        variants=[{"base": "muon"}, {"base": "adam"}],
    ),
    "dion": whole(
        "NumPy: Ahn et al. 2025, algorithm 1",
        dion,
        variants=[{"rank_fraction": r} for r in (1.0, 0.5, 0.25, 0.125)],
    ),
    "auon": elementwise(
        "NumPy: Maity 2025", beside_adamw(auon), variants=[{"hybrid": False}, {"hybrid": True}]
    ),
    "orthogonal_sgdm": elementwise("NumPy: Tuddenham et al. 2022, algorithm 1", orthogonal_sgdm),
    "modular_norm_descent": whole(
        "NumPy: Bernstein and Newhouse 2024, propositions 1 and 5",
        modular,
        variants=[{"size": "dual"}, {"size": "constant"}],
    ),
    "ne_trust_region": whole(
        "NumPy: Kovalev 2025, algorithm 1",
        trust_region,
        variants=[{"norm": "spectral"}, {"norm": "euclidean"}, {"norm": "max"}],
    ),
    "lanton": whole("NumPy: Hao et al. 2025, algorithm 1, option I", lanton),
}
REGULARIZERS = {
    "layer_drop": whole(
        "NumPy: Gruntkowska et al. 2025, uniform draws, around Muon",
        drop_muon,
        under=("muon", MUON),
    ),
}
