"""Parameter roles: what a parameter does in the network, read from its module, not its name.

Optimizers that treat matrices, embeddings and vectors differently (Muon, layer-wise methods) read
`parameter.role`; others ignore it.
"""

from __future__ import annotations

from typing import cast

from torch import nn
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
_ROLE = "role"


def mark_head(module: nn.Module) -> nn.Module:
    """Say that a module is the output layer: its matrix gets the role "head"."""
    setattr(module, _HEAD, True)
    return module


def assign_roles(model: nn.Module) -> None:
    """Give every parameter its `.role`, one of `ROLES`.

    A reparametrized tensor (weight normalization) passes its role on to the factor that has its
    shape; the other factors are "scale". A tensor that two modules share keeps its first role,
    except that a tied embedding and head is an "embedding".
    """
    roles: dict[nn.Parameter, str] = {}

    def add(parameter: nn.Parameter, role: str) -> None:
        if parameter not in roles or role == "embedding":
            roles[parameter] = role

    for module in model.modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            add(parameter, _role(module, name, parameter.ndim))
        for name, factors in _parametrizations(module):
            whole = getattr(module, name)
            for factor in factors.parameters(recurse=False):
                same = factor.shape == whole.shape
                add(factor, _role(module, name, whole.ndim) if same else "scale")
    for parameter, role in roles.items():
        setattr(parameter, _ROLE, role)


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
