"""Flooding: the training loss is kept from falling below a level."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from suite import Claim, Regularizer, regularizer, search


class Flooding(Regularizer):
    """Ishida et al. 2020, section 3: the loss L of a mini-batch becomes |L - b| + b.

    Above the level b it is descended, below it ascended.

    Deviates from the paper: nothing. Where a method asks for the loss of every example, each is
    flooded by itself.
    """

    def __init__(self, level: float) -> None:
        self.level = level

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        loss = default(outputs, targets)
        return (loss - self.level).abs() + self.level if self.level else loss


regularizer(
    "flooding",
    Flooding,
    summary="Ascends the training loss whenever it is below a level.",
    paper="Ishida et al. 2020, Do We Need Zero Training Loss After Achieving Zero Training Error?",
    url="https://arxiv.org/abs/2002.08709",
    search={"level": search.uniform(0.0, 0.2, default=0.03)},
    claims=[
        Claim(
            says="Flooding lowers the test loss once the training loss is small.",
            task="digits",
            method="adamw+flooding",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: flooding improves performance and induces a double "
            "descent curve of the test loss",
            place="abstract",
        ),
        Claim(
            says="Flooding improves the accuracy where labels are wrong.",
            task="noisy_labels_short",
            method="adamw+flooding",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number: data with flipped labels are among the paper's experiments",
            place="the paper",
            from_memory=True,
        ),
    ],
)
