"""What optimizers for matrices share: which tensors they train, and who trains the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from suite import Combined

from .fused import fastest
from .tensors import evaluated

Group = dict[str, Any]


class Decoupled(Optimizer):
    """Takes lr * (weight_decay * w + direction) from each parameter w that has a gradient.

    A subclass says what the direction is. Its state is in `self.state`, and what all tensors of a
    group share is in the group, so that `state_dict` has everything.
    """

    def __init__(self, parameters: list[nn.Parameter] | list[Group], **group: Any) -> None:
        # Hooks of the update leave the decay alone.
        super().__init__(parameters, {**group, "decoupled_weight_decay": True})

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        """The direction of each parameter, of its shape and type."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One evaluation of the closure, then one step."""
        loss = evaluated(closure)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            directions = self.directions(group, parameters)
            if decay := group.get("weight_decay", 0.0):
                torch._foreach_mul_(parameters, 1 - group["lr"] * decay)
            torch._foreach_add_(parameters, directions, alpha=-group["lr"])
        return loss

    def averages(self, name: str, parameters: list[nn.Parameter]) -> list[Tensor]:
        """The tensors that the state of the parameters holds by this name; they begin as zeros."""
        found = []
        for p in parameters:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
            found.append(self.state[p][name])
        return found

    def momentum(self, parameters: list[nn.Parameter], beta: float, *, name: str) -> list[Tensor]:
        """The averages m <- beta m + (1 - beta) g of the gradients, after this step's."""
        averages = self.averages(name, parameters)
        torch._foreach_lerp_(averages, [p.grad for p in parameters], 1 - beta)
        return averages


def finite(tensor: Tensor) -> Tensor:
    """A tensor without infinities: decompositions raise errors at them.

    The loss will say that the trial has diverged.
    """
    return torch.nan_to_num(tensor, nan=0.0, posinf=0.0, neginf=0.0)


def adam_direction(
    state: Group, gradient: Tensor, betas: tuple[float, float], eps: float
) -> Tensor:
    """Adam's m / (sqrt(v) + eps), both corrected for their start at 0; they are kept in a state."""
    beta1, beta2 = betas
    if "m" not in state:
        state["m"], state["v"] = torch.zeros_like(gradient), torch.zeros_like(gradient.abs())
        state["steps"] = 0
    state["steps"] += 1
    state["m"].lerp_(gradient, 1 - beta1)
    state["v"].lerp_(gradient.abs().square(), 1 - beta2)
    root = (state["v"] / (1 - beta2 ** state["steps"])).sqrt_()
    return state["m"] / (1 - beta1 ** state["steps"]) / root.add_(eps)


def is_matrix(p: nn.Parameter) -> bool:
    """Whether a parameter is a matrix or a filter of a layer inside the network.

    Embeddings and the head are matrices too, but their rows are symbols and classes.
    """
    return p.role == "conv" or (p.role == "hidden" and p.ndim == 2)


def flat(tensor: Tensor) -> Tensor:
    """Filters of shape (out, in, height, width) as a matrix (out, rest)."""
    return tensor.flatten(1) if tensor.ndim > 2 else tensor


def exact(tensor: Tensor) -> Tensor:
    """A tensor in a type that decompositions know: half precision becomes single."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def adamw(
    parameters: list[nn.Parameter],
    lr: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-10,
) -> AdamW:
    """torch's AdamW in its fastest form."""
    decay = {"weight_decay": weight_decay, **fastest(parameters)}
    return AdamW(parameters, lr=lr, betas=betas, eps=eps, **decay)


def with_adamw(
    parameters: list[nn.Parameter],
    method: Callable[[list[nn.Parameter]], Optimizer],
    lr: float,
    weight_decay: float,
    chosen: Callable[[nn.Parameter], bool] = is_matrix,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-10,
) -> Combined:
    """The method for the chosen parameters, AdamW for the rest; either may be empty."""
    matrices = [p for p in parameters if chosen(p)]
    others = [p for p in parameters if not chosen(p)]
    parts: list[Optimizer] = []
    if matrices:
        parts.append(method(matrices))
    if others:
        parts.append(adamw(others, lr, weight_decay, betas, eps))
    return Combined(*parts)
