"""References of optimizers that keep their state in a part of each matrix."""

from __future__ import annotations

import numpy as np
import torch

from tests.golden.golden import elementwise, whole
from tests.golden.references.matrix_orthogonal import adam, beside_adamw, walked

BETAS = (0.9, 0.999)
BY_INTERVAL = [{"interval": 10}, {"interval": 50}]


def on_smaller_side(rule):
    """The rule for a matrix that is not taller than wide; tall ones are transposed."""

    def either(t, w, g, memory, h):
        return rule(t, w, g, memory, h) if len(w) <= len(w.T) else rule(t, w.T, g.T, memory, h).T

    return either


def beside(rule):
    return beside_adamw(on_smaller_side(rule), BETAS, 1e-8, "lr")


def leading(g, rank):
    """Leading left singular vectors from eigenvectors of g g', largest entries positive."""
    u = np.linalg.eigh(g @ g.T)[1][:, ::-1][:, :rank]
    return u * np.sign(u[np.abs(u).argmax(0), range(rank)])


def galore(t, w, g, memory, h):
    if (t - 1) % h.interval == 0:
        memory["P"] = leading(g, int(np.ceil(h.rank * len(g))))
    p = memory["P"]
    n = adam(t, p.T @ g, memory, BETAS, 1e-8)
    return w - h.lr * (0.25 * p @ n + h.weight_decay * w)


def apollo(setting):
    generator = setting.generator()

    def rule(t, w, g, memory, h):
        rank = int(np.ceil(len(g) / 4)) if h.scaling == "channel" else 1
        if (t - 1) % h.interval == 0:
            drawn = torch.randn(rank, len(g), generator=generator, dtype=torch.float64)
            memory["P"] = drawn.numpy() / np.sqrt(rank)
        r = memory["P"] @ g
        n = adam(t, r, memory, BETAS, 1e-8)
        if h.scaling == "channel":
            u = g * (np.linalg.norm(n, axis=0) / np.linalg.norm(r, axis=0))
        else:
            u = g * (np.linalg.norm(n) / np.linalg.norm(r))
        u = limited(u, memory)
        alpha = 1 if h.scaling == "channel" else np.sqrt(128)
        return w - h.lr * (alpha * u + h.weight_decay * w)

    return walked(setting, beside(rule))


def limited(u, memory):
    """Fira's limiter: the norm grows by 1 % at most."""
    before = memory.get("norm")
    if before is not None and np.linalg.norm(u) / before > 1.01:
        u = u / np.linalg.norm(u) * 1.01 * before
    memory["norm"] = np.linalg.norm(u)
    return u


def frugal(setting):
    generator = setting.generator()

    def rule(t, w, g, memory, h):
        if (t - 1) % h.interval == 0:
            order = torch.randperm(g.shape[1], generator=generator).numpy()
            memory.clear()
            memory["begun"] = t - 1
            memory["columns"] = order[: max(1, round(h.density * g.shape[1]))]
        columns = memory["columns"]
        u = np.sign(g)
        u[:, columns] = adam(t - memory["begun"], g[:, columns], memory, BETAS, 1e-8)
        return w - h.lr * (u + h.weight_decay * w)

    return walked(setting, beside_adamw(rule, BETAS, 1e-8, "lr"))


def grass(setting):
    generator = setting.generator()

    def rule(t, w, g, memory, h):
        rank = int(np.ceil(len(g) / 4))
        k = t - 1
        if k == 0:
            memory.update(S=leading(g, rank), m=0.0, v=0.0)
        elif k % h.interval == 0:
            drawn = torch.randn(len(g), rank, generator=generator, dtype=torch.float64).numpy()
            old = memory["S"]
            if h.subspace == "jump":
                new = np.linalg.qr(drawn)[0]
            else:
                tangent = drawn - old @ old.T @ drawn
                u, d, vt = np.linalg.svd(tangent, full_matrices=False)
                angle = np.diag(0.5 * d / d.max())
                cos, sin = np.diag(np.cos(np.diag(angle))), np.diag(np.sin(np.diag(angle)))
                new = (old @ vt.T @ cos + u @ sin) @ vt
            turn = new.T @ old
            mean, square = memory["m"] / (1 - 0.9**k), memory["v"] / (1 - 0.999**k)
            second = np.abs(turn**2 @ (square - mean**2) + (turn @ mean) ** 2)
            memory.update(S=new, m=turn @ memory["m"], v=(1 - 0.999**k) * second)
        basis = memory["S"]
        r = basis.T @ g
        memory["m"] = 0.9 * memory["m"] + 0.1 * r
        memory["v"] = 0.999 * memory["v"] + 0.001 * r**2
        n = memory["m"] / (1 - 0.9**t) / (np.sqrt(memory["v"] / (1 - 0.999**t)) + 1e-8)
        ratio = np.linalg.norm(n, axis=0) / np.linalg.norm(r, axis=0)
        rest = limited((g - basis @ r) * ratio, memory)
        return w - h.lr * (0.25 * (basis @ n + rest) + h.weight_decay * w)

    return walked(setting, beside(rule))


OPTIMIZERS = {
    "galore": elementwise(
        "NumPy: Zhao et al. 2024, algorithm 2",
        beside(galore),
        variants=[{"rank": r, "interval": i} for r in (0.125, 0.5) for i in (10, 50)],
    ),
    "apollo": whole(
        "NumPy: Zhu et al. 2024, algorithm 1",
        apollo,
        variants=[{"scaling": s, "interval": 10} for s in ("channel", "tensor")],
    ),
    "frugal": whole("NumPy: Zmushko et al. 2024, columns", frugal, variants=BY_INTERVAL),
    "grass": whole(
        "NumPy: Rajabi et al. 2025, from memory of it and of SubTrack++",
        grass,
        variants=[{"subspace": s, "interval": 10} for s in ("jump", "walk")],
    ),
}
