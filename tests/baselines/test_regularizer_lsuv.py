"""LSUV: orthonormal directions, and outputs with a variance of one."""

import pytest
import torch
from torch import nn

from suite import NotApplicable
from suite.components import registry
from tests.objectives import EXAMPLES, make_info, make_objective, small_batch, small_model

LSUV = registry.get("regularizer", "lsuv").build


@pytest.mark.parametrize("normalized", [False, True])
def test_outputs_have_unit_variance_and_weights_are_orthogonal(normalized):
    model, lsuv = small_model(), LSUV()
    if normalized:
        nn.utils.parametrizations.weight_norm(model[0])
    lsuv.attach(model, make_info())
    objective = make_objective(model)
    before = objective.spent
    lsuv.start(model, objective)
    passes = (objective.spent - before) / (EXAMPLES / 3)
    assert 2 <= passes <= 20
    x = small_batch()[0]
    for layer in model:
        x = layer(x).detach()
        if isinstance(layer, nn.Linear):
            assert abs(float(x.var(unbiased=False)) - 1) < 0.1
            w = layer.weight.detach()
            gram = w @ w.T if len(w) <= w.shape[1] else w.T @ w
            scale = gram.diagonal().mean()
            eye = torch.eye(len(gram), dtype=gram.dtype)
            torch.testing.assert_close(gram / scale, eye, rtol=0, atol=1e-10)
            assert not layer.bias.any()


def test_refusals():
    with pytest.raises(NotApplicable, match="batch norm"):
        LSUV().attach(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), make_info())
    with pytest.raises(NotApplicable, match="has none"):
        LSUV().attach(nn.Embedding(2, 2), make_info())
