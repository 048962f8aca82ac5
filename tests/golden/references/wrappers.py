"""References of optimizer wrappers and gradient transforms, around SGD unless a line says else."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from tests.golden.golden import Values, elementwise, library, whole

#: of the optimizer under a regularizer
LR = 0.05


# -- transforms of a tensor's gradient ------------------------------------------------------------


def centered(t, w, g, memory, h, fact):
    """Yong et al. 2020, eq. 1: the columns of the paper's weight matrix are our rows."""
    least = 3 if h.layers == "filters" else 2
    if g.ndim >= least:
        rows = g.reshape(g.shape[0], -1)
        g = (rows - rows.mean(axis=1)[:, None]).reshape(g.shape)
    return w - LR * g


def centered_momentum(t, w, g, memory, h, fact):
    """Centralized updates of Adam with decay: the authors' Adam with gc_loc=False."""
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    if step.ndim >= 2:
        step = step - step.mean(axis=tuple(range(1, step.ndim)), keepdims=True)
    return w * (1 - LR * 0.3) - LR * step


def unit_clipped(t, w, g, memory, h, fact):
    """Brock et al. 2021, eq. 3; vectors are one unit and the head is left alone."""
    if fact.role == "head":
        return w - LR * g
    units_g = g.reshape(1, -1) if g.ndim < 2 else g.reshape(g.shape[0], -1)
    units_w = w.reshape(units_g.shape)
    new = units_g.copy()
    for i, (gi, wi) in enumerate(zip(units_g, units_w, strict=True)):
        bound = h.clipping * max(np.linalg.norm(wi), 1e-3)
        if np.linalg.norm(gi) > bound:
            new[i] = gi * bound / np.linalg.norm(gi)
    return w - LR * new.reshape(g.shape)


def window_mean(t, w, g, memory, h, fact):
    """Lee et al. 2024, Grokfast-MA, as `gradfilter_ma` with its default warm-up."""
    queue = memory.setdefault("queue", [])
    queue.append(g)
    del queue[: -h.window]
    if len(queue) == h.window:
        g = g + h.amplification * np.mean(queue, axis=0)
    return w - LR * g


def orthogonal(t, w, g, memory, h, fact):
    """Prieto et al. 2025, and the norm of the authors' OrthoGrad."""
    flat_w, flat_g = w.ravel(), g.ravel()
    projection = np.eye(flat_w.size) - np.outer(flat_w, flat_w) / (flat_w @ flat_w)
    new = projection @ flat_g
    if h.rescale:
        new = new * np.linalg.norm(flat_g) / np.linalg.norm(new)
    return w - LR * new.reshape(w.shape)


def globally_clipped(setting):
    """Pascanu et al. 2013, algorithm 1."""
    weights, steps = [w.copy() for w in setting.weights], []
    bound = setting.h["max_norm"]
    for gradients in setting.gradients:
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        factor = bound / norm if norm > bound else 1.0
        weights = [w - LR * factor * g for w, g in zip(weights, gradients, strict=True)]
        steps.append(weights)
    return steps


# -- methods that evaluate elsewhere --------------------------------------------------------------


class Net:
    """The small network as a function of arrays."""

    def __init__(self, setting):
        self.setting, self.model = setting, setting.model()
        self.names = [name for name, _ in self.model.named_parameters()]

    def gradient(self, t, weights, batch=None):
        """The gradient of the batch of step t, or of another batch."""
        inputs, targets = self.setting.batch(t) if batch is None else batch
        tensors = {
            name: torch.tensor(w).requires_grad_()
            for name, w in zip(self.names, weights, strict=True)
        }
        loss = nn.functional.cross_entropy(functional_call(self.model, tensors, inputs), targets)
        return [g.numpy() for g in torch.autograd.grad(loss, list(tensors.values()))]


def norm(arrays):
    return np.sqrt(sum((a**2).sum() for a in arrays))


def sharpness_aware(setting):
    """Foret et al. 2021, algorithm 1, under SGD."""
    net, weights, steps = Net(setting), setting.weights, []
    for t in range(setting.steps):
        g = net.gradient(t, weights)
        above = [w + setting.h["rho"] * a / norm(g) for w, a in zip(weights, g, strict=True)]
        there = net.gradient(t, above)
        weights = [w - LR * a for w, a in zip(weights, there, strict=True)]
        steps.append(weights)
    return steps


def adaptively_sharpness_aware(setting):
    """Kwon et al. 2021, algorithm 1: T = diag(|w| + eta), and 1 for biases."""
    net, weights, steps = Net(setting), setting.weights, []
    h = Values(setting.h)
    for t in range(setting.steps):
        g = net.gradient(t, weights)
        scales = [
            np.ones_like(w) if name.endswith("bias") else np.abs(w) + h.eta
            for name, w in zip(net.names, weights, strict=True)
        ]
        length = norm([s * a for s, a in zip(scales, g, strict=True)])
        above = [
            w + h.rho * s**2 * a / length for w, s, a in zip(weights, scales, g, strict=True)
        ]
        there = net.gradient(t, above)
        weights = [w - LR * a for w, a in zip(weights, there, strict=True)]
        steps.append(weights)
    return steps


REGULARIZERS = {
    "grad_clip_norm": whole(
        "NumPy: Pascanu et al. 2013, algorithm 1",
        globally_clipped,
        variants=[{}, {"max_norm": 60.0}],
    ),
    "adaptive_grad_clip": elementwise(
        "NumPy: Brock et al. 2021, equation 3", unit_clipped, variants=[{}, {"clipping": 0.5}]
    ),
    "gradient_centralization": [
        elementwise(
            "NumPy: Yong et al. 2020, equation 1", centered, variants=[{}, {"layers": "filters"}]
        ),
        elementwise(
            "NumPy: the authors' Adam with gc_loc=False",
            centered_momentum,
            hyper={"of": "update"},
            under=("adamw", {"lr": LR, "weight_decay": 0.3}),
        ),
    ],
    "asam": whole(
        "NumPy: Kwon et al. 2021, algorithm 1", adaptively_sharpness_aware, on_network=True
    ),
    "sam": whole("NumPy: Foret et al. 2021, algorithm 1", sharpness_aware, on_network=True),
    "grokfast_ma": elementwise(
        "NumPy: Lee et al. 2024, the MA filter", window_mean, hyper={"window": 4}
    ),
    "perp_grad": elementwise(
        "NumPy: Prieto et al. 2025, the orthogonal gradient",
        orthogonal,
        variants=[{"rescale": True}, {"rescale": False}],
    ),
}
