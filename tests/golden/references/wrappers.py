"""References of optimizer wrappers and gradient transforms, around SGD unless a line says else."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from suite.components.parameters import mark_head
from tests.golden.golden import Values, elementwise, whole
from tests.golden.walk import SEED

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
        above = [w + h.rho * s**2 * a / length for w, s, a in zip(weights, scales, g, strict=True)]
        there = net.gradient(t, above)
        weights = [w - LR * a for w, a in zip(weights, there, strict=True)]
        steps.append(weights)
    return steps


def gradient_of(net, t, weights, chosen):
    """The mean gradient of some examples of a batch, as one vector."""
    inputs, targets = net.setting.batch(t)
    return flat(net.gradient(t, weights, (inputs[chosen], targets[chosen])))


def flat(arrays):
    return np.concatenate([a.ravel() for a in arrays])


def unflat(vector, like):
    ends = np.cumsum([a.size for a in like])[:-1]
    return [part.reshape(a.shape) for part, a in zip(np.split(vector, ends), like, strict=True)]


def labels_of(net, t):
    return net.setting.batch(t)[1].numpy()


def by_vector(gradient):
    """SGD along `gradient(net, t, weights, memory, h)`, a vector of all weights."""

    def trajectory(setting):
        net, weights, steps, memory = Net(setting), setting.weights, [], {}
        for t in range(setting.steps):
            g = gradient(net, t, weights, memory, Values(setting.h))
            weights = [w - LR * a for w, a in zip(weights, unflat(g, weights), strict=True)]
            steps.append(weights)
        return steps

    return trajectory


def surgery(net, t, weights, memory, h):
    """Yu et al. 2020, algorithm 1; classes as tasks, weighted by their share."""
    random = memory.setdefault("random", net.setting.generator())
    labels = labels_of(net, t)
    tasks = [
        np.mean(labels == c) * gradient_of(net, t, weights, labels == c) for c in np.unique(labels)
    ]
    total = 0
    for i in range(len(tasks)):
        g = tasks[i].copy()
        for j in torch.randperm(len(tasks), generator=random).tolist():
            if i != j and g @ tasks[j] < 0:
                g = g - (g @ tasks[j]) / (tasks[j] @ tasks[j]) * tasks[j]
        total = total + g
    return total


def class_normalized(net, t, weights, memory, h):
    """Francazi et al. 2023: each class's gradient has length 1."""
    labels = labels_of(net, t)
    found = [gradient_of(net, t, weights, labels == c) for c in np.unique(labels)]
    return sum(g / np.linalg.norm(g) for g in found)


def multi_momentum(net, t, weights, memory, h):
    """Tondji et al. 2021: SAGA's estimate with a moving average for each class."""
    labels = labels_of(net, t)
    seen = memory["seen"] = np.concatenate([memory.get("seen", labels[:0]), labels])
    averages = memory.setdefault("averages", {})
    size = sum(w.size for w in weights)
    whole_mean = sum(np.mean(seen == c) * averages.get(c, np.zeros(size)) for c in np.unique(seen))
    control = sum(averages.get(c, np.zeros(size)) for c in labels) / len(labels)
    batch = flat(net.gradient(t, weights))
    for c in np.unique(labels):
        new = gradient_of(net, t, weights, labels == c)
        averages[c] = h.decay * averages.get(c, np.zeros(size)) + (1 - h.decay) * new
    return batch - control + whole_mean


def median_of_three(net, t, weights, memory, h):
    """Chatterjee and Zielinski 2022: four examples in each part of the batch of twelve."""
    parts = [gradient_of(net, t, weights, slice(4 * i, 4 * i + 4)) for i in range(3)]
    return np.sort(parts, axis=0)[1]


def predicted_adamw(setting):
    """Guan et al. 2023, algorithm 1, with the direction from AdamW's moments."""
    net, weights, steps = Net(setting), setting.weights, []
    lr, decay = setting.under[1]["lr"], setting.under[1]["weight_decay"]
    m, v = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]

    def direction(t):
        return [
            a / (1 - 0.9**t) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8)
            for a, b in zip(m, v, strict=True)
        ]

    for t in range(setting.steps):
        ahead = weights
        if t:
            moves = zip(weights, direction(t), strict=True)
            ahead = [w - setting.h["s"] * lr * d for w, d in moves]
        g = net.gradient(t, ahead)
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b**2 for a, b in zip(v, g, strict=True)]
        moves = zip(weights, direction(t + 1), strict=True)
        weights = [w - lr * decay * w - lr * d for w, d in moves]
        steps.append(weights)
    return steps


def averaged_workers(setting):
    """Stich 2019, algorithm 1: round after round, each worker by itself, with its own momentum.

    Returns the mean of the workers after each step of any of them.
    """
    net, h, steps = Net(setting), Values(setting.h), []
    workers = [{"w": setting.weights, "v": [0 * w for w in setting.weights]}] * h.workers
    for t in range(setting.steps):
        k = t % h.workers
        worker = workers[k]
        g = net.gradient(t, worker["w"])
        v = [0.9 * a + b for a, b in zip(worker["v"], g, strict=True)]
        workers[k] = {"w": [w - LR * a for w, a in zip(worker["w"], v, strict=True)], "v": v}
        mean = [sum(some) / h.workers for some in zip(*(x["w"] for x in workers), strict=True)]
        if (t + 1) % (h.workers * h.local_steps) == 0:
            workers = [{**x, "w": mean} for x in workers]
        steps.append(mean)
    return steps


def masked(setting):
    """Sung et al. 2021: the diagonal of the Fisher information, and a mask that stays."""
    net, h, weights, steps = Net(setting), Values(setting.h), setting.weights, []
    samples, size = min(h.samples, int(0.05 * setting.steps * 12)), sum(w.size for w in weights)
    fisher, batches = np.zeros(size), (samples + 11) // 12
    for i in range(samples):
        one = slice(i % 12, i % 12 + 1)
        fisher += gradient_of(net, i // 12, weights, one) ** 2
    named = zip(net.names, weights, strict=True)
    head = flat([np.full(w.shape, name.startswith("2")) for name, w in named])
    fisher[head] = np.inf  # the output layer is always trained, and counts
    kept = max(int(h.keep * size), head.sum() + 1)
    mask = unflat(np.isin(np.arange(size), np.argsort(-fisher)[:kept]), weights)
    for t in range(setting.steps):
        g = net.gradient(t + batches - 1, weights)
        weights = [w - LR * a * m for w, a, m in zip(weights, g, mask, strict=True)]
        steps.append(weights)
    return steps


def trained_activations(setting):
    """Petersen et al. 2024, eq. 5, as the gradient of the outputs and the inputs of the layer."""
    net, weights, steps = Net(setting), setting.weights, []
    for t in range(setting.steps):
        g = net.gradient(t, weights)
        rows = patches(setting.batch(t)[0].numpy(), weights[0].shape)
        square = rows.T @ rows / len(rows) + setting.h["strength"] * np.eye(rows.shape[1])
        first = (g[0].reshape(len(g[0]), -1) @ np.linalg.inv(square)).reshape(g[0].shape)
        weights = [w - LR * a for w, a in zip(weights, [first, *g[1:]], strict=True)]
        steps.append(weights)
    return steps


def patches(inputs, shape):
    """The inputs of a linear layer, or the patches of a convolution of step 2 and padding 1."""
    if len(shape) == 2:
        return inputs
    sizes = shape[2:]
    padded = np.pad(inputs, [(0, 0), (0, 0)] + [(1, 1)] * len(sizes))
    found = []
    for example in padded:
        counts = [(n - k) // 2 + 1 for n, k in zip(example.shape[1:], sizes, strict=True)]
        for at in np.ndindex(*counts):
            cut = tuple(slice(2 * i, 2 * i + k) for i, k in zip(at, sizes, strict=True))
            found.append(example[(slice(None), *cut)].ravel())
    return np.array(found)


def convolution(dimensions):
    """A model whose first layer is a convolution, and batches for it."""
    kind, shape = (nn.Conv1d, (2, 9)) if dimensions == 1 else (nn.Conv2d, (2, 5, 6))

    def model():
        torch.manual_seed(1)
        first = kind(2, 3, 3, stride=2, padding=1)
        outputs = first(torch.zeros(1, *shape)).numel()
        layers = first, nn.Tanh(), nn.Flatten(), mark_head(nn.Linear(outputs, 3))
        return nn.Sequential(*layers).double()

    def batch(step):
        generator = torch.Generator().manual_seed(step % 5)
        inputs = torch.randn(6, *shape, generator=generator, dtype=torch.float64)
        return inputs, torch.randint(3, (6,), generator=generator)

    return {"model": model, "batch": batch}


def binary(weights, h, stochastic):
    """Courbariaux et al. 2015, eq. 1 and 2, with the authors' "Glorot" H."""
    found = []
    for w in weights:
        if w.ndim < 2:
            found.append(w)
            continue
        size = np.sqrt(1.5 / sum(w.shape))
        if stochastic:
            draws = torch.rand(w.shape, dtype=torch.float64).numpy()
            positive = draws < np.clip((w / size + 1) / 2, 0, 1)
        else:
            positive = w >= 0
        found.append(np.where(positive, size, -size))
    return found


def binary_trajectory(evaluated):
    def trajectory(setting):
        torch.manual_seed(SEED)
        net, weights, steps = Net(setting), setting.weights, []
        torch.manual_seed(SEED)  # building the network has drawn numbers
        stochastic = setting.h["stochastic"]
        for t in range(setting.steps):
            g = net.gradient(t, binary(weights, setting.h, stochastic))
            weights = [w - LR * a for w, a in zip(weights, g, strict=True)]
            bounds = [np.sqrt(1.5 / sum(w.shape)) if w.ndim > 1 else np.inf for w in weights]
            weights = [np.clip(w, -b, b) for w, b in zip(weights, bounds, strict=True)]
            shown = evaluated and not stochastic
            steps.append(binary(weights, setting.h, False) if shown else weights)
        return steps

    return trajectory


# -- around the step ------------------------------------------------------------------------------


def cautious_adamw(t, w, g, memory, h, fact):
    """Liang et al. 2024, as in the authors' AdamW."""
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    agree = m * g > 0
    if h.scale == "mean":
        step = step * agree / max(np.mean(agree), 1e-3)
    else:
        step = step * agree * (g.size / (agree.sum() + 1))
    return w - LR * 0.3 * w - LR * step


def cautious_lion(t, w, g, memory, h, fact):
    """Liang et al. 2024, algorithm 1 around Lion."""
    m = memory.get("m", np.zeros_like(w))
    step = np.sign(0.9 * m + 0.1 * g)
    memory["m"] = 0.99 * m + 0.01 * g
    agree = step * g > 0
    return w - LR * 0.3 * w - LR * step * agree * g.size / (agree.sum() + 1)


def slow_and_fast(t, w, g, memory, h, fact):
    """Zhang et al. 2019, algorithm 1, around SGD with momentum, which goes on."""
    slow = memory.setdefault("slow", w)
    memory["v"] = 0.9 * memory.get("v", 0) + g
    fast = w - LR * memory["v"]
    if t % h.k == 0:
        fast = memory["slow"] = slow + h.alpha * (fast - slow)
    return fast


def rotated(t, w, g, memory, h, fact):
    """Carbonnelle and De Vleeschouwer 2018, algorithm 1; vectors get SGD's step."""
    first = memory.setdefault("norm", np.linalg.norm(w))
    if w.ndim < 2:
        return w - LR * g
    step = g - (g * w).sum() * w / (w * w).sum()
    new = w - h.rate * step * np.linalg.norm(w) / np.linalg.norm(step)
    return new * first / np.linalg.norm(new)


def frozen_when_small(t, w, g, memory, h, fact):
    """Wen et al. 2025, algorithm 1, around SGD with momentum and decay in the gradient."""
    before, memory["before"] = memory.get("before"), g
    if fact.role in ("hidden", "conv") and (t - 1) / 25 >= h.grace:
        change = np.inf if before is None else np.abs(g - before).sum()
        size = change if h.of == "change" else np.abs(g).sum()
        memory["frozen"] = memory.get("frozen", False) or size < h.threshold
    if memory.get("frozen"):
        return w
    memory["v"] = 0.9 * memory.get("v", 0) + g + 0.1 * w
    return w - LR * memory["v"]


def held_norm(t, w, g, memory, h, fact):
    """Gupta et al. 2021 around AdamW, whose decay ends with the free phase."""
    held = (t - 1) / 25 >= h.free and fact.role in ("hidden", "conv", "head")
    if held:
        memory.setdefault("norm", np.linalg.norm(w))
        g = g - (g * w).sum() / (w * w).sum() * w
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    step = LR * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    if not held:
        return w - LR * 0.3 * w - step
    return memory["norm"] * (w - step) / np.linalg.norm(w - step)


def kept_signs(t, w, g, memory, h, fact):
    """Wang et al. 2023: a weight that would change its sign becomes small."""
    signs = memory.setdefault("signs", np.sign(w))
    new = w - LR * g
    if w.ndim > 1:
        new[np.sign(new) != signs] = h.magnitude * signs[np.sign(new) != signs]
    return new


def target_variance(t, w, g, memory, h, fact):
    """Owen et al. 2025: the z-score times the target."""
    target = memory.setdefault("target", h.target * w.std(ddof=1))
    new = w - LR * g
    if fact.role in ("hidden", "conv") and t % h.interval == 0:
        deviation = new.std(ddof=1)
        if deviation / target > 1.2:
            new = (new - new.mean()) / deviation * target + new.mean()
    return new


def largest(t, w, g, memory, h, fact):
    """Li et al. 2024, for each tensor."""
    kept = max(1, round(h.keep * g.size))
    least = np.sort(np.abs(g).ravel())[-kept]
    return w - LR * np.where(np.abs(g) >= least, g, 0)


def largest_of_all(setting):
    weights, steps = setting.weights, []
    for gradients in setting.gradients:
        sizes = np.sort(np.abs(flat(gradients)))
        least = sizes[-max(1, round(setting.h["keep"] * len(sizes)))]
        kept = [np.where(np.abs(g) >= least, g, 0) for g in gradients]
        weights = [w - LR * g for w, g in zip(weights, kept, strict=True)]
        steps.append(weights)
    return steps


def braked(t, w, g, memory, h, fact):
    """Venigalla et al. 2020 on SGD with momentum."""
    g = g + h.weight_decay * w
    v = memory.get("v", np.zeros_like(w))
    cosine = (g * v).sum() / max(np.linalg.norm(g) * np.linalg.norm(v), 1e-10)
    memory["v"] = h.momentum * v + (1 - h.rho * cosine) * g
    return w - h.lr * memory["v"]


ADAMW = ("adamw", {"lr": LR, "weight_decay": 0.3})
MOMENTUM = ("sgd", {"lr": LR, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0})
DECAYED = ("sgd", {**MOMENTUM[1], "weight_decay": 0.1})

OPTIMIZERS = {
    "adaptive_braking": elementwise(
        "NumPy: Venigalla et al. 2020, around SGD with momentum",
        braked,
        hyper={"lr": 0.02},
        variants=[{}, {"rho": 0.0}],
    ),
}

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
    "cautious": [
        elementwise(
            "NumPy: the authors' AdamW, and algorithm 1 around AdamW",
            cautious_adamw,
            under=ADAMW,
            variants=[{"scale": "mean"}, {"scale": "count"}],
        ),
        elementwise(
            "NumPy: Liang et al. 2024, algorithm 1 around Lion",
            cautious_lion,
            under=("lion", {"lr": LR, "weight_decay": 0.3}),
        ),
    ],
    "lookahead": elementwise(
        "NumPy: Zhang et al. 2019, algorithm 1 around SGD with momentum",
        slow_and_fast,
        under=MOMENTUM,
        variants=[{"k": k, "alpha": alpha} for k in (5, 10) for alpha in (0.2, 0.5, 0.8)],
    ),
    "layca": elementwise("NumPy: Carbonnelle and De Vleeschouwer 2018, algorithm 1", rotated),
    "pcgrad": whole("NumPy: Yu et al. 2020, algorithm 1", by_vector(surgery), on_network=True),
    "pcngd": whole(
        "NumPy: Francazi et al. 2023, PCNGD", by_vector(class_normalized), on_network=True
    ),
    "discover_multimomentum": whole(
        "NumPy: Tondji et al. 2021, SAGA with a momentum for each class",
        by_vector(multi_momentum),
        on_network=True,
    ),
    "rm3": whole(
        "NumPy: Chatterjee and Zielinski 2022, the median of three means",
        by_vector(median_of_three),
        on_network=True,
    ),
    "xgrad": whole(
        "NumPy: Guan et al. 2023, algorithm 1 with AdamW",
        predicted_adamw,
        on_network=True,
        under=ADAMW,
        variants=[{"s": s} for s in (1, 2, 3)],
    ),
    "local_sgd": whole(
        "NumPy: Stich 2019, algorithm 1 with local momentum",
        averaged_workers,
        on_network=True,
        under=MOMENTUM,
        evaluated=True,
        variants=[{"workers": 2, "local_steps": 1}, {"workers": 4}, {"workers": 8}],
    ),
    "fish_mask": whole(
        "NumPy: Sung et al. 2021, the empirical Fisher information's mask",
        masked,
        on_network=True,
        variants=[{"samples": 256}, {"samples": 32, "keep": 0.7}, {"keep": 0.01}],
    ),
    "tract": [
        whole(
            "NumPy: Petersen et al. 2024, equation 5",
            trained_activations,
            on_network=True,
        ),
        whole(
            "NumPy: Petersen et al. 2024, equation 5, on the patches of signals",
            trained_activations,
            on_network=True,
            **convolution(1),
        ),
        whole(
            "NumPy: Petersen et al. 2024, equation 5, on the patches of images",
            trained_activations,
            on_network=True,
            **convolution(2),
        ),
    ],
    "binaryconnect": [
        whole(
            "NumPy: Courbariaux et al. 2015, algorithm 1: the real weights",
            binary_trajectory(evaluated=False),
            on_network=True,
            variants=[{"stochastic": False}, {"stochastic": True}],
        ),
        whole(
            "NumPy: Courbariaux et al. 2015, section 2.6: the weights to evaluate with",
            binary_trajectory(evaluated=True),
            on_network=True,
            evaluated=True,
            variants=[{"stochastic": False}, {"stochastic": True}],
        ),
    ],
    "grades": elementwise(
        "NumPy: Wen et al. 2025, algorithm 1",
        frozen_when_small,
        under=DECAYED,
        hyper={"grace": 0.3},
        variants=[
            {"threshold": 3.5},
            {"threshold": 85.0},
            {"threshold": 5.0, "of": "change"},
            {"threshold": 120.0, "of": "change"},
        ],
    ),
    "lawn": elementwise(
        "NumPy: Gupta et al. 2021, around AdamW",
        held_norm,
        under=ADAMW,
        variants=[{"free": 0.0}, {"free": 0.4}],
    ),
    "frozen_polarity": elementwise("NumPy: Wang et al. 2023, Freeze-SGD", kept_signs),
    "tvr": elementwise(
        "NumPy: Owen et al. 2025, target variance rescaling",
        target_variance,
        variants=[{"interval": 1}, {"interval": 10}, {"interval": 1, "target": 0.3}],
    ),
    "gmt": [
        elementwise(
            "NumPy: Li et al. 2024, the largest of each tensor",
            largest,
            variants=[{}, {"keep": 0.1}, {"keep": 1.0}],
        ),
        whole(
            "NumPy: Li et al. 2024, the largest of all",
            largest_of_all,
            hyper={"of": "all"},
            variants=[{}, {"keep": 0.1}],
        ),
    ],
}
