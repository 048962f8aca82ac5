"""Large and lazy initializations: what starts where, and errors by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite import registry

registry.load_all("task")


def load(name):
    task = registry.get("task", name)
    return task.problem, task.problem.data(Path("unused"), torch.Generator().manual_seed(0))


def test_outputs_start_as_large_as_the_cube_of_the_scale():
    problem, data = load("large_init_grok")
    torch.manual_seed(0)
    large = problem.model()
    with torch.no_grad():
        before = large(data.test.inputs)
        for p in large.parameters():
            p /= problem.scale
        assert torch.allclose(before, problem.scale**3 * large(data.test.inputs), atol=1e-4)


def test_one_hot_error_by_hand():
    criterion = load("large_init_grok")[0].criterion
    outputs = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert criterion(outputs, torch.tensor([0, 0])).item() == (0 + 1 + 4) / 2


def test_a_lazy_network_starts_at_zero_and_alpha_scales_its_changes():
    problem, data = load("lazy_to_rich_grok")
    model = problem.model()
    x = data.test.inputs[:5]
    assert torch.equal(model(x), torch.zeros(5))
    with torch.no_grad():
        model.hidden.weight += 0.1
        h, before = model.hidden(x), x @ model.start.T
        phi = [a + problem.curvature / 2 * a**2 for a in (h, before)]
        assert torch.allclose(model(x), problem.alpha * (phi[0] - phi[1]).mean(1), atol=1e-5)


def test_targets_depend_on_one_direction():
    _, data = load("lazy_to_rich_grok")
    x, y = data.train.inputs.double(), data.train.targets.double()
    # E[y (x x' - 1)] = beta beta': the moment's first eigenvector explains the targets
    moment = torch.einsum("n,ni,nj->ij", y, x, x) / len(x)
    beta = torch.linalg.eigh(moment).eigenvectors[:, -1]
    found = (x @ beta).square() / 2
    assert torch.corrcoef(torch.stack((found, y)))[0, 1] > 0.6
    assert (y >= 0).all()


def test_explained_variance_of_known_predictors():
    problem, data = load("lazy_to_rich_grok")

    def mean(inputs):
        return data.test.targets.mean().expand(len(inputs))

    def truth(inputs):
        return data.test.targets

    assert problem.evaluate(mean, data.test)["explained_variance"] == pytest.approx(0, abs=1e-6)
    assert problem.evaluate(truth, data.test) == {"loss": 0.0, "explained_variance": 1.0}
