import numpy as np
import pytest
import torch
from torch import nn

from pellucid._base.errors import InputError
from pellucid.nn.concepts import tcav


def model_that_uses_the_first_input():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(inplace=True), nn.Linear(4, 2, bias=False))
    model[0].weight.data = torch.eye(4)
    model[2].weight.data = torch.tensor([[1.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    return model


def drawn(n, seed, shift=(0.0, 0.0, 0.0, 0.0)):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)) + torch.tensor(shift)


def test_concepts_the_score_uses_are_found_with_their_sign():
    concepts = {
        "up": drawn(40, 1, (3.0, 0, 0, 0)),
        "down": drawn(40, 2, (0, 0, 0, 3.0)),
        "unused": drawn(40, 3, (0, 3.0, 0, 0)),
        "nothing": drawn(40, 4),
    }
    found = tcav(model_that_uses_the_first_input(), drawn(60, 5), concepts, drawn(600, 6), layer="0", target=0)
    table = found.to_frame().set_index("concept")
    assert table.loc["up", "score"] > 0.75  # rows whose first unit is off cannot rise
    assert table.loc["up", "p_value"] < 0.01
    assert table.loc["down", "p_value"] < 0.01
    assert table.loc["down", "score"] < 0.25
    assert table.loc["nothing", "p_value"] > 0.05
    assert table.loc["up", "accuracy"] > 0.85
    assert abs(table.loc["nothing", "accuracy"] - 0.5) < 0.15
    assert "up raises" in found.sentence()


def test_random_concepts_are_called_concepts_no_more_often_than_the_level():
    model = model_that_uses_the_first_input()
    hits = 0
    for repeat in range(20):
        found = tcav(
            model, drawn(20, repeat), {"nothing": drawn(200, 100 + repeat)[:100]}, drawn(2000, 200 + repeat),
            layer="0", target=0, n_runs=6, random_state=repeat,
        )  # fmt: skip
        hits += found.p_value[0] <= 0.05
    assert hits <= 6


def test_directions_are_the_ridge_classifier_s():
    from pellucid.nn.concepts import RIDGE, _ridge

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 3)), np.repeat([1.0, -1.0], 5)
    weights, middle = _ridge(X, y)
    centred = X - middle
    penalty = RIDGE * (centred**2).sum()
    np.testing.assert_allclose(weights, np.linalg.solve(centred.T @ centred + penalty * np.eye(3), centred.T @ y))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer": "3"}, "there is no layer"),
        ({"layer": "*"}, "one layer"),
        ({"negatives": drawn(20, 0)}, "twice as many"),
        ({"concepts": {"a": drawn(3, 0)}}, "at least 4 examples"),
        ({"concepts": {}}, "at least one"),
        ({"n_runs": 2}, "at least 4"),
    ],
)
def test_bad_input_is_named(change, said):
    options = {"concepts": {"a": drawn(15, 1)}, "negatives": drawn(100, 2), "layer": "0", "target": 0} | change
    with pytest.raises(InputError, match=said):
        tcav(model_that_uses_the_first_input(), drawn(5, 3), **options)
