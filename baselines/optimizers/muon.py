"""Muon for the hidden layers' weights and AdamW for everything else, as its author recommends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from suite import Claim, Combined, optimizer, search


@contextmanager
def as_matrices(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Inside, filters of shape (out, in, height, width) and their gradients are (out, rest)."""
    filters = [(p, p.shape) for p in parameters if p.ndim > 2]
    for p, _ in filters:
        gradient, p.grad = p.grad, None
        p.data = p.data.flatten(1)
        p.grad = None if gradient is None else gradient.flatten(1)
    try:
        yield
    finally:
        for p, shape in filters:
            gradient, p.grad = p.grad, None
            p.data = p.data.view(shape)
            p.grad = None if gradient is None else gradient.view(shape)


class FlatteningMuon(Muon):
    """torch's Muon takes matrices only; this one flattens convolution filters to matrices."""

    def __init__(self, parameters: list[nn.Parameter], **hyperparameters: Any) -> None:
        self._parameters = parameters
        with as_matrices(parameters):
            super().__init__(parameters, **hyperparameters)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # hooks of the update leave the decay alone

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with as_matrices(self._parameters):
            super().step()
        return loss


def is_orthogonalized(parameter: nn.Parameter) -> bool:
    """Whether Muon trains a parameter; embeddings and the head are matrices too, but AdamW's."""
    return parameter.role == "conv" or (parameter.role == "hidden" and parameter.ndim == 2)


def build(
    parameters: list[nn.Parameter], lr: float, adamw_lr: float, weight_decay: float
) -> Optimizer:
    """Muon for hidden matrices and convolution filters, AdamW for the rest; either may be empty.

    Constants are those of the author's implementation.
    """
    orthogonalized = [p for p in parameters if is_orthogonalized(p)]
    others = [p for p in parameters if not is_orthogonalized(p)]
    parts: list[Optimizer] = []
    if orthogonalized:
        parts.append(
            FlatteningMuon(
                orthogonalized,
                lr=lr,
                weight_decay=weight_decay,
                momentum=0.95,
                nesterov=True,
                ns_coefficients=(3.4445, -4.7750, 2.0315),
                eps=1e-7,
                ns_steps=5,
                adjust_lr_fn="original",
            )
        )
    if others:
        parts.append(
            AdamW(
                others,
                lr=adamw_lr,
                betas=(0.9, 0.95),
                eps=1e-10,
                weight_decay=weight_decay,
                fused=True,
            )
        )
    return Combined(*parts)


optimizer(
    "muon",
    build,
    summary="Orthogonalized momentum for hidden matrices and filters, AdamW for the rest.",
    paper="Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks",
    url="https://kellerjordan.github.io/posts/muon/",
    search={
        "lr": search.log_uniform(1e-3, 1e-1, default=0.02),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
    claims=[
        Claim(
            says="Muon groks modular arithmetic sooner than AdamW.",
            task="modular_addition",
            rival="adamw",
            measure="time_to_target",
            expect="lower",
            factor=1.48,
            number="epoch 102.89 against 153.09 until 95 % on held-out pairs, mean over 7 "
            "tasks and 3 softmaxes",
            place="abstract",
            source="Tveit et al. 2025, Muon Optimizer Accelerates Grokking (arXiv 2504.16041)",
        ),
        Claim(
            says="Once both are tuned, Muon has no clear advantage over AdamW in grokking.",
            task="modular_division",
            rival="adamw",
            measure="time_to_target",
            expect="equal",
            number="no clear advantage for a / b mod 97 with half of the table, over wide "
            "sweeps of batch and width",
            place="the post's conclusion",
            source="Essential AI 2025, essential.ai/blog/grokking of 2025-06-20",
        ),
    ],
)
