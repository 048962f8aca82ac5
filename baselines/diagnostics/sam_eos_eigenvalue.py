"""SAM's edge of stability: the radius at which the present curvature would be on the edge."""

from __future__ import annotations

from suite import NotApplicable, Probe, diagnostic

from .families.curvature import COST, top_hessian
from .families.gradients import gradient


def sam_eos_eigenvalue(probe: Probe) -> dict[str, float | None]:
    """lambda_max / (2 / lr), and the radius rho for which lr lambda (1 + rho lambda) = 2.

    Of unnormalized SAM; a normalized one of radius r has rho = r / ||g||, so that `radius` is rho
    times the norm of the gradient, to be compared with a method's radius. None above the edge
    of gradient descent, where no radius is stable.
    """
    eigenvalue = float(top_hessian(probe, 1)[0])
    if not eigenvalue > 0:
        raise NotApplicable("the largest eigenvalue is not positive")
    lr = probe.setting("lr")
    share = lr * eigenvalue / 2.0
    radius = None
    if 0 < share < 1:
        radius = (1.0 / share - 1.0) / eigenvalue * float(gradient(probe).norm())
    return {"of_edge": share if share > 0 else None, "radius": radius}


diagnostic(
    "sam_eos_eigenvalue",
    sam_eos_eigenvalue,
    paper="Agarwala and Dauphin 2023, SAM operates far from home: eigenvalue regularization as a "
    "dynamical phenomenon",
    url="https://arxiv.org/abs/2302.08692",
    unit={"of_edge": "ratio to 2 / lr", "radius": "norm of weights"},
    cost=COST + 1.0,
)
