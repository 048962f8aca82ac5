"""BCWI: after an update of the data, the model is a mixture of the old and of the new weights."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class BCWI(Regularizer):
    """Schumann et al. 2024: backward compatible weight interpolation, for evaluation only.

    From the second task on, w = alpha old + (1 - alpha) new, where old are the weights that the
    model had at the end of the task before, and new are those of the training that goes on.

    Deviates from the paper: an update of the data is the next task of a stream, and at each update
    the old weights are those that were evaluated, the mixture; batch norm's statistics are mixed
    as weights are. alpha is tuned like any hyperparameter, and not after training.
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self._old: dict[str, Tensor] = {}
        self._now: dict[str, Tensor] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.tasks is None:
            raise NotApplicable("BCWI mixes weights of before and after an update of the data")

    def on_task_change(self, model: nn.Module, task: int) -> None:
        self._old = {name: weight.clone() for name, weight in self._now.items()}

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        if self._old and self.alpha:
            weights = {n: w.lerp(self._old[n], self.alpha) for n, w in weights.items()}
        self._now = weights
        return weights


regularizer(
    "bcwi",
    BCWI,
    summary="Evaluates a mixture of the present weights and of those before the last task.",
    paper="Schumann et al. 2024, Backward Compatibility During Data Updates by Weight "
    "Interpolation",
    url="https://arxiv.org/abs/2301.10546",
    search={"alpha": search.uniform(0.0, 1.0, default=0.5)},
    claims=[
        Claim(
            says="Interpolation with the old weights reduces what an update makes worse.",
            task="class_incremental_growth",
            method="adamw+bcwi",
            rival="adamw",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="fewer negative flips without sacrificing the improved accuracy of the new "
            "model; no number",
            place="abstract",
        ),
    ],
)
