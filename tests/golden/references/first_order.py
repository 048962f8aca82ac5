"""References of first-order optimizers: NumPy, written from the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.golden.golden import elementwise, library, measured, whole
from tests.golden.walk import SEED, arrays, deviation, fixed, make_steps, mean_output, network


def length(arrays):
    """The norm of all arrays as one vector."""
    return math.sqrt(sum(float((a**2).sum()) for a in arrays))


def sgdw(t, w, g, memory, h, fact):
    """Loshchilov and Hutter 2019, algorithm 1, at a constant schedule multiplier of 1."""
    memory["m"] = h.momentum * memory.get("m", 0.0) + h.lr * g
    return w - memory["m"] - h.weight_decay * w


def torch_sgd(parameters, h):
    """torch.optim.SGD under a decay by hand."""

    class Decayed(torch.optim.SGD):
        @torch.no_grad()
        def step(self):
            for p in parameters:
                p.mul_(1 - h.weight_decay)
            super().step()

    return Decayed(parameters, h.lr, h.momentum)


def signsgd_momentum(t, w, g, memory, h, fact):
    """Bernstein et al. 2018, Signum."""
    memory["m"] = h.momentum * memory.get("m", 0.0) + (1 - h.momentum) * g
    return w - h.lr * np.sign(memory["m"])


def normalized_sgd_momentum(setting):
    """Cutkosky and Mehta 2020, algorithm 1, started from m = 0."""
    h, w = setting.h, setting.weights
    m, found = [np.zeros_like(x) for x in w], []
    for gradients in setting.gradients:
        m = [h["momentum"] * a + (1 - h["momentum"]) * g for a, g in zip(m, gradients, strict=True)]
        size = length(m)
        w = [x - h["lr"] * a / size for x, a in zip(w, m, strict=True)]
        found.append(w)
    return found


def normalized_gd_beta(setting):
    """Chen et al. 2023, algorithm 1."""
    h, w, found = setting.h, setting.weights, []
    for gradients in setting.gradients:
        rate = h["lr"] / length(gradients) ** h["beta"]
        w = [x - rate * g for x, g in zip(w, gradients, strict=True)]
        found.append(w)
    return found


class Net:
    """The small network of the setting, by NumPy: linear, tanh, linear, cross entropy."""

    def __init__(self, setting):
        self.batch = lambda step: [x.numpy() for x in setting.batch(step)]

    def probabilities(self, w, step):
        return self.of(w, *self.batch(step))

    def of(self, w, inputs, targets):
        hidden = np.tanh(inputs @ w[0].T + w[1])
        scores = hidden @ w[2].T + w[3]
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return inputs, targets, hidden, scores / scores.sum(1, keepdims=True)

    def loss(self, w, step):
        _, targets, _, p = self.probabilities(w, step)
        return -np.log(p[np.arange(len(targets)), targets]).mean()

    def gradient(self, w, step):
        return self.gradient_of(w, *self.batch(step))

    def gradient_of(self, w, inputs, targets):
        inputs, targets, hidden, p = self.of(w, inputs, targets)
        error = (p - np.eye(p.shape[1])[targets]) / len(targets)
        back = (error @ w[2]) * (1 - hidden**2)
        return [back.T @ inputs, back.sum(0), error.T @ hidden, error.sum(0)]


def normalized_logreg_gd(setting):
    """Tyurin 2024: examples weigh 1 - p_i over the sum of these weights."""
    net, w, found = Net(setting), setting.weights, []
    for t in range(setting.steps):
        _, targets, _, p = net.probabilities(w, t)
        weight = (1 - p[np.arange(len(targets)), targets]).mean()
        w = [x - setting.h["lr"] * g / weight for x, g in zip(w, net.gradient(w, t), strict=True)]
        found.append(w)
    return found


def optimistic_gradient(setting):
    """Hsieh et al. 2019, the optimistic gradient (OG): the leading states move by 2 g_t - g_t-1.

    The base states are a step of the last gradient ahead of the leading ones.
    """
    net, lead, found = Net(setting), setting.weights, []
    last = [np.zeros_like(x) for x in lead]
    for t in range(setting.steps):
        g = net.gradient(lead, t)
        base = [x + setting.h["lr"] * (b - a) for x, a, b in zip(lead, g, last, strict=True)]
        lead = [x - setting.h["lr"] * a for x, a in zip(base, g, strict=True)]
        last = g
        found.append(base)
    return found


def random_scaled_sgdm(setting):
    """Zhang and Cutkosky 2024: the increment Delta of SGDM, times an exponential number."""
    h, w, found, generator = setting.h, setting.weights, [], setting.generator()
    delta = [np.zeros_like(x) for x in w]
    for gradients in setting.gradients:
        s = float(torch.empty((), dtype=torch.float64).exponential_(generator=generator))
        rate = (1 - h["momentum"]) * h["lr"]
        delta = [h["momentum"] * d - rate * g for d, g in zip(delta, gradients, strict=True)]
        w = [x + s * d for x, d in zip(w, delta, strict=True)]
        found.append(w)
    return found


def exp_gradient(t, w, g, memory, h, fact):
    """Pogodin et al. 2024: the mirror map, a step of its value, and the map's inverse."""
    if len(fact.shape) < 2:
        return w - h.bias_lr * g
    if h.potential == "entropy":
        dual = np.log(np.abs(w)) - h.lr * np.sign(w) * g
        return np.sign(w) * np.exp(dual)
    dual = np.sign(w) * np.abs(w) ** 2 - h.lr * g
    return np.sign(dual) * np.abs(dual) ** 0.5


def lion_k(net_of=None):
    """Chen et al. 2024, Lion-K; gradients are given, or those of a network."""

    def trajectory(setting):
        h, w, found = setting.h, setting.weights, []
        net = net_of and net_of(setting)
        m = [np.zeros_like(x) for x in w]
        for t in range(setting.steps):
            g = net.gradient(w, t) if net else setting.gradients[t]
            u = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
            m = [0.99 * a + 0.01 * b for a, b in zip(m, g, strict=True)]
            size = length(u)
            step = {
                "l1": lambda x: np.sign(x),
                "l2": lambda x, size=size: x / size,
                "truncated": lambda x: np.where(np.abs(x) > 1e-3, np.sign(x), 0.0),
                "huber": lambda x: np.where(np.abs(x) > 1e-3, np.sign(x), x / 1e-3),
            }[h["kappa"]]
            w = [x - h["lr"] * (step(a) + h["weight_decay"] * x) for x, a in zip(w, u, strict=True)]
            found.append(w)
        return found

    return trajectory


def lars(t, w, g, memory, h, fact, rate=1.0):
    """You et al. 2017, algorithm 1, with trust coefficient 0.001."""
    local = 0.001 * length([w]) / (length([g]) + h.weight_decay * length([w]))
    step = rate * h.lr * local * (g + h.weight_decay * w)
    memory["v"] = h.get("momentum", 0.9) * memory.get("v", 0.0) + step
    return w - memory["v"]


def tvlars(t, w, g, memory, h, fact):
    """Do et al. 2023, phi at step t - 1 of 25 steps."""
    slope, start = h.steepness / 25, h.delay * 25
    phi = 1 / (1.0 + np.exp(slope * (t - 1 - start))) + 0.01
    return lars(t, w, g, memory, h, fact, phi)


def lamb(t, w, g, memory, h, fact):
    """You et al. 2020, algorithm 2."""
    m = memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0.0) + 0.001 * g**2
    r = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6) + h.weight_decay * w
    return w - h.lr * length([w]) / length([r]) * r


def distance_over_gradients(layers, averaged):
    """Ivgi et al. 2023, DoG or L-DoG, and the polynomial-decay average with gamma = 8."""

    def trajectory(setting):
        h, starts = setting.h, setting.weights
        parts = [[i] for i in range(len(starts))] if layers else [list(range(len(starts)))]
        w, mean, found = list(starts), list(starts), []
        walked = [h["first"] * (1 + length([starts[i] for i in part])) for part in parts]
        seen = [1e-8 for _ in parts]
        for t, gradients in enumerate(setting.gradients, start=1):
            for number, part in enumerate(parts):
                far = length([w[i] - starts[i] for i in part])
                walked[number] = max(walked[number], far)
                seen[number] += length([gradients[i] for i in part]) ** 2
                for i in part:
                    rate = h["lr"] * walked[number] / math.sqrt(seen[number])
                    w[i] = w[i] - rate * gradients[i]
            share = 9 / (t + 8)
            mean = [(1 - share) * a + share * x for a, x in zip(mean, w, strict=True)]
            found.append(list(mean if averaged else w))
        return found

    return trajectory


def prodigy(setting):
    """Mishchenko and Defazio 2024, algorithm 4, in the paper's own r and s.

    On a network: along random gradients d would stay at its first value.
    """
    h, starts, net = setting.h, setting.weights, Net(setting)
    w, found, d, beta = starts, [], 1e-6, math.sqrt(0.999)
    m, v, s = ([np.zeros_like(x) for x in w] for _ in range(3))
    r = 0.0
    for t in range(setting.steps):
        gradients = net.gradient(w, t)
        pairs = list(zip(gradients, starts, w, strict=True))
        inner = sum(float((g * (x0 - x)).sum()) for g, x0, x in pairs)
        m = [0.9 * a + 0.1 * d * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * d**2 * g**2 for a, g in zip(v, gradients, strict=True)]
        r = beta * r + (1 - beta) * h["lr"] * d**2 * inner
        s = [beta * a + (1 - beta) * h["lr"] * d**2 * g for a, g in zip(s, gradients, strict=True)]
        better = h["d_coef"] * r / sum(np.abs(a).sum() for a in s)
        now = d
        d = max(d, better)
        # The authors' code has the new d in the epsilon only.
        w = [
            x * (1 - h["lr"] * now * h["weight_decay"])
            - h["lr"] * now * a / (np.sqrt(b) + d * 1e-8)
            for x, a, b in zip(w, m, v, strict=True)
        ]
        found.append(w)
    return found


def dadapt_adam(setting):
    """Defazio and Mishchenko 2023, algorithm 5, with the v of the step before in the product."""
    h, w, found, d, beta = setting.h, setting.weights, [], 1e-6, math.sqrt(0.999)
    m, v, s = ([np.zeros_like(x) for x in w] for _ in range(3))
    net, r = Net(setting), 0.0
    for t in range(setting.steps):
        gradients = net.gradient(w, t)
        rate = d * h["lr"]
        triples = zip(gradients, s, v, strict=True)
        inner = sum(float((g * a / (np.sqrt(b) + 1e-8)).sum()) for g, a, b in triples)
        r = beta * r + (1 - beta) * rate * inner
        m = [0.9 * a + 0.1 * rate * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * g**2 for a, g in zip(v, gradients, strict=True)]
        s = [beta * a + (1 - beta) * rate * g for a, g in zip(s, gradients, strict=True)]
        w = [
            x * (1 - rate * h["weight_decay"]) - a / (np.sqrt(b) + 1e-8)
            for x, a, b in zip(w, m, v, strict=True)
        ]
        d = max(d, r / ((1 - beta) * sum(np.abs(a).sum() for a in s)))
        found.append(w)
    return found


def induced_metric(setting):
    """Harvey 2025, the three forms of the authors' code, on a network for the loss of "log"."""
    h, net, w, found = setting.h, Net(setting), setting.weights, []
    m, v, metric = [0.0 for _ in w], [0.0 for _ in w], 0.0
    for t in range(1, setting.steps + 1):
        loss, gradients = net.loss(w, t - 1), net.gradient(w, t - 1)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [0.99 * a + 0.01 * g**2 for a, g in zip(v, gradients, strict=True)]
        q = [
            np.sqrt(a / (1 - 0.99**t)) + 1e-8 if h["form"] == "rms" else np.ones_like(a) for a in v
        ]
        trace = h["xi"] * sum((g**2 / b).sum() for g, b in zip(gradients, q, strict=True))
        metric = 0.1 * metric + 0.9 * trace
        n = metric / (1 - 0.1**t)
        scale = loss / (loss**2 + n) if h["form"] == "log" else 1 / (1 + n)
        w = [
            x * (1 - h["lr"] * h["weight_decay"]) - h["lr"] * scale * a / (1 - 0.9**t) / b
            for x, a, b in zip(w, m, q, strict=True)
        ]
        found.append(w)
    return found


def spider(setting):
    """Chen et al. 2023, algorithm 2, normalized; a refresh is the mean of `period` batches."""
    h, net, w, found, batch = setting.h, Net(setting), setting.weights, [], 0
    before, v = w, [np.zeros_like(x) for x in w]
    for t in range(setting.steps):
        if t % h["period"] == 0:
            some = [net.gradient(w, batch + i) for i in range(h["period"])]
            v = [sum(parts) / h["period"] for parts in zip(*some, strict=True)]
            batch += h["period"]
        else:
            new, old = net.gradient(w, batch), net.gradient(before, batch)
            v = [a + b - c for a, b, c in zip(v, new, old, strict=True)]
            batch += 1
        before, size = w, length(v)
        w = [x - h["lr"] * a / size for x, a in zip(w, v, strict=True)]
        found.append(w)
    return found


def lbfgs(iterations):
    """Nocedal and Wright 2006, algorithms 7.4 and 7.5, with any search for the strong Wolfe rule.

    Every point at which the component evaluates must be on the ray of the two-loop direction, and
    it must go on from a point that satisfies the rule.
    """

    def measure():
        h = {"lr": 1.0, "iterations": iterations}
        setting = network(h, ("lbfgs", h))
        net, worst, points = Net(setting), 0.0, []
        steps, model, _ = make_steps(
            setting, [("optimizer", "lbfgs")], {"lbfgs": h}, torch.nn.functional.cross_entropy
        )
        model.register_forward_pre_hook(lambda *_: points.append(flat(arrays(model.parameters()))))
        pairs = []
        for t in range(setting.steps):
            points.clear()
            steps.take(t / setting.steps)
            w, *tried = points
            loss, g = value(net, setting, w, t)
            moves = 0
            while tried:
                d = two_loop(g, pairs)
                # The points of a search follow one another.
                count = next((i for i, x in enumerate(tried) if off_ray(x - w, d) >= 1e-6), None)
                on_ray = tried[:count]
                assert on_ray, "a point is off the ray"
                worst = max(worst, *(off_ray(x - w, d) for x in on_ray))
                kept = None
                for x in on_ray:
                    new, gradient = value(net, setting, x, t)
                    enough = new <= loss + 1e-4 * (g @ (x - w))
                    flat_enough = abs(gradient @ d) <= 0.9 * abs(g @ d)
                    if enough and flat_enough:
                        kept = x, new, gradient
                assert kept is not None, "no point satisfies the strong Wolfe conditions"
                tried, moves = tried[len(on_ray) :], moves + 1
                s, y = kept[0] - w, kept[2] - g
                if tried and s @ y > 1e-10:  # the last move of a step leaves no pair
                    pairs = [*pairs, (s, y)][-10:]
                w, loss, g = kept
            assert 0 < moves <= iterations
            found = flat(arrays(model.parameters()))
            worst = max(worst, np.abs(found - w).max() / np.abs(found - points[0]).max())
        return worst

    return measure


def flat(some):
    return np.concatenate([a.ravel() for a in some])


def value(net, setting, vector, step):
    """The loss and the gradient of the network at a vector of all weights."""
    sizes = np.cumsum([w.size for w in setting.weights])[:-1]
    parts = zip(np.split(vector, sizes), setting.weights, strict=True)
    w = [a.reshape(b.shape) for a, b in parts]
    return net.loss(w, step), flat(net.gradient(w, step))


def two_loop(g, pairs):
    """Algorithm 7.4: minus the product of the inverse Hessian's approximation with g."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        q += s * (alpha - (y @ q) / (s @ y))
    return -q


def off_ray(move, direction):
    """How far a move is from the ray, relative to its length; 1 or more if it goes backwards."""
    along = (move @ direction) / (direction @ direction)
    if along <= 0:
        return 1.0
    return float(np.abs(move - along * direction).max() / np.abs(move).max())


def upgd(setting):
    """Elsayed and Mahmood 2024, algorithm 1, and its form without protection."""
    h, w, found = setting.h, setting.weights, []
    u = [np.zeros_like(x) for x in w]
    torch.manual_seed(SEED)
    for t, gradients in enumerate(setting.gradients, start=1):
        u = [
            h["beta"] * a - (1 - h["beta"]) * g * x for a, g, x in zip(u, gradients, w, strict=True)
        ]
        eta, new = max(a.max() for a in u), []
        for x, g, a in zip(w, gradients, u, strict=True):
            scaled = 1 / (1 + np.exp(-(a / (1 - h["beta"] ** t)) / eta))
            noise = h["sigma"] * torch.randn(x.shape, dtype=torch.float64).numpy()
            step = (g + noise) * (1 - scaled) if h["protecting"] else g + noise * (1 - scaled)
            new.append((1 - h["lr"] * h["weight_decay"]) * x - h["lr"] * step)
        w = new
        found.append(w)
    return found


def tag(base):
    """Malviya et al. 2022, over three tasks of 8 or 9 steps."""

    def measure():
        h = {"lr": 1e-3, "strength": 5.0, "base": base}
        setting = fixed(h, ("tag", h))
        steps, model, _ = make_steps(
            setting, [("optimizer", "tag")], {"tag": h}, mean_output, tasks=3
        )
        taken, expected, task = [], [], 0
        beta = 0.99 if base == "rmsprop" else 0.999
        w = setting.weights
        moments = [[np.zeros_like(x) for x in w] for _ in range(3)]
        squares = [[np.zeros_like(x) for x in w] for _ in range(3)]
        steps.start()
        k = 0
        for t, gradients in enumerate(setting.gradients):
            if t in (8, 17):
                task, k = task + 1, 0
                steps.change_task(task)
            steps.take(t / 25)
            taken.append([p.detach().numpy().copy() for p in model.parameters()])
            new, k = [], k + 1
            for i, (x, g) in enumerate(zip(w, gradients, strict=True)):
                m = moments[task][i] = 0.9 * moments[task][i] + 0.1 * g
                v = squares[task][i] = beta * squares[task][i] + (1 - beta) * g**2
                total = v * np.exp(-5.0) if task else v
                for s in range(task):
                    other = moments[s][i]
                    cosine = (m * other).sum() / (length([m]) * length([other]))
                    total = total + np.exp(-5.0 * cosine) * squares[s][i]
                if base == "adam":
                    step = m / (1 - 0.9**k) / (np.sqrt(total / (1 - beta**k)) + 1e-8)
                else:
                    step = g / (np.sqrt(total) + 1e-8)
                new.append(x - 1e-3 * step)
            w = new
            expected.append(w)
        return deviation(taken, expected, setting.weights)

    return measure


def alphaadam(t, w, g, memory, h, fact):
    """AdamW with rate 0.01 and decay 0.1; its step masked and as long as before, bounded."""
    m = memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0.0) + 0.001 * g**2
    u = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    masked = np.where(m * g > 0, u, 0.0)
    alpha = min(length([u]) / length([masked]), h.bound) if masked.any() else 1.0
    return w - 0.01 * alpha * masked - 0.01 * 0.1 * w


OPTIMIZERS = {
    "sgdw": [
        elementwise("NumPy: Loshchilov and Hutter 2019, algorithm 1", sgdw),
        library("torch.optim.SGD, decayed by hand", torch_sgd),
    ],
    "signsgd_momentum": elementwise("NumPy: Bernstein et al. 2018, Signum", signsgd_momentum),
    "normalized_sgd_momentum": whole(
        "NumPy: Cutkosky and Mehta 2020, algorithm 1", normalized_sgd_momentum
    ),
    "normalized_gd_beta": whole(
        "NumPy: Chen et al. 2023, algorithm 1",
        normalized_gd_beta,
        variants=[{"beta": 2 / 3}, {"beta": 0.0}, {"beta": 1.0}],
    ),
    "normalized_logreg_gd": whole(
        "NumPy: Tyurin 2024, Normalized LR+GD", normalized_logreg_gd, on_network=True
    ),
    "optimistic_gradient": whole(
        "NumPy: Hsieh et al. 2019, optimistic gradient", optimistic_gradient, on_network=True
    ),
    "random_scaled_sgdm": whole("NumPy: Zhang and Cutkosky 2024, SGDM", random_scaled_sgdm),
    "exp_gradient": elementwise(
        "NumPy: Pogodin et al. 2024, mirror descent",
        exp_gradient,
        hyper={"lr": 0.01},
        variants=[{"potential": "entropy"}, {"potential": "3-norm"}],
    ),
    "lion_k": [
        whole(
            "NumPy: Chen et al. 2024, Lion-K",
            lion_k(),
            variants=[{"kappa": k} for k in ("l1", "l2", "truncated", "huber")],
        ),
        whole(
            "NumPy: Chen et al. 2024, Lion-K, on a network",
            lion_k(Net),
            variants=[{"kappa": k} for k in ("l1", "l2", "truncated", "huber")],
            on_network=True,
        ),
    ],
    "lars": elementwise("NumPy: You et al. 2017, algorithm 1", lars),
    "lamb": elementwise("NumPy: You et al. 2020, algorithm 2", lamb),
    "tvlars": elementwise("NumPy: Do et al. 2023, LARS times phi", tvlars),
    "dog": [
        whole("NumPy: Ivgi et al. 2023, DoG", distance_over_gradients(False, False)),
        whole(
            "NumPy: Ivgi et al. 2023, DoG, averaged",
            distance_over_gradients(False, True),
            evaluated=True,
        ),
    ],
    "ldog": [
        whole("NumPy: Ivgi et al. 2023, L-DoG", distance_over_gradients(True, False)),
        whole(
            "NumPy: Ivgi et al. 2023, L-DoG, averaged",
            distance_over_gradients(True, True),
            evaluated=True,
        ),
    ],
    "prodigy": whole(
        "NumPy: Mishchenko and Defazio 2024, algorithm 4",
        prodigy,
        variants=[{}, {"d_coef": 0.5, "lr": 2.0}],
        on_network=True,
    ),
    "dadapt_adam": whole(
        "NumPy: Defazio and Mishchenko 2023, algorithm 5",
        dadapt_adam,
        variants=[{}, {"lr": 2.0}],
        on_network=True,
    ),
    "induced_metric_opt": whole(
        "NumPy: Harvey 2025, three forms",
        induced_metric,
        variants=[{"form": form} for form in ("plain", "log", "rms")],
        on_network=True,
    ),
    "spider": whole(
        "NumPy: Chen et al. 2023, algorithm 2",
        spider,
        variants=[{"period": 5}, {"period": 3}],
        on_network=True,
    ),
    "lbfgs": [
        measured("NumPy: Nocedal and Wright 2006, algorithms 7.4 and 7.5", lbfgs(4)),
        measured("NumPy: the same with 2 iterations a step", lbfgs(2)),
    ],
    "upgd": whole(
        "NumPy: Elsayed and Mahmood 2024, algorithm 1",
        upgd,
        variants=[{"protecting": True}, {"protecting": False}, {"beta": 0.9}],
    ),
    "tag": [
        measured("NumPy: Malviya et al. 2022, TAG-RMSProp, three tasks", tag("rmsprop")),
        measured("NumPy: Malviya et al. 2022, TAG-Adam, three tasks", tag("adam")),
    ],
}
REGULARIZERS = {
    "alphaadam": elementwise(
        "NumPy: AdamW with masked steps of the same norm",
        alphaadam,
        under=("adamw", {"lr": 0.01, "weight_decay": 0.1}),
        variants=[{"bound": 2.0}, {"bound": 1.1}],
    ),
}
