"""K-FAC: the gradient of every linear layer, multiplied by a Kronecker-factored inverse Fisher."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, NotApplicable, Objective, optimizer, search


class KFAC(Optimizer):
    """Martens and Grosse 2015, sections 3, 4.2, 5 and 6.3, with momentum.

    A = E[a a'] of a layer's inputs with a 1 appended and G = E[g g'] of the gradients at its
    outputs, for labels that the model samples, are averaged with decay min(1 - 1/k, 0.95). The step
    of [W b] is (G + sqrt(l)/pi I)^-1 [W b]' (A + pi sqrt(l) I)^-1, where l is the damping and
    pi^2 = (tr A / dim A) / (tr G / dim G).

    Deviates from the paper: a fixed learning rate, momentum and damping instead of those that
    minimize the quadratic model (sections 6.4 to 6.6 and 7); factors every `interval` steps;
    positions of a sequence count as independent examples; all other parameters, and reparametrized
    weights, get SGD.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        damping: float,
        momentum: float,
        model: nn.Module,
        interval: int = 10,
    ) -> None:
        if not any(_is_plain(module) for module in model.modules()):
            raise NotApplicable("K-FAC needs linear layers, and the model has none")
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._damping = damping
        self._interval = interval
        self._steps = 0
        #: by layer name: A, G and their damped inverses
        self._factors: dict[str, tuple[Tensor, Tensor]] = {}
        self._inverses: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step; every `interval`-th one, starting with the first, estimates the factors too."""
        layers = [layer for layer in objective.layers() if _is_plain(layer.module)]
        loss = objective()
        if not loss.isfinite():
            return loss  # no labels can be drawn: the trial has diverged
        if self._steps % self._interval == 0:
            gradients = [p.grad for p in objective.parameters]
            with objective.watch(layers) as seen:
                objective.sampled_labels()
            for name, found in seen.items():
                self._update_factors(name, found.inputs, found.gradients)
            for p, gradient in zip(objective.parameters, gradients, strict=True):
                p.grad = gradient
        self._steps += 1
        for layer in layers:
            if layer.name in self._inverses:  # else torch uses its weights without calling it
                self._precondition(layer.module, *self._inverses[layer.name])
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                velocity.mul_(group["momentum"]).add_(p.grad)
                p.add_(velocity, alpha=-group["lr"])
        return loss

    def _update_factors(self, name: str, inputs: Tensor, gradients: Tensor) -> None:
        a, g = inputs.flatten(0, -2), gradients.flatten(0, -2)
        a = torch.cat([a, a.new_ones(len(a), 1)], 1)
        # The loss is a mean over the n rows: the gradient of one row's loss is n times as long.
        new = a.T @ a / len(a), g.T @ g * len(g)
        decay = min(1 - 1 / (1 + self._steps // self._interval), 0.95)
        old = self._factors.get(name, new)
        a_factor, g_factor = (o.lerp(n, 1 - decay) for o, n in zip(old, new, strict=True))
        self._factors[name] = a_factor, g_factor
        pi = (a_factor.trace() / len(a_factor) / (g_factor.trace() / len(g_factor) + 1e-30)).sqrt()
        pi = pi.clamp(1e-3, 1e3)
        root = self._damping**0.5
        self._inverses[name] = _inverse(a_factor, pi * root), _inverse(g_factor, root / pi)

    def _precondition(self, module: nn.Linear, a_inverse: Tensor, g_inverse: Tensor) -> None:
        weight, bias = module.weight.grad, None if module.bias is None else module.bias.grad
        if weight is None:
            return
        last = torch.zeros_like(weight[:, :1]) if bias is None else bias[:, None]
        step = g_inverse @ torch.cat([weight, last], 1) @ a_inverse
        weight.copy_(step[:, :-1])
        if bias is not None:
            bias.copy_(step[:, -1])


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is a linear layer whose weight is a parameter of its own."""
    return isinstance(module, nn.Linear) and isinstance(module.weight, nn.Parameter)


def _inverse(factor: Tensor, damping: Tensor) -> Tensor:
    eye = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    # Without an error where numbers have overflowed: the loss will say that the trial diverged.
    return torch.cholesky_inverse(torch.linalg.cholesky_ex(factor + damping * eye)[0])


optimizer(
    "kfac",
    KFAC,
    summary="Multiplies each linear layer's gradient by a Kronecker-factored inverse Fisher.",
    paper="Martens and Grosse 2015, Optimizing Neural Networks with Kronecker-factored "
    "Approximate Curvature",
    url="https://arxiv.org/abs/1503.05671",
    extra_work="multiplies inputs and output gradients of each layer by themselves for the factors",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "damping": search.log_uniform(1e-5, 1.0, default=0.1),
        "momentum": search.choice(0.0, 0.5, 0.9, default=0.9),
    },
    claims=[
        Claim(
            says="K-FAC can be much faster than SGD with momentum.",
            task="digits",
            method="kfac",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="can be much faster than SGD with momentum in practice; no factor in "
            "the abstract",
            place="abstract",
        ),
        Claim(
            says="Unlike other methods with full curvature, K-FAC works well with the noise "
            "of small batches.",
            task="mnist1d",
            rival="newton_cg",
            measure="score",
            expect="better",
            number="works very well in highly stochastic regimes, unlike Hessian-free "
            "optimization; no number",
            place="abstract",
        ),
    ],
)
