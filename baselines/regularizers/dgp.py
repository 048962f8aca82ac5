"""Double gradient projection: earlier tasks keep their outputs and gradients at the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class DGP(Regularizer):
    """Ru et al. 2024, on the gradient projection memory of Saha et al. 2021 (algorithm 1).

    At the end of each task, the inputs X of each layer (a row for each example, or for each place
    of a convolution, with a 1 for the bias) extend an orthonormal basis M: singular vectors of what
    M does not hold yet are added, the largest first, until M holds the share `outputs` of the sum
    of squares of X. A second basis N, of the loss's gradients at the layer's outputs, is extended
    in the same way to hold the share `sample_gradients`; at 0 the method is GPM. From the second
    task on, a step W + D becomes W + (I - N N') D (I - M M'): then neither what a layer makes of
    earlier examples changes, nor the gradients that it passes back, which are in the end the
    gradients at the inputs.

    Deviates from the paper: only its abstract and other people's summaries could be read, in which
    singular vectors of two kinds protect the outputs and the gradients at the inputs. That the
    second kind is taken at the layers' outputs is our derivation. The defence that makes those
    gradients small (input gradient regularization or adversarial training) is no part of it. The
    update is projected, which for SGD is the projected gradient, and holds for Adam as well.
    Examples are those of the task's last batch. Parameters of other modules stay as they are from
    the second task on, as normalization does in the authors' code of GPM.
    """

    def __init__(self, outputs: float, sample_gradients: float) -> None:
        self.outputs = outputs
        self.sample_gradients = sample_gradients
        #: of each layer by its name
        self._bases: dict[str, _Bases] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.tasks is None:
            raise NotApplicable("DGP needs to be told when tasks change, and this task does not")

    def on_task_change(self, model: nn.Module, task: int) -> None:
        layers = [layer for layer in self.objective.layers() if _is_projected(layer.module)]
        if not layers:
            raise NotApplicable("DGP needs linear or ungrouped convolutional layers")
        with self.objective.watch(layers) as seen:
            self.objective.gradient()
        for layer in layers:
            if layer.name not in seen or seen[layer.name].gradients is None:
                continue
            found = seen[layer.name]
            inputs, gradients = _rows(layer.module, found.inputs, found.gradients)
            if layer.bias is not None:
                inputs = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
            bases = self._bases.get(layer.name)
            before = (None, None) if bases is None else (bases.inputs, bases.gradients)
            self._bases[layer.name] = _Bases(
                layer.weight,
                layer.bias,
                extended(before[0], inputs, self.outputs),
                extended(before[1], gradients, self.sample_gradients),
            )

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        if not self._bases:
            return
        by_parameter = dict(zip(parameters, deltas, strict=True))
        for bases in self._bases.values():
            weight = by_parameter.pop(bases.weight, None)
            bias = None if bases.bias is None else by_parameter.pop(bases.bias, None)
            if weight is not None:
                bases.project(weight, bias)
            elif bias is not None:
                bias.zero_()
        for delta in by_parameter.values():
            delta.zero_()


@dataclass
class _Bases:
    """What a layer must not change: orthonormal columns."""

    weight: Tensor
    bias: Tensor | None
    #: (inputs of a unit, and one for the bias; columns)
    inputs: Tensor
    #: (units, columns)
    gradients: Tensor

    def project(self, weight: Tensor, bias: Tensor | None) -> None:
        """Take from an update, in place, what lies in either basis."""
        change = weight.flatten(1)
        if len(self.inputs) > change.shape[1]:
            column = weight.new_zeros(len(weight)) if bias is None else bias
            change = torch.cat([change, column[:, None]], dim=1)
        change = change - (change @ self.inputs) @ self.inputs.T
        change = change - self.gradients @ (self.gradients.T @ change)
        weight.copy_(change[:, : weight[0].numel()].view_as(weight))
        if bias is not None:
            bias.copy_(change[:, -1])


def extended(basis: Tensor | None, rows: Tensor, threshold: float) -> Tensor:
    """Orthonormal columns: those of `basis`, and as many new ones as the threshold asks for.

    Saha et al. 2021, equations 5, 8 and 9: the new ones are left singular vectors of the
    rows' part outside of the basis, until all together hold the share of the sum of squares.
    """
    if basis is None:
        basis = rows.new_zeros(rows.shape[1], 0)
    if not rows.isfinite().all():  # the trial has diverged, and there is no decomposition
        return basis
    rest = rows - rows @ basis @ basis.T
    values, vectors = torch.linalg.svd(rest, full_matrices=False)[1:]
    total = rows.square().sum()
    held = (total - values.square().sum()).clamp(min=0)
    missing = held + values.square().cumsum(0) - values.square() < threshold * total
    # Rounding errors have a direction too: they are no new ones.
    real = values.square() > torch.finfo(rows.dtype).eps * total
    count = min(int((missing & real).sum()), rows.shape[1] - basis.shape[1])
    return torch.cat([basis, vectors[:count].T], dim=1)


def _is_projected(module: nn.Module) -> bool:
    plain = "weight" in module._parameters and getattr(module, "groups", 1) == 1
    return plain and isinstance(module, (nn.Linear, nn.Conv2d))


def _rows(module: nn.Module, inputs: Tensor, gradients: Tensor) -> tuple[Tensor, Tensor]:
    """What enters a unit, (places, inputs), and the gradients at the outputs, (places, units)."""
    if isinstance(module, nn.Linear):
        return inputs.flatten(0, -2), gradients.flatten(0, -2)
    assert isinstance(module, nn.Conv2d)
    padded = nn.functional.pad(
        inputs,
        module._reversed_padding_repeated_twice,
        mode="constant" if module.padding_mode == "zeros" else module.padding_mode,
    )
    patches = nn.functional.unfold(
        padded, module.kernel_size, dilation=module.dilation, stride=module.stride
    )
    return patches.movedim(1, -1).flatten(0, 1), gradients.movedim(1, -1).flatten(0, -2)


regularizer(
    "dgp",
    DGP,
    summary="Steps change neither outputs nor gradients at the inputs of earlier tasks' examples.",
    paper="Ru et al. 2024, Maintaining Adversarial Robustness in Continuous Learning",
    url="https://arxiv.org/abs/2402.11196",
    search={
        "outputs": search.uniform(0.5, 0.999, default=0.95),
        "sample_gradients": search.uniform(0.0, 0.999, default=0.5),
    },
    extra_work="singular vectors of every layer's inputs and gradients, and the projections",
    claims=[
        Claim(
            says="Steps orthogonal to what earlier tasks use do hardly disturb them.",
            task="permuted_digits_domains",
            method="sgd+dgp",
            rival="sgd",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="minimum to no interference with the past tasks; no number",
            place="abstract",
            source="Saha, Garg and Roy 2021, Gradient Projection Memory for Continual Learning",
        ),
        Claim(
            says="It keeps more than a penalty on weights does.",
            task="permuted_digits_domains",
            method="sgd+dgp",
            rival="sgd+ewc",
            measure="column",
            quantity="average_accuracy",
            expect="higher",
            number="better or on-par performance compared to the state of the art; no number",
            place="abstract",
            source="Saha, Garg and Roy 2021, Gradient Projection Memory for Continual Learning",
        ),
    ],
)
