"""References of methods for tasks that follow one another: NumPy on a stream of three tasks.

A network of two hidden layers learns two more of six classes in each of three tasks. Forward and
backward passes are NumPy's here.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from suite.components import registry
from suite.components.parameters import mark_head
from tests.golden.golden import SGD, Golden, Values, measured
from tests.golden.walk import STEPS, arrays, deviation, make_steps, network

EXAMPLES, FEATURES, CLASSES, TASKS = 12, 5, 6, 3
#: the steps before which a task begins
CHANGES = {9: 1, 18: 2}
RATE = SGD[1]["lr"]


def stream_model():
    torch.manual_seed(2)
    first, second = nn.Linear(FEATURES, 8), nn.Linear(8, 7)
    head = mark_head(nn.Linear(7, CLASSES))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), head).double()


def stream_batch(step):
    generator = torch.Generator().manual_seed(step)
    task = sum(step >= change for change in CHANGES)
    inputs = torch.randn(EXAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    return inputs, 2 * task + torch.randint(2, (EXAMPLES,), generator=generator)


def on_stream(reference, name, trajectory, *, beside=(), tasks=TASKS, **hyper) -> Golden:
    """The component on the stream against `trajectory(setting, h)`, the weights of each step.

    `beside` are regularizers to the right of it, with their hyperparameters.
    """

    def measure():
        chosen = {**registry.get("regularizer", name).defaults, **hyper}
        setting = network(chosen, SGD, model=stream_model, batch=stream_batch)
        parts = {SGD[0]: SGD[1], name: chosen, **dict(beside)}
        names = [("optimizer", SGD[0]), *(("regularizer", part) for part in list(parts)[1:])]
        steps, model, _ = make_steps(
            setting, names, parts, nn.functional.cross_entropy, classes=CLASSES, tasks=tasks
        )
        found = []
        steps.start()
        for t in range(STEPS):
            if t in CHANGES and tasks is not None:
                steps.change_task(CHANGES[t])
            steps.take((t + 0.5) / STEPS)
            found.append(arrays(model.parameters()))
        expected = trajectory(setting, Values(chosen))
        return deviation(found, expected, setting.weights)

    return measured(reference, measure)


# -- a network in NumPy ---------------------------------------------------------------------------


class Net:
    """Weights w1, b1, w2, b2, w3, b3; `passed` has what enters each layer."""

    def __init__(self, weights):
        self.w = [w.copy() for w in weights]

    def forward(self, x):
        self.passed = [x]
        for i in (0, 2):
            self.passed.append(np.maximum(self.passed[-1] @ self.w[i].T + self.w[i + 1], 0))
        return self.passed[-1] @ self.w[4].T + self.w[5]

    def backward(self, at_outputs):
        """Gradients of the weights, and those at the layers' outputs, last layer first."""
        found, self.at_outputs = [], []
        for i in (4, 2, 0):
            entered = self.passed[i // 2]
            self.at_outputs.append(at_outputs)
            found = [at_outputs.T @ entered, at_outputs.sum(0), *found]
            at_outputs = (at_outputs @ self.w[i]) * (entered > 0)
        return found

    def gradient(self, x, y):
        """Of the mean cross entropy."""
        return self.backward((softmax(self.forward(x)) - np.eye(CLASSES)[y]) / len(x))

    def step(self, gradient):
        self.w = [w - RATE * g for w, g in zip(self.w, gradient, strict=True)]
        return [w.copy() for w in self.w]


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def batch_of(step):
    x, y = stream_batch(step)
    return x.numpy(), y.numpy()


def dot(a, b):
    return sum((x * y).sum() for x, y in zip(a, b, strict=True))


def projected(g, r):
    """g without its part along r, if it points against r."""
    if dot(g, r) >= 0:
        return g
    return [a - dot(g, r) / dot(r, r) * b for a, b in zip(g, r, strict=True)]


class Reservoir:
    """Vitter 1985, algorithm R."""

    def __init__(self, capacity, generator):
        self.kept, self.seen, self.capacity, self.generator = [], 0, capacity, generator

    def add(self, x, y):
        for example in zip(x, y, strict=True):
            if self.seen < self.capacity:
                self.kept.append(example)
            else:
                place = int(torch.randint(self.seen + 1, (), generator=self.generator))
                if place < self.capacity:
                    self.kept[place] = example
            self.seen += 1

    def sample(self, count):
        order = torch.randperm(len(self.kept), generator=self.generator)[:count]
        return [self.kept[i] for i in order]


def stacked(examples):
    x, y = zip(*examples, strict=True)
    return np.stack(x), np.stack(y)


# -- replay and projection ------------------------------------------------------------------------


def replay(setting, h):
    """Chaudhry et al. 2019 (tiny episodic memories), algorithm 1 with reservoir sampling."""
    net, generator, steps = Net(setting.weights), setting.generator(), []
    memory = Reservoir(h.capacity, generator)
    for t in range(STEPS):
        x, y = batch_of(t)
        old = memory.sample(len(x)) if memory.kept else []
        memory.add(x, y)
        steps.append(net.step(net.gradient(*stacked([*zip(x, y, strict=True), *old]))))
    return steps


def agem(joint, known=True):
    """Chaudhry et al. 2019 (A-GEM), equation 11; `joint` mixes in the reference gradient."""

    def trajectory(setting, h):
        net, generator, steps, memories = Net(setting.weights), setting.generator(), [], []
        for t in range(STEPS):
            if t == 0 or (known and t in CHANGES):
                memories.append(Reservoir(h.capacity // (TASKS if known else 1), generator))
            x, y = batch_of(t)
            readable = memories[:-1] if known else memories
            sizes = [len(m.kept) for m in readable]
            old = []
            if sum(sizes):
                places = torch.randperm(sum(sizes), generator=generator)[: len(x)].numpy()
                bounds = np.cumsum([0, *sizes])
                for i, m in enumerate(readable):
                    count = int(((bounds[i] <= places) & (places < bounds[i + 1])).sum())
                    old += m.sample(count) if count else []
            memories[-1].add(x, y)
            g = net.gradient(x, y)
            if old:
                r = net.gradient(*stacked(old))
                share = h.share if joint else 1.0
                g = projected([share * a + (1 - share) * b for a, b in zip(g, r, strict=True)], r)
            steps.append(net.step(g))
        return steps

    return trajectory


# -- penalties, distillation, masks ---------------------------------------------------------------


def ewc(setting, h):
    """Kirkpatrick et al. 2017, equation 3, with the empirical Fisher of the task's last batch."""
    net, steps, held = Net(setting.weights), [], []
    for t in range(STEPS):
        if t in CHANGES:
            x, y = batch_of(t - 1)
            each = [net.gradient(x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
            fisher = [np.mean(np.square(gs), axis=0) for gs in zip(*each, strict=True)]
            held.append((fisher, copy.deepcopy(net.w)))
        g = net.gradient(*batch_of(t))
        for fisher, before in held:
            terms = zip(g, fisher, net.w, before, strict=True)
            g = [a + h.strength * f * (w - w0) for a, f, w, w0 in terms]
        steps.append(net.step(g))
    return steps


def plwf(setting, h):
    """Feng et al. 2022: all earlier models teach, and conflicting gradients are projected."""
    net, steps, teachers = Net(setting.weights), [], []
    for t in range(STEPS):
        if t in CHANGES:
            teachers.append((Net(net.w), np.arange(2 * CHANGES[t])))
        x, y = batch_of(t)
        g = net.gradient(x, y)
        if teachers:
            scores = net.forward(x)
            at_outputs = np.zeros_like(scores)
            for teacher, classes in teachers:
                q = softmax(teacher.forward(x)[:, classes] / 2)
                p = softmax(scores[:, classes] / 2)
                # T^2 times the derivative of KL(q || p) by scores that are divided by T = 2
                at_outputs[:, classes] += 4 / 2 * (p - q) / len(x)
            old = net.backward(h.strength / len(teachers) * at_outputs)
            sums = zip(projected(g, old), projected(old, g), strict=True)
            g = [a + b for a, b in sums]
        steps.append(net.step(g))
    return steps


def masked(known):
    """The cross entropy of current examples, with a constant for the scores of other classes."""

    def trajectory(setting, h):
        net, steps = Net(setting.weights), []
        for t in range(STEPS):
            x, y = batch_of(t)
            task = sum(t >= change for change in CHANGES)
            seen = {int(c) for s in range(t + 1) for c in batch_of(s)[1] if c // 2 == task}
            own = np.isin(np.arange(CLASSES), list(seen) if known else np.unique(y))
            scores = np.where(own, net.forward(x), h.mask)
            steps.append(net.step(net.backward(own * (softmax(scores) - np.eye(CLASSES)[y]) / 12)))
        return steps

    return trajectory


def masked_replay(setting, h):
    """New examples are masked, replayed ones are not."""
    net, steps = Net(setting.weights), []
    memory = Reservoir(100, setting.generator())
    for t in range(STEPS):
        x, y = batch_of(t)
        old = memory.sample(len(x)) if memory.kept else []
        memory.add(x, y)
        task = sum(t >= change for change in CHANGES)
        seen = {int(c) for s in range(t + 1) for c in batch_of(s)[1] if c // 2 == task}
        x, y = stacked([*zip(x, y, strict=True), *old])
        compared = np.ones((len(x), CLASSES), dtype=bool)
        compared[:EXAMPLES] = np.isin(np.arange(CLASSES), list(seen))
        scores = np.where(compared, net.forward(x), h.mask)
        slopes = compared * (softmax(scores) - np.eye(CLASSES)[y]) / len(x)
        steps.append(net.step(net.backward(slopes)))
    return steps


# -- gradient projection memory -------------------------------------------------------------------


def dgp(setting, h):
    """Saha et al. 2021, algorithm 1, for what enters a layer and for gradients at its outputs."""
    net, steps = Net(setting.weights), []
    bases = [[np.zeros((w.shape[1] + 1, 0)), np.zeros((w.shape[0], 0))] for w in net.w[::2]]
    for t in range(STEPS):
        if t in CHANGES:
            net.gradient(*batch_of(t - 1))
            for i, basis in enumerate(bases):
                entered = np.hstack([net.passed[i], np.ones((EXAMPLES, 1))])
                basis[0] = grown(basis[0], entered.T, h.outputs)
                basis[1] = grown(basis[1], net.at_outputs[2 - i].T, h.sample_gradients)
        g = net.gradient(*batch_of(t))
        for i, (m, n) in enumerate(bases):
            whole = np.hstack([g[2 * i], g[2 * i + 1][:, None]])
            whole = whole - whole @ m @ m.T
            whole = whole - n @ n.T @ whole
            g[2 * i], g[2 * i + 1] = whole[:, :-1], whole[:, -1]
        steps.append(net.step(g))
    return steps


def grown(basis, columns, threshold):
    """Equations 5, 8 and 9; `columns` of shape (d, examples)."""
    rest = columns - basis @ basis.T @ columns
    values, vectors = np.linalg.eigh(rest @ rest.T)
    total, held = (columns**2).sum(), (columns**2).sum() - (rest**2).sum()
    for k in np.argsort(values)[::-1]:
        if held >= threshold * total or values[k] < 1e-12 * total:
            break
        basis = np.hstack([basis, vectors[:, [k]]])
        held += values[k]
    return basis


# -- units that start anew ------------------------------------------------------------------------


def drawn(initial, shape, generator):
    return initial.flatten()[torch.randint(initial.size, shape, generator=generator).numpy()]


def cbp(setting, h):
    """Dohare et al. 2024, algorithm 1, layer by layer after the step of plain SGD."""
    net, generator, steps = Net(setting.weights), setting.generator(), []
    utility, age, due = {}, {}, {0: 0.0, 2: 0.0}
    for i in due:
        utility[i], age[i] = np.zeros(len(net.w[i])), np.zeros(len(net.w[i]))
    for t in range(STEPS):
        net.step(net.gradient(*batch_of(t)))
        for i in due:
            active = np.abs(net.passed[i // 2 + 1]).mean(0)
            age[i] += 1
            new = active * np.abs(net.w[i + 2]).sum(0)
            utility[i] = 0.99 * utility[i] + 0.01 * new
            eligible = np.flatnonzero(age[i] > h.maturity)
            due[i] += h.rate * len(eligible)
            corrected = utility[i] / (1 - 0.99 ** age[i])
            while due[i] >= 1:
                worst = eligible[corrected[eligible].argmin()]
                eligible = eligible[eligible != worst]
                net.w[i][worst] = drawn(setting.weights[i], (1, net.w[i].shape[1]), generator)[0]
                net.w[i + 1][worst], net.w[i + 2][:, worst] = 0, 0
                utility[i][worst], age[i][worst] = 0, 0
                due[i] -= 1
        steps.append([w.copy() for w in net.w])
    return steps


def redo(setting, h):
    """Sokar et al. 2023, algorithm 1."""
    net, generator, steps = Net(setting.weights), setting.generator(), []
    for t in range(1, STEPS + 1):
        net.step(net.gradient(*batch_of(t - 1)))
        if t % h.period == 0:
            scores = [np.abs(net.passed[i // 2 + 1]).mean(0) for i in (0, 2)]
            dormant = {i: s / s.mean() <= h.tau for i, s in zip((0, 2), scores, strict=True)}
            for i, units in dormant.items():
                for j in (i, i + 1):
                    shape = net.w[j][units].shape
                    net.w[j][units] = drawn(setting.weights[j], shape, generator)
            for i, units in dormant.items():
                net.w[i + 2][:, units] = 0
        steps.append([w.copy() for w in net.w])
    return steps


REGULARIZERS = {
    "agem": [
        on_stream(
            "NumPy: Chaudhry et al. 2019 (A-GEM), equation 11", "agem", agem(False), capacity=60
        ),
        on_stream(
            "NumPy: A-GEM without task boundaries",
            "agem",
            agem(False, known=False),
            tasks=None,
            capacity=60,
        ),
    ],
    "cbp": on_stream("NumPy: Dohare et al. 2024, algorithm 1", "cbp", cbp, rate=0.03, maturity=3),
    "dgp": [
        on_stream("NumPy: Saha et al. 2021, algorithm 1, twice", "dgp", dgp),
        on_stream(
            "NumPy: Saha et al. 2021, algorithm 1", "dgp", dgp, outputs=0.8, sample_gradients=0.0
        ),
    ],
    "er_agem": on_stream(
        "NumPy: Hess et al. 2023, section 3", "er_agem", agem(True), capacity=60, share=0.3
    ),
    "ewc": on_stream("NumPy: Kirkpatrick et al. 2017, equation 3", "ewc", ewc),
    "experience_replay": on_stream(
        "NumPy: Chaudhry et al. 2019 (ER), algorithm 1", "experience_replay", replay
    ),
    "plwf": on_stream("NumPy: Feng et al. 2022, after its abstract", "plwf", plwf),
    "redo": on_stream("NumPy: Sokar et al. 2023, algorithm 1", "redo", redo, tau=0.6, period=4),
    "softmax_masking": [
        on_stream(
            "NumPy: the masked cross entropy", "softmax_masking", masked(known=True), mask=-1.0
        ),
        on_stream(
            "NumPy: the masked cross entropy among the classes of a batch",
            "softmax_masking",
            masked(known=False),
            tasks=None,
        ),
        on_stream(
            "NumPy: the masked cross entropy of new examples beside replayed ones",
            "softmax_masking",
            masked_replay,
            beside=[("experience_replay", {"capacity": 100})],
        ),
    ],
}
