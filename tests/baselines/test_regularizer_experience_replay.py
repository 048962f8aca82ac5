"""Experience replay: what is replayed was seen before, from a memory of a stated size."""

import torch

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.objectives import EXAMPLES, make_info, small_batch
from tests.suite.training.test_steps import make_steps, sgd


def test_each_batch_is_followed_by_as_many_examples_of_earlier_ones():
    capacity = 2 * EXAMPLES + 3
    replay = registry.get("regularizer", "experience_replay").build(capacity=capacity)
    replay.attach(None, make_info())
    steps, _, objective, ledger, _ = make_steps(sgd, replay)
    steps.start()
    seen = set()
    for step in range(6):
        steps.take(0.0)
        inputs, targets = objective.batch
        own = small_batch(step)
        assert torch.equal(inputs[:EXAMPLES], own[0])
        assert torch.equal(targets[:EXAMPLES], own[1])
        assert len(inputs) == (2 if step else 1) * EXAMPLES
        rows = [(*x, y) for x, y in zip(inputs.tolist(), targets.tolist(), strict=True)]
        replayed = rows[EXAMPLES:]
        assert set(replayed) <= seen
        assert len(set(replayed)) == len(replayed)
        seen.update(rows[:EXAMPLES])
        assert len(replay._memory) == min(capacity, (step + 1) * EXAMPLES)
    assert ledger.stored_examples == capacity
    assert ledger.spent == 11 * EXAMPLES


def test_the_memory_is_a_uniform_sample_of_what_was_seen():
    kept = torch.zeros(40)
    for seed in range(100):
        replay = registry.get("regularizer", "experience_replay").build(capacity=10)
        replay.attach(None, make_info(seed=seed))
        make_steps(sgd, replay)
        for part in torch.arange(40.0)[:, None].split(8):
            replay.batch(part, torch.zeros(8))
        kept[replay._memory._inputs.flatten().long()] += 1
    # Each is kept with chance 1/4: 25 of 100, with a standard deviation of 4.3.
    assert float((kept - 25).abs().max()) < 4 * 4.3


def test_a_run_states_the_examples_that_it_stored():
    components = (("optimizer", "adamw"), ("regularizer", "experience_replay"))
    values = {name: registry.get(kind, name).defaults for kind, name in components}
    values["experience_replay"] = {"capacity": 50}
    run = run_trial(Trial("split_digits", components, values, 0, 1, "evaluation", 0.02)).run
    assert run.status == "completed", run.reason
    assert run.cost.stored_examples == 50
