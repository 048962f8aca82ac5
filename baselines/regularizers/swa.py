"""SWA: the model is evaluated with the mean of the weights along the end of training."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Regularizer, TaskInfo, regularizer, search


class SWA(Regularizer):
    """Izmailov et al. 2018, algorithm 1: from the share `start` of the budget on, the mean of the
    weights at the end of every epoch; batch norm's statistics are computed again.

    Deviates from the paper: the learning rate is the schedule's and not set here; on tasks without
    epochs, weights are averaged after every step, and more often than once an epoch if the last
    quarter of the budget has less than ten; the mean begins with the first end of an epoch, as in
    the authors' code, and not with the weights at `start`; statistics come from the latest 10
    batches and not from all.
    """

    recalibrate = 10

    def __init__(self, start: float) -> None:
        self.start_at = start
        self._models = 0
        self._steps = 0
        self._mean: dict[str, Tensor] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        # An epoch in steps; ten sets of weights in a quarter of the budget, however short it is.
        epoch = 1 if info.examples is None else info.examples // info.batch_size
        self._period = max(1, min(epoch, info.steps // 40))

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        self._steps += 1
        if self.progress >= self.start_at and self._steps % self._period == 0:
            self._models += 1
            for name, weight in weights.items():
                if self._models == 1:
                    self._mean[name] = weight.clone()
                else:
                    self._mean[name].lerp_(weight, 1 / self._models)
        return self._mean or weights


regularizer(
    "swa",
    SWA,
    summary="Evaluates the mean of the weights of the last part of training.",
    paper="Izmailov et al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization",
    url="https://arxiv.org/abs/1803.05407",
    search={"start": search.uniform(0.25, 0.9, default=0.75)},
    claims=[
        Claim(
            says="SWA generalizes better than SGD.",
            task="cifar100_resnet18",
            method="sgd+swa",
            rival="sgd",
            measure="score",
            expect="better",
            number="CIFAR-100, test accuracy in the same budget: PreResNet-164 78.49 to 79.77 %, "
            "VGG-16 72.55 to 73.91 %, wide ResNet 80.82 to 81.46 %",
            place="README of timgaripov/swa",
        ),
        Claim(
            says="Averages of weights are better all along the training of a language model.",
            task="lm_markov_short",
            method="adamw+swa",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: improved performance along the training trajectory, "
            "without additional cost, across scales",
            place="abstract",
            source="Hägele et al. 2024, Scaling Laws and Compute-Optimal Training Beyond Fixed "
            "Training Durations, https://arxiv.org/abs/2405.18392",
        ),
    ],
)
