"""TrAct: the first layer learns as if its outputs were what is trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Layer, NotApplicable, Objective, Regularizer, TaskInfo, regularizer, search


class TrAct(Regularizer):
    """Petersen et al. 2024, eq. 5, before any optimizer. For the weight W of the first layer,

    dW <- dW (X' X / b + strength I)^-1,

    with X the inputs of the layer, one in each of its b rows: of a convolution all patches. The
    bias keeps its gradient. `strength` is the paper's lambda.

    Deviates from the paper: nothing. Tasks of tokens are refused: the method gives other first
    layers what an embedding has by itself.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.inputs == "tokens":
            raise NotApplicable("TrAct trains other first layers as embeddings, and this is one")

    def start(self, model: nn.Module, objective: Objective) -> None:
        first = objective.layers()[0]
        module, known = first.module, (nn.Linear, nn.Conv1d, nn.Conv2d)
        if not isinstance(module, known) or getattr(module, "groups", 1) != 1:
            raise NotApplicable("TrAct needs a first layer that is linear or a plain convolution")
        if not isinstance(module.weight, nn.Parameter):
            raise NotApplicable("TrAct needs a first layer with a weight of its own")
        self._first: Layer = first

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        with self.objective.watch([self._first]) as seen:
            loss = evaluate()
        weight = self._first.weight
        if weight is not None and weight.grad is not None:
            rows = _rows(self._first.module, seen[self._first.name].inputs)
            with torch.no_grad():
                weight.grad.copy_(self._solved(weight.grad.flatten(1), rows).view_as(weight))
        return loss

    def _solved(self, gradient: Tensor, rows: Tensor) -> Tensor:
        # No system of equations is solved in half precision.
        exact = torch.promote_types(gradient.dtype, torch.float32)
        rows = rows.to(exact)
        square = rows.T @ rows / len(rows)
        square.diagonal().add_(self.strength)
        return torch.linalg.solve(square, gradient.to(exact), left=False)


def _rows(module: nn.Module, inputs: Tensor) -> Tensor:
    """What the layer multiplies by its weight, of shape (rows, columns of the weight)."""
    if isinstance(module, nn.Linear):
        return inputs.flatten(0, -2)
    assert isinstance(module, (nn.Conv1d, nn.Conv2d))
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NotApplicable("TrAct needs a first layer that pads with zeros, by a number")
    arguments = [module.kernel_size, module.dilation, module.padding, module.stride]
    if isinstance(module, nn.Conv1d):  # an image of one line
        inputs = inputs.unsqueeze(-2)
        along = zip(arguments, (1, 1, 0, 1), strict=True)
        arguments = [(across, *size) for size, across in along]
    return nn.functional.unfold(inputs, *arguments).transpose(1, 2).flatten(0, 1)


regularizer(
    "tract",
    TrAct,
    summary="Trains the first layer as if its outputs were what is trained.",
    paper="Petersen et al. 2024, TrAct: Making First-layer Pre-Activations Trainable",
    url="https://arxiv.org/abs/2410.23970",
    search={"strength": search.log_uniform(1e-3, 10.0, default=0.1)},
    claims=[
        Claim(
            says="TrAct speeds up the training of vision models.",
            task="cifar10_resnet18",
            method="sgd+tract",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            factor=1.25,
            number="faster by factors between 1.25 and 4; convolutional networks and transformers, "
            "several optimizers",
            place="abstract",
        ),
        Claim(
            says="TrAct speeds up the training of vision models, with Adam, too.",
            task="digits_batchnorm",
            method="adamw+tract",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=1.25,
            number="faster by factors between 1.25 and 4; convolutional networks and transformers, "
            "several optimizers",
            place="abstract",
        ),
    ],
)
