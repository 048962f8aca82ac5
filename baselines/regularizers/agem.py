"""A-GEM: no step goes against the gradient of a sample of earlier tasks."""

from __future__ import annotations

from torch import nn

from suite import Claim, regularizer, search

from .families.episodic import EpisodicMemory, without_conflict


class AGEM(EpisodicMemory):
    """Chaudhry et al. 2019, algorithm 1 and equation 11.

    g is the gradient of the batch and r that of a random sample of the memory of earlier tasks. If
    g.r < 0, the step uses g - (g.r / r.r) r, and g otherwise.

    Deviates from the paper: the memory of a task is a uniform sample of its examples, where the
    authors' code keeps the latest of each class; the sample has as many examples as the batch (256
    for batches of 10 in the authors' code for MNIST); without known task boundaries the memory is
    one uniform sample of all examples so far.
    """

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        if self._sample is None:
            return
        _, reference = self.objective.gradient(self._sample)
        found = [(p, r) for p, r in zip(parameters, reference, strict=True) if p.grad is not None]
        projected = without_conflict([p.grad for p, _ in found], [r for _, r in found])
        for (p, _), g in zip(found, projected, strict=True):
            p.grad.copy_(g)


regularizer(
    "agem",
    AGEM,
    summary="Removes from a gradient what goes against that of examples of earlier tasks.",
    paper="Chaudhry et al. 2019, Efficient Lifelong Learning with A-GEM",
    url="https://arxiv.org/abs/1812.00420",
    search={"capacity": search.choice(50, 100, 200, default=200)},
    claims=[
        Claim(
            says="A-GEM keeps more of permuted digits than EWC does.",
            task="permuted_digits_domains",
            method="adamw+agem",
            rival="adamw+ewc",
            measure="column",
            quantity="average_accuracy",
            expect="higher",
            number="permuted MNIST, average accuracy of 89.1 % for A-GEM, above EWC",
            place="the paper",
            from_memory=True,
        ),
    ],
)
