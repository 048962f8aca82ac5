"""A task on a small data set of the catalog: how often each letter follows another."""

import torch
from torch import nn

from suite import Data, Problem, Split, score, task
from suite.components.parameters import mark_head
from suite.data import load_text
from suite.problems.batches import Shuffled


class Letters(Problem):
    """The next of 128 characters from the one before; the text's end is for validation."""

    dataset = "shakespeare"
    classes = 128

    def data(self, folder, generator):
        text = load_text(self.dataset, folder)
        codes = torch.tensor(list(text.text.encode())) % 128
        train, validation, test = (Split(part[:-1], part[1:]) for part in codes.split(100)[:3])
        return Data(train, validation, test, text.fingerprint, text.canonical, text.source)

    def model(self):
        return nn.Sequential(nn.Embedding(128, 8), mark_head(nn.Linear(8, 128)))

    def batches(self, train, batch_size, generator):
        return Shuffled(train, batch_size, generator)


task(
    "tiny_letters",
    Letters(),
    version=1,
    track="full",
    summary="The next character.",
    source="made for the tests",
    batch_size=8,
    budget=8 * 20,
    evaluations=2,
    score=score.final("loss", higher_is_better=False, worst=15.0),
    target=4.0,
    time_limit=60,
)
