"""Weight conditioning: a diagonal matrix equilibrates the rows of every weight matrix."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import parametrize

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer

from .families.layers import is_head, is_reparametrized, weight_layers
from .families.weights import row_norms

#: a row of zeros stays zero
SMALLEST = 1e-12


class WeightConditioning(Regularizer):
    """Saratchandran et al. 2024: the layer uses E W, with E = diag(1 / ||w_i||) of the rows of W.

    Row equilibration narrows the gap between the largest and the smallest singular value. Kernels
    are matrices of filters. E is computed from W in each forward pass and differentiated with it.

    Deviates from the paper: the output layer stays as it is, whose rows would otherwise bound the
    scores. The paper's text could not be read in full here: that E is differentiated is an
    assumption.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        layers = [
            layer
            for layer in weight_layers(model)
            if not is_reparametrized(layer) and not is_head(layer)
        ]
        if not layers:
            raise NotApplicable("weight conditioning needs a hidden linear or convolutional layer")
        for layer in layers:
            parametrize.register_parametrization(layer, "weight", _Equilibrated())


class _Equilibrated(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return w / row_norms(w).clamp(min=SMALLEST)


regularizer(
    "weight_conditioning",
    WeightConditioning,
    summary="Scales the rows of each weight matrix to length one in the forward pass.",
    paper="Saratchandran et al. 2024, Weight Conditioning for Smooth Optimization of Neural "
    "Networks",
    url="https://arxiv.org/abs/2409.03424",
    claims=[
        Claim(
            says="Weight conditioning outperforms weight normalization.",
            task="cifar10_resnet18",
            method="sgd+weight_conditioning",
            rival="sgd+weight_norm",
            measure="score",
            expect="better",
            number="no number in the abstract: competitive with and better than existing weight "
            "normalization; convolutional networks, vision transformers, radiance fields, "
            "3D shapes",
            place="abstract",
        ),
        Claim(
            says="It smooths the loss landscape, so that SGD converges faster.",
            task="digits",
            method="sgd+weight_conditioning",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="proved: smooths the loss landscape, thereby enhancing the convergence of SGD",
            place="abstract",
        ),
    ],
)
