"""A task of a few milliseconds a step: two blobs to tell apart, drawn anew for every split."""

import torch
from torch import nn

from suite import Data, Problem, Split, score, task
from suite.components.parameters import mark_head
from suite.problems.batches import Shuffled


class Blobs(Problem):
    """Noisy points around one of three corners."""

    classes = 3

    def data(self, folder, generator):
        def draw(count):
            labels = torch.randint(3, (count,), generator=generator)
            noise = torch.randn(count, 3, generator=generator)
            return Split(nn.functional.one_hot(labels, 3) + noise, labels)

        return Data(draw(256), draw(128), draw(128), fingerprint="0123456789abcdef")

    def model(self):
        return nn.Sequential(nn.Linear(3, 16), nn.ReLU(), mark_head(nn.Linear(16, 3)))

    def batches(self, train, batch_size, generator):
        return Shuffled(train, batch_size, generator)


task(
    "tiny_blobs",
    Blobs(),
    version=1,
    track="mini",
    summary="Three noisy blobs.",
    source="made for the tests",
    batch_size=32,
    budget=32 * 120,
    evaluations=12,
    score=score.final("loss", higher_is_better=False, worst=4.0),
    target=0.7,
    time_limit=60,
)
