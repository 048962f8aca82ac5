"""What the three forms of MARS share: a gradient corrected by its change, clipped, and averaged."""

from __future__ import annotations

from torch import Tensor, nn

from .moments import Group, State, TensorByTensor, average


class MARS(TensorByTensor):
    """Yuan et al. 2024, algorithm 1 in its approximate form (one gradient a step).

    c = g + gamma * b1 / (1 - b1) * (g - g of the step before), the difference being 0 at first;
    c is divided by its norm where that is above 1; m <- b1 m + (1 - b1) c, from 0. Subclasses turn
    m and c into a direction. Betas (0.95, 0.99).
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, gamma: float
    ) -> None:
        constants = {"betas": (0.95, 0.99), "eps": 1e-8, "gamma": gamma}
        super().__init__(parameters, lr, weight_decay, **constants)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        beta1 = group["betas"][0]
        change = g - state.get("gradient", g)
        state["gradient"] = g.clone()
        c = g.add(change, alpha=group["gamma"] * beta1 / (1 - beta1))
        c.div_(c.norm().clamp(min=1))
        return self.preconditioned(average(state, "m", c, beta1), c, state, group)

    def preconditioned(self, m: Tensor, c: Tensor, state: State, group: Group) -> Tensor:
        raise NotImplementedError
