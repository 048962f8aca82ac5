import pytest
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from suite.components.parameters import ROLES, describe_parameters, mark_head


def roles(model):
    describe_parameters(model)
    return {name: parameter.role for name, parameter in model.named_parameters()}


def test_every_kind_of_parameter():
    model = nn.ModuleDict(
        {
            "tokens": nn.Embedding(7, 4),
            "filters": nn.Conv2d(1, 4, 3),
            "series": nn.Conv1d(1, 4, 3),
            "layer_norm": nn.LayerNorm(4),
            "batch_norm": nn.BatchNorm2d(4),
            "hidden": nn.Linear(4, 4),
            "slope": nn.PReLU(),
            "head": mark_head(nn.Linear(4, 7)),
        }
    )
    assert roles(model) == {
        "tokens.weight": "embedding",
        "filters.weight": "conv",
        "filters.bias": "bias",
        "series.weight": "conv",
        "series.bias": "bias",
        "layer_norm.weight": "norm",
        "layer_norm.bias": "norm",
        "batch_norm.weight": "norm",
        "batch_norm.bias": "norm",
        "hidden.weight": "hidden",
        "hidden.bias": "bias",
        "slope.weight": "scale",
        "head.weight": "head",
        "head.bias": "bias",
    }


def test_attention_has_hidden_matrices_and_biases():
    found = roles(nn.MultiheadAttention(8, 2))
    assert found == {
        "in_proj_weight": "hidden",
        "in_proj_bias": "bias",
        "out_proj.weight": "hidden",
        "out_proj.bias": "bias",
    }


@pytest.mark.parametrize(
    ("module", "role"),
    [
        (nn.Linear(4, 3), "hidden"),
        (mark_head(nn.Linear(4, 3)), "head"),
        (nn.Conv2d(2, 3, 3), "conv"),
        (mark_head(nn.Conv2d(2, 3, 1)), "head"),
    ],
)
def test_weight_normalization_hands_the_role_to_the_direction(module, role):
    found = roles(nn.Sequential(weight_norm(module)))
    assert found["0.parametrizations.weight.original1"] == role
    assert found["0.parametrizations.weight.original0"] == "scale"
    assert found["0.bias"] == "bias"


@pytest.mark.parametrize("embedding_first", [True, False])
def test_tied_embedding_and_head_is_an_embedding(embedding_first):
    embedding, head = nn.Embedding(7, 4), mark_head(nn.Linear(4, 7, bias=False))
    head.weight = embedding.weight
    model = nn.Sequential(*((embedding, head) if embedding_first else (head, embedding)))
    assert set(roles(model).values()) == {"embedding"}


def test_a_shared_matrix_keeps_its_first_role():
    hidden, head = nn.Linear(4, 4, bias=False), mark_head(nn.Linear(4, 4, bias=False))
    head.weight = hidden.weight
    assert roles(nn.Sequential(hidden, head)) == {"0.weight": "hidden"}


def test_roles_follow_the_model_not_an_earlier_assignment():
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer)
    assert roles(model)["0.weight"] == "hidden"
    mark_head(layer)
    assert roles(model)["0.weight"] == "head"


def test_every_role_is_declared():
    found = roles(nn.TransformerEncoderLayer(8, 2, 16))
    assert set(found.values()) <= set(ROLES)
