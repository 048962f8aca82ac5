"""Probes of small models with known answers, and what a diagnostic measures on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from suite.components import registry
from suite.diagnostics.probe import Probe
from suite.diagnostics.snapshots import Snapshot
from suite.problems.metrics import loss_name, unrestricted

Weights = dict[str, Tensor]


def snapshot(
    weights: Weights, point: int = 0, before: Weights | None = None, **fields: Any
) -> Snapshot:
    rest = {"gradients": {}, "settings": {}, "state": {}, "batches": (), "steps": 10 * point}
    return Snapshot(
        point=point,
        progress=point / 10,
        spent=float(point),
        weights=weights,
        before=before,
        **{**rest, **fields},
    )


def weights_of(model: nn.Module) -> Weights:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


class Run:
    """A model at several evaluations, as a diagnostic sees them one after the other."""

    def __init__(
        self,
        model: nn.Module,
        batch: tuple[Tensor, Tensor],
        *,
        criterion: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
        classes: int | None = None,
        stream: bool = False,
    ) -> None:
        self.model = model.eval()
        self.batch = batch
        self.earlier: list[Snapshot] = []
        self._how = {"criterion": criterion, "classes": classes, "stream": stream}
        self._kept: dict[str, dict[str, Any]] = {}

    def probe(
        self, name: str, before: Weights | None = None, lr: float | None = None, **fields: Any
    ) -> Probe:
        """What the diagnostic gets of the model as it is now; it joins the history."""
        names = [n for n, p in self.model.named_parameters() if p.requires_grad]
        if lr is not None:
            given = fields.pop("settings", {})
            fields["settings"] = {n: {"lr": lr, **given} for n in names}
        now = snapshot(weights_of(self.model), len(self.earlier), before, **fields)
        how = self._how
        probe = Probe(
            self.model,
            now,
            tuple(self.earlier),
            self.batch,
            criterion=how["criterion"],
            restrict=unrestricted,
            classes=how["classes"],
            loss_name=loss_name(how["criterion"]),
            stream=how["stream"],
            device="cpu",
            cache={},
        )
        probe.generator.manual_seed(1)
        probe.kept = self._kept.setdefault(name, {})
        self.earlier.append(now)
        return probe

    def see(self, name: str, **fields: Any) -> Any:
        """What the diagnostic measures on the model as it is now; its weights stay."""
        weights = weights_of(self.model)
        found = registry.get("diagnostic", name).measure(self.probe(name, **fields))
        with torch.no_grad():
            for key, tensor in self.model.state_dict().items():
                tensor.copy_(weights[key])
        return found

    def change(self, **weights: Tensor | Sequence[Any]) -> None:
        """Give parameters of the model other values, with "__" for a dot in a name."""
        with torch.no_grad():
            for name, value in weights.items():
                parameter = self.model.get_parameter(name.replace("__", "."))
                parameter.copy_(torch.as_tensor(value, dtype=parameter.dtype))


class Linear(nn.Module):
    """One vector w; the output is x w, so that the mean squared error is a quadratic of w."""

    def __init__(self, weight: Sequence[float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


def quadratic(eigenvalues: Sequence[float], weight: Sequence[float]) -> Run:
    """The loss sum_i e_i w_i^2 / 2: its Hessian is diagonal."""
    rows = torch.diag((torch.tensor(eigenvalues) * len(eigenvalues) / 2).sqrt())
    batch = (rows, torch.zeros(len(eigenvalues)))
    return Run(Linear(weight), batch, criterion=nn.functional.mse_loss)


def perceptron(seed: int = 0, width: int = 6, classes: int = 3) -> Run:
    """A small network with smooth units on random data."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, classes))
    batch = (torch.randn(40, 4), torch.randint(classes, (40,)))
    return Run(model, batch, classes=classes)


def identity(features: Tensor, targets: Tensor, classes: int) -> Run:
    """A network whose last layer gets these features, (examples, units)."""
    units = features.shape[1]
    model = nn.Sequential(nn.Linear(units, units, bias=False), nn.Linear(units, classes))
    with torch.no_grad():
        # Not the identity itself: what enters a layer would be the network's inputs.
        model[0].weight.copy_(2 * torch.eye(units))
    return Run(model, (features / 2, targets), classes=classes)


def full_hessian(run: Run) -> Tensor:
    """By torch's own second derivatives, entry by entry."""
    names = [name for name, _ in run.model.named_parameters()]
    shapes = [p.shape for p in run.model.parameters()]
    start = torch.cat([p.detach().flatten() for p in run.model.parameters()])
    criterion = run._how["criterion"]

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([math.prod(shape) for shape in shapes])
        given = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        outputs = torch.func.functional_call(run.model, given, (run.batch[0],))
        return criterion(outputs, run.batch[1])

    return torch.autograd.functional.hessian(loss, start)


def example_gradients(run: Run) -> Tensor:
    """Gradients of single examples by backward passes of each."""
    rows = []
    for x, y in zip(*run.batch, strict=True):
        run.model.zero_grad()
        run._how["criterion"](run.model(x[None]), y[None]).backward()
        rows.append(torch.cat([p.grad.flatten() for p in run.model.parameters()]))
    run.model.zero_grad()
    return torch.stack(rows)


def close(found: Mapping[str, float | None], **expected: float | None) -> None:
    """Every named value is the expected one, to float32."""
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        else:
            assert math.isclose(found[name], value, rel_tol=2e-3, abs_tol=2e-5), (name, found[name])
