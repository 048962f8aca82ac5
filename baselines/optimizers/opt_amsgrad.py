"""OPT-AMSGrad: AMSGrad that steps ahead along a prediction of the next gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.moments import State, average
from .families.tensors import evaluated, trained

#: the paper's lambda, of the predictor, as a share of the trace of U'U
REGULARIZATION = 1e-3


class OptAMSGrad(Optimizer):
    """Wang et al. 2021, algorithms 2 and 3.

    m and v are averages of g and g^2 with decay b1 and b2, v from 1e-8; u <- max(u, v). The half
    step is AMSGrad's, h <- h - lr * m / sqrt(u), and w = h - lr * (b1 n + (1 - b1) x) / sqrt(u),
    where n is m of the step before and x is the prediction of the next gradient from the latest
    `history` of them, x_1 ... x_r: with U = [x_2 - x_1, ..., x_r - x_{r-1}], solve
    (U'U + lambda I) z = 1; then x = sum of z_i x_i / sum of z_i over i < r, of the whole model.
    b1 = 0.9. Neither moment is corrected for bias.

    Deviates from the paper: lambda is 1e-3 times the trace of U'U, so that it has the gradients'
    scale; the first steps predict from the gradients that there are, the first one from its own.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, beta2: float, history: int
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": (0.9, beta2), "history": history})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        found = list(trained(self))
        for p, group, state in found:
            past = state.get("gradients", [])
            state["gradients"] = [*past, p.grad.clone()][-group["history"] :]
        expected = _predictions([state for *_, state in found]) if found else []
        for (p, group, state), prediction in zip(found, expected, strict=True):
            beta1, beta2 = group["betas"]
            if "m" not in state:
                state["m"], state["ahead"] = torch.zeros_like(p), torch.zeros_like(p)
                state["v"], state["u"] = torch.full_like(p, 1e-8), torch.full_like(p, 1e-8)
            ahead = torch.lerp(state["m"], prediction, 1 - beta1)
            m, v = average(state, "m", p.grad, beta1), average(state, "v", p.grad.square(), beta2)
            root = torch.maximum(state["u"], v, out=state["u"]).sqrt()
            # from the weights back to the half step, to the next one, and ahead again
            p.add_(state["ahead"]).addcdiv_(m, root, value=-group["lr"])
            state["ahead"] = group["lr"] * ahead / root
            p.sub_(state["ahead"])
        return loss


def _predictions(states: list[State]) -> list[Tensor]:
    """For each tensor, the gradient expected next, from those of the whole model so far."""
    fewest = min(len(state["gradients"]) for state in states)
    past = [torch.stack(state["gradients"][-fewest:]) for state in states]
    if fewest == 1:
        return [gradients[0] for gradients in past]
    precision = torch.promote_types(past[0].dtype, torch.float32)  # no solver knows bfloat16
    changes = [gradients.view(fewest, -1).to(precision).diff(dim=0) for gradients in past]
    gram = torch.stack([change @ change.T for change in changes]).sum(0)
    damping = REGULARIZATION * gram.trace().clamp(min=1e-30)
    ones = gram.new_ones(len(gram))
    z = torch.linalg.solve_ex(gram + damping * torch.diag(ones), ones)[0]
    weights = z / z.sum()
    return [torch.tensordot(weights.to(gradients.dtype), gradients[:-1], 1) for gradients in past]


optimizer(
    "opt_amsgrad",
    OptAMSGrad,
    summary="AMSGrad with a step ahead along the gradient that it expects next.",
    paper="Wang et al. 2021, An Optimistic Acceleration of AMSGrad for Nonconvex Optimization",
    url="https://arxiv.org/abs/1903.01435",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "beta2": search.choice(0.99, 0.999, default=0.999),
        "history": search.choice(3, 5, 10, default=5),
    },
    claims=[
        Claim(
            says="Predicted gradients accelerate the convergence of AMSGrad.",
            task="digits",
            rival="amsgrad",
            measure="score",
            expect="better",
            number="practical speedup on several deep learning models; no number",
            place="abstract",
        ),
        Claim(
            says="Predicted gradients accelerate the convergence of AMSGrad in deep networks.",
            task="cifar10_resnet18",
            rival="amsgrad",
            measure="score",
            expect="better",
            number="practical speedup on several deep learning models; no number",
            place="abstract",
        ),
    ],
)
