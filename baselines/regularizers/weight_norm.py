"""Weight normalization: length and direction of weight vectors are trained separately."""

from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer

_Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class WeightNorm(Regularizer):
    """Eq. 2: each unit's weight vector is w = g v / ||v||; the outputs stay the same.

    All linear and convolutional layers, the output layer too. Embeddings stay as they are: a row
    is looked up, not multiplied with inputs, so it is not a unit's weight vector. So do matrices
    that two modules share, and those with a row of zeros, which has no direction.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        modules = list(model.modules())
        owners = Counter[Tensor](p for m in modules for p in m.parameters(recurse=False))
        layers = [m for m in modules if isinstance(m, _Layer) and not _is_normalized(m)]
        chosen = [m for m in layers if owners[m.weight] == 1 and _rows_have_directions(m)]
        if not chosen:
            raise NotApplicable("weight normalization needs a linear or convolutional layer")
        for module in chosen:
            parametrizations.weight_norm(module)


def _is_normalized(module: _Layer) -> bool:
    return parametrize.is_parametrized(module, "weight")


def _rows_have_directions(module: _Layer) -> bool:
    return bool((torch.linalg.vector_norm(module.weight.flatten(1), dim=1) > 0).all())


regularizer(
    "weight_norm",
    WeightNorm,
    summary="Reparametrizes weight matrices into row lengths and row directions.",
    paper="Salimans and Kingma 2016, Weight Normalization: A Simple Reparameterization to "
    "Accelerate Training of Deep Neural Networks",
    url="https://arxiv.org/abs/1602.07868",
    search={},
    claims=[
        Claim(
            says="Weight normalization speeds up SGD.",
            task="digits",
            method="sgd+weight_norm",
            rival="sgd",
            measure="time_to_target",
            expect="lower",
            number="speeds up convergence of stochastic gradient descent; no number",
            place="abstract",
        ),
    ],
)
