"""Parameter roles and layers: what a parameter does in the network, and where it is.

Read from its module, not its name. Optimizers that treat matrices, embeddings and vectors
differently (Muon) read `parameter.role`; layer-wise methods read `parameter.depth`, the number of
its layer counted from 0 at the inputs, and `parameter.layer_name`. Others ignore them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn.utils import parametrize

ROLES = ("hidden", "embedding", "head", "conv", "norm", "bias", "scale")

_NORMS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
)
_CONVS = nn.modules.conv._ConvNd
# torch declares neither attribute; set by name, they need no exception for the type checker.
_HEAD = "is_head"
_ROLE, _DEPTH, _LAYER_NAME = "role", "depth", "layer_name"


def mark_head(module: nn.Module) -> nn.Module:
    """Say that a module is the output layer: its matrix gets the role "head"."""
    setattr(module, _HEAD, True)
    return module


@dataclass(frozen=True)
class Layer:
    """A module with parameters of its own, and its place in the model."""

    module: nn.Module
    #: as in `model.named_modules()`
    name: str
    #: its number among the layers, counted from 0, in the order in which the model holds them
    depth: int

    @property
    def weight(self) -> Tensor | None:
        """The module's weight, computed from its factors if it is reparametrized."""
        return getattr(self.module, "weight", None)

    @property
    def bias(self) -> Tensor | None:
        """The module's bias."""
        return getattr(self.module, "bias", None)


def layers_of(model: nn.Module) -> list[Layer]:
    """The layers of a model in the order in which it holds them."""
    found: list[Layer] = []
    for name, module in model.named_modules():
        inside = isinstance(module, parametrize.ParametrizationList)
        if inside or "parametrizations" in name.split("."):
            continue
        if next(module.parameters(recurse=False), None) is not None or _parametrizations(module):
            found.append(Layer(module, name, len(found)))
    return found


def describe_parameters(model: nn.Module) -> None:
    """Give every parameter its `.role`, one of `ROLES`, its `.depth` and its `.layer_name`.

    A reparametrized tensor (weight normalization) passes its role on to the factor that has its
    shape; the other factors are "scale". A tensor that two layers share belongs to the first of
    them, except that the role of a tied embedding and head is "embedding".
    """
    roles: dict[nn.Parameter, str] = {}
    layers: dict[nn.Parameter, Layer] = {}

    def add(parameter: nn.Parameter, role: str, layer: Layer) -> None:
        layers.setdefault(parameter, layer)
        if parameter not in roles or role == "embedding":
            roles[parameter] = role

    for layer in layers_of(model):
        module = layer.module
        for name, parameter in module.named_parameters(recurse=False):
            add(parameter, _role(module, name, parameter.ndim), layer)
        for name, factors in _parametrizations(module):
            whole = getattr(module, name)
            for factor in factors.parameters(recurse=False):
                same = factor.shape == whole.shape
                add(factor, _role(module, name, whole.ndim) if same else "scale", layer)
    for parameter, role in roles.items():
        setattr(parameter, _ROLE, role)
        setattr(parameter, _DEPTH, layers[parameter].depth)
        setattr(parameter, _LAYER_NAME, layers[parameter].name)


def _parametrizations(module: nn.Module) -> list[tuple[str, nn.Module]]:
    if not parametrize.is_parametrized(module):
        return []
    return list(cast(nn.ModuleDict, module.parametrizations).items())


def _role(module: nn.Module, name: str, ndim: int) -> str:
    if isinstance(module, _NORMS):
        return "norm"
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return "embedding"
    if ndim < 2:
        return "bias" if "bias" in name else "scale"
    if getattr(module, _HEAD, False):
        return "head"
    return "conv" if isinstance(module, _CONVS) else "hidden"
