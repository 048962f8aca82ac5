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
        if not any(_is_preconditioned(module) for module in model.modules()):
            raise NotApplicable("K-FAC needs linear layers, and the model has none")
        how = {"damping": damping, "interval": interval, "steps": 0}
        super().__init__(params, {"lr": lr, "momentum": momentum, **how})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step; every `interval`-th one, starting with the first, estimates the factors too."""
        layers = [layer for layer in objective.layers() if _is_preconditioned(layer.module)]
        loss = objective()
        if not loss.isfinite():
            return loss  # no labels can be drawn: the trial has diverged
        whole = self.param_groups[0]
        if whole["steps"] % whole["interval"] == 0:
            gradients = [p.grad for p in objective.parameters]
            with objective.watch(layers) as seen:
                objective.sampled_labels()
            for layer in layers:
                if layer.name in seen:  # else torch uses its weights without calling it
                    found = seen[layer.name]
                    self._update_factors(layer.module, found.inputs, found.gradients)
            for p, gradient in zip(objective.parameters, gradients, strict=True):
                p.grad = gradient
        whole["steps"] += 1
        for layer in layers:
            self._precondition(layer.module)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                velocity.mul_(group["momentum"]).add_(p.grad)
                p.add_(velocity, alpha=-group["lr"])
        return loss

    def _update_factors(self, module: nn.Linear, inputs: Tensor, gradients: Tensor) -> None:
        whole, state = self.param_groups[0], self.state[module.weight]
        # Decompositions know no half precision.
        exact = torch.promote_types(inputs.dtype, torch.float32)
        a, g = inputs.flatten(0, -2).to(exact), gradients.flatten(0, -2).to(exact)
        a = torch.cat([a, a.new_ones(len(a), 1)], 1)
        # The loss is a mean over the n rows: the gradient of one row's loss is n times as long.
        new = {"A": a.T @ a / len(a), "G": g.T @ g * len(g)}
        decay = min(1 - 1 / (1 + whole["steps"] // whole["interval"]), 0.95)
        for name, factor in new.items():
            state[name] = state.get(name, factor).to(exact).lerp(factor, 1 - decay)
        pi = (state["A"].trace() / len(state["A"])) / (state["G"].trace() / len(state["G"]) + 1e-30)
        pi = pi.sqrt().clamp(1e-3, 1e3)
        root = whole["damping"] ** 0.5
        state["A_inverse"] = _inverse(state["A"], pi * root)
        state["G_inverse"] = _inverse(state["G"], root / pi)

    def _precondition(self, module: nn.Linear) -> None:
        state, weight = self.state[module.weight], module.weight.grad
        bias = None if module.bias is None else module.bias.grad
        if weight is None or "A_inverse" not in state:
            return
        last = torch.zeros_like(weight[:, :1]) if bias is None else bias[:, None]
        gradient = torch.cat([weight, last], 1).to(state["A_inverse"])
        step = state["G_inverse"] @ gradient @ state["A_inverse"]
        weight.copy_(step[:, :-1])
        if bias is not None:
            bias.copy_(step[:, -1])


def _is_preconditioned(module: nn.Module) -> bool:
    """Whether a module is a linear layer whose weight is a parameter of its own and is trained."""
    plain = isinstance(module, nn.Linear) and isinstance(module.weight, nn.Parameter)
    return plain and module.weight.requires_grad


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
            task="mnist1d_short",
            rival="newton_cg",
            measure="score",
            expect="better",
            number="works very well in highly stochastic regimes, unlike Hessian-free "
            "optimization; no number",
            place="abstract",
        ),
    ],
)
