"""Kernels of the probing examples: the tangent kernel, and how alike two kernels are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from suite import Probe

from .curvature import shared_generator
from .gradients import cosine

EXAMPLES = 16
_Found = TypeVar("_Found")


def cost_of() -> float:
    """Of one tangent kernel, in gradient evaluations of a probing batch of any size: at most 1."""
    return 1.0


def tangent_kernel(probe: Probe) -> Tensor:
    """J J^T, (examples, examples), of the gradients of a random combination of each output."""
    inputs, targets = (tensor[:EXAMPLES] for tensor in probe.batch)
    parameters = list(probe.parameters.values())
    rows, mix = [], None
    for i in range(len(inputs)):
        output = probe.outputs((inputs[i : i + 1], targets[i : i + 1])).flatten()
        if mix is None or len(mix) != len(output):
            mix = torch.randn(len(output), generator=shared_generator()).to(output)
        found = torch.autograd.grad(output @ mix, parameters, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in found]))
    jacobian = torch.stack(rows).double()
    return jacobian @ jacobian.T


def at_start(probe: Probe, compute: Callable[[Probe], _Found]) -> _Found:
    """What `compute` gives with the weights before training; the model keeps its own.

    Computed once a run, except on a stream, whose probing batch is another one each time.
    """
    if "start" in probe.kept and not probe.stream:
        kept: _Found = probe.kept["start"]
        return kept
    now = probe.now.weights
    probe.load((*probe.earlier, probe.now)[0].weights)
    try:
        found = probe.kept["start"] = compute(probe.anew())
    finally:
        probe.load(now)
    return found


def gram_alignment(one: Tensor, other: Tensor) -> float:
    """The cosine of the kernels A A^T and B B^T of features, (examples, units) each."""
    a, b = one.double(), other.double()
    size = (a.T @ a).norm() * (b.T @ b).norm()
    return float((a.T @ b).square().sum() / size) if size > 0 else 0.0


def label_kernel(probe: Probe) -> Tensor | None:
    """1 where two examples have the same label, else 0; None without one label an example."""
    targets = probe.batch[1][:EXAMPLES]
    if probe.classes is None or targets.is_floating_point() or targets.ndim != 1:
        return None
    return (targets[:, None] == targets[None, :]).double()


def alignment(one: Tensor, other: Tensor, *, centered: bool) -> float:
    """The cosine of two kernels as vectors; centered, of their parts without means."""
    kernels = [one.double(), other.double()]
    if centered:
        kernels = [k - k.mean(0) - k.mean(1, keepdim=True) + k.mean() for k in kernels]
    return float(cosine(kernels[0].flatten(), kernels[1].flatten()))
