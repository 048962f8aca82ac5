"""PLwF: the models of all earlier tasks teach the present one, without a conflict of gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search

from .families.episodic import without_conflict

#: of the softmax of teachers and of the student
TEMPERATURE = 2.0


class PLwF(Regularizer):
    """Feng et al. 2022: distillation from the models of all earlier tasks, and credit assignment.

    At the end of each task the model is kept as a teacher. With n teachers q_k and the present
    model p on the current batch, the old objective is strength * T^2 / n * sum_k KL(q_k || p), with
    a softmax at temperature T = 2 over the classes that had been seen by the teacher's time. Where
    the gradients of the new and of the old objective point against each other, the component along
    the other one's original gradient is removed from each; the step uses their sum.

    Deviates from the paper: only its abstract could be read. Temperature, the mean over teachers
    and the symmetric projection (that of PCGrad) are those of learning without forgetting (Li and
    Hoiem 2017) and of gradient surgery (Yu et al. 2020).
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength
        #: for each earlier task: all weights and buffers by name, and the classes seen until then
        self._teachers: list[tuple[dict[str, Tensor], Tensor]] = []

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.tasks is None:
            raise NotApplicable("PLwF needs to be told when tasks change, and this task does not")
        if info.classes is None:
            raise NotApplicable("PLwF distils scores of classes, and this task has none")
        self._seen = torch.zeros(info.classes, dtype=torch.bool)

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self._seen.device != targets.device:
            self._seen = self._seen.to(targets.device)
        self._seen[targets.flatten()] = True
        return inputs, targets

    def on_task_change(self, model: nn.Module, task: int) -> None:
        weights = {name: t.detach().clone() for name, t in model.state_dict().items()}
        self._teachers.append((weights, self._seen.nonzero().flatten()))

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        loss = evaluate()
        if not self._teachers:
            return loss
        old = torch.autograd.grad(self._distillation(), parameters, materialize_grads=True)
        new = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        # A model that is still its own teacher has no old gradient but for rounding errors, whose
        # direction must not count.
        noise = 100 * torch.finfo(old[0].dtype).eps
        real = _norm(old) > noise * _norm(new)
        old = tuple(torch.where(real, g, 0.0) for g in old)
        sums = zip(without_conflict(new, old), without_conflict(old, new), strict=True)
        for p, (a, b) in zip(parameters, sums, strict=True):
            p.grad = a + b
        return loss

    def _distillation(self) -> Tensor:
        model, inputs = self.objective.model, self.objective.batch[0]
        student = model(inputs) / TEMPERATURE
        total = torch.zeros_like(student[..., 0].sum())
        for weights, classes in self._teachers:
            with torch.no_grad():
                teacher = functional_call(model, weights, (inputs,)) / TEMPERATURE
            q = teacher.index_select(-1, classes).flatten(0, -2).log_softmax(-1)
            p = student.index_select(-1, classes).flatten(0, -2).log_softmax(-1)
            total = total + nn.functional.kl_div(p, q, reduction="batchmean", log_target=True)
        return self.strength * TEMPERATURE**2 / len(self._teachers) * total


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([t.norm() for t in tensors]).norm()


regularizer(
    "plwf",
    PLwF,
    summary="Learns from the models of all earlier tasks, with conflicts of gradients removed.",
    paper="Feng et al. 2022, Progressive Learning without Forgetting",
    url="https://arxiv.org/abs/2211.15215",
    search={"strength": search.log_uniform(0.1, 100.0, default=1.0)},
    claims=[
        Claim(
            says="Distillation from all earlier models, without conflicts, is better than other "
            "methods without raw data.",
            task="split_digits",
            method="adamw+plwf",
            rival="adamw+ewc",
            measure="column",
            quantity="average_accuracy",
            expect="higher",
            number="no number in the abstract: notably better results even without relying on any "
            "raw data",
            place="abstract",
        ),
    ],
)
