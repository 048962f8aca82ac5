"""Lookahead against a loop over fast and slow weights."""

import torch

from suite.components import registry
from tests.objectives import assert_close, gradients_of, small_batch, small_model, snapshot
from tests.suite.training.test_steps import make_steps


def test_slow_weights_follow_every_k_steps():
    k, alpha, lr, momentum = 3, 0.4, 0.2, 0.9
    lookahead = registry.get("regularizer", "lookahead").build(k=k, alpha=alpha)
    steps, model, *_ = make_steps(lambda p: torch.optim.SGD(p, lr=lr, momentum=momentum), lookahead)
    fast = small_model()
    slow = snapshot(fast)
    velocity = [torch.zeros_like(w) for w in slow]
    steps.start()
    for step in range(3 * k + 1):
        steps.take(0.0)
        gradients = gradients_of(fast, small_batch(step))
        for i, (p, g) in enumerate(zip(fast.parameters(), gradients, strict=True)):
            velocity[i] = momentum * velocity[i] + g
            p.data = p.detach() - lr * velocity[i]
            if step % k == k - 1:
                slow[i] = slow[i] + alpha * (p.detach() - slow[i])
                p.data = slow[i].clone()
        assert_close(model, snapshot(fast))
