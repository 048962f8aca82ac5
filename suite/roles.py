"""Parameter roles: what a parameter does in the network, told by its module, not by its name.

Optimizers that treat matrices, embeddings and vectors differently (Muon, layer-wise methods) read
`parameter.role`; everybody else ignores it.
"""

from __future__ import annotations

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


def mark_head(module: nn.Module) -> nn.Module:
    """Say that a module is the output layer: its matrix gets the role "head"."""
    module.is_head = True
    return module


def assign_roles(model: nn.Module) -> None:
    """Give every parameter its `.role`, one of `ROLES`.

    A reparametrized tensor (weight normalization) passes its role on to the factor that has its
    shape; the other factors are "scale". A tensor that two modules share keeps its first role,
    except that a tied embedding and head is an "embedding".
    """
    for module in model.modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            _set(parameter, _role(module, name, parameter.ndim))
        for name, factors in _parametrizations(module):
            whole = getattr(module, name)
            for factor in factors.parameters(recurse=False):
                same = factor.shape == whole.shape
                _set(factor, _role(module, name, whole.ndim) if same else "scale")


def _parametrizations(module: nn.Module) -> list[tuple[str, nn.Module]]:
    if not parametrize.is_parametrized(module):
        return []
    return list(module.parametrizations.items())


def _role(module: nn.Module, name: str, ndim: int) -> str:
    if isinstance(module, _NORMS):
        return "norm"
    if isinstance(module, nn.Embedding):
        return "embedding"
    if isinstance(module, _CONVS):
        return "conv" if ndim > 2 else "bias"
    if ndim < 2:
        return "bias" if "bias" in name or isinstance(module, nn.Linear) else "scale"
    return "head" if getattr(module, "is_head", False) else "hidden"


def _set(parameter: nn.Parameter, role: str) -> None:
    if getattr(parameter, "role", None) not in ("embedding",):
        parameter.role = role
