"""Online convex optimization: a stream of linear losses on which Adam moves the wrong way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

from suite import Data, Problem, Split, fingerprint_of, score, task


class Points(nn.Module):
    """Coordinates that are trained themselves: slopes (N, d) to linear losses (N,).

    The distance from the start is trained, so that weight decay pulls back to it, and not to
    the middle of the interval.
    """

    def __init__(self, coordinates: int, start: float) -> None:
        super().__init__()
        self.start = start
        self.displacement = nn.Parameter(torch.zeros(coordinates))

    def forward(self, slopes: Tensor) -> Tensor:
        return slopes @ (self.start + self.displacement)


def mean_regret(values: Tensor, best_values: Tensor) -> Tensor:
    """How much more than at the best fixed point the losses were."""
    return (values - best_values).mean()


class Cycle:
    """Endless batches of one round each: the same rounds over and over, in their order."""

    def __init__(self, rounds: Split) -> None:
        self._rounds = rounds
        self._next = 0

    def __iter__(self) -> Cycle:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        i = self._next
        self._next = (i + 1) % len(self._rounds)
        return self._rounds.inputs[i : i + 1].clone(), self._rounds.targets[i : i + 1].clone()


class RareLargeGradient(Problem):
    """Losses f_t(x) = x in one round of every `period`, and -x / `ratio` in all others, on [-1, 1].

    For ratio > period - 1 the sum over a period grows with x: the best fixed point is -1 and the
    worst +1. Adam divides the rare large gradient by a second moment that this gradient itself has
    just raised, and the many small ones by one that has had time to decay; so it moves to +1 (Reddi
    et al. 2018, theorems 1 and 2). Any method whose step is proportional to the gradient's running
    mean moves to -1, and so does their AMSGrad, whose second moment never decays.

    The paper's experiment (slopes 1010 and -10, every 101st round) breaks Adam with beta2 = 0.99.
    torch's default of 0.999 remembers ten times as long, so here the large gradient is rarer by
    more than that. Slopes are scaled to at most 1, which Adam does not notice. There are
    `coordinates` independent copies with different phases, so that one seed's score does not depend
    on one phase. From a `start` of +1 no method gains by not moving or by weight decay.

    Metric `distance`: mean of x + 1 over the coordinates, in [0, 2]; proportional to the expected
    regret of a round. There is nothing to generalize to: held-out rounds are another drawing of the
    phases, and the metric reads only the position. `regret` is the mean regret of the training
    rounds so far, in the same unit: a method that stays at one point has its distance as regret
    after every whole period.
    """

    criterion = staticmethod(mean_regret)

    def __init__(self, coordinates: int, period: int, ratio: float, start: float) -> None:
        self.coordinates = coordinates
        self.period = period
        self.ratio = ratio
        self.start = start

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        def draw() -> Split:
            phases = torch.randint(self.period, (self.coordinates,), generator=generator)
            # Any coordinate's large gradient is the first: seeds differ from the first round on.
            first = torch.randint(self.coordinates, (), generator=generator)
            phases = (phases - phases[first]) % self.period
            slopes = torch.full((self.period, self.coordinates), -1.0 / self.ratio)
            slopes[phases, torch.arange(self.coordinates)] = 1.0
            return Split(slopes, -slopes.sum(1))

        text = f"slope 1 every {self.period} rounds, else -1 / {self.ratio}"
        digest = fingerprint_of(text)
        return Data(draw(), draw(), draw(), digest)

    def model(self) -> nn.Module:
        return Points(self.coordinates, self.start)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Cycle(train)

    def constrain(self, model: nn.Module) -> None:
        for displacement in model.parameters():
            displacement.clamp_(-1.0 - self.start, 1.0 - self.start)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        regret = float(mean_regret(model(split.inputs), split.targets))
        return {"distance": self._as_distance(regret)}

    def training_metrics(self, losses: Sequence[float], examples: float) -> dict[str, float]:
        if not losses:  # before training: the regret of staying at the start
            return {"regret": self.start + 1.0}
        return {"regret": self._as_distance(fmean(losses))}

    def _as_distance(self, regret: float) -> float:
        """All coordinates have the same mean slope: regret over whole periods is distance."""
        slope = (1.0 - (self.period - 1) / self.ratio) / self.period
        return regret / slope / self.coordinates


_PERIOD, _PERIODS = 3000, 6

# By construction, Adam's 1 on the scale is little progress: where its steps are so large that one
# rare gradient moves it across the interval, it ends on the way back. The target is beyond the
# result of any rate.
task(
    "adam_counterexample",
    RareLargeGradient(coordinates=250, period=_PERIOD, ratio=2.0 * _PERIOD, start=1.0),
    version=3,
    track="mini",
    contrast=("sgd", "adamw"),
    summary="Rare large gradients outweigh many small ones; Adam's second moment hides them.",
    source="Reddi, Kale and Kumar 2018, On the Convergence of Adam and Beyond, section 3; a period "
    "of 3000 rounds for beta2 = 0.999",
    batch_size=1,
    budget=_PERIOD * _PERIODS,
    evaluations=_PERIODS,
    score=score.final("distance", higher_is_better=False, worst=4.0),
    target=0.6,
)
