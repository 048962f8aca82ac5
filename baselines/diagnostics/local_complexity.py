"""Local complexity: how many units change their sign close to a training example."""

from __future__ import annotations

import torch

from suite import NotApplicable, Probe, diagnostic

from .families.features import leaving

EXAMPLES, DIRECTIONS = 16, 8
#: of the cross-polytope, as a share of the examples' root mean square
RADIUS = 0.05


def local_complexity(probe: Probe) -> float:
    """Mean number of units whose pre-activation has both signs on a small cross-polytope.

    Its vertices are x +- r v for 8 orthonormal directions v around each of 16 examples. Counted
    are the outputs of all layers but the last, each of which a ReLU would cut.

    Deviates from the paper: the radius is a twentieth of the examples' root mean square norm.
    """
    inputs = probe.batch[0][:EXAMPLES]
    if not inputs.is_floating_point():
        raise NotApplicable("the inputs are symbols, which have no neighbourhood")
    size = inputs[0].numel()
    count = min(DIRECTIONS, size)
    basis = torch.linalg.qr(torch.randn(size, count, generator=probe.generator))[0].T
    radius = RADIUS * float(inputs.flatten(1).norm(dim=1).square().mean().sqrt())
    steps = radius * torch.cat([basis, -basis]).to(inputs)
    vertices = inputs.flatten(1)[:, None] + steps[None]
    found = leaving(probe, vertices.view(-1, *inputs.shape[1:]))
    hidden = list(found.values())[:-1]
    if not hidden:
        raise NotApplicable("the model has one layer")
    crossed = 0
    for tensor in hidden:
        signs = (tensor > 0).view(len(inputs), len(steps), -1)
        crossed += int((signs.any(1) & ~signs.all(1)).sum())
    return crossed / len(inputs)


diagnostic(
    "local_complexity",
    local_complexity,
    paper="Humayun, Balestriero and Baraniuk 2024, Deep Networks Always Grok and Here is Why",
    url="https://arxiv.org/abs/2402.15555",
    unit="units an example",
    cost=1,
)
