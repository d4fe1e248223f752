from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pellucid._base.errors import InputError, ModelError
from pellucid.nn._imputation import linear_imputation
from pellucid.nn.attribution import attribute
from pellucid.nn.flipping import flipping, flippings


def curve(model, x, order, target, *, steps, hide=0.5):
    """Hide one part after another, in this order, and ask the model each time."""
    scores = []
    for step in range(steps + 1):
        changed = x.clone()
        for part in order[: floor(Fraction(step * len(order), steps) + Fraction(1, 2))]:
            changed.view(-1)[part] = hide
        scores.append(float(model(changed[None])[0, target].detach()))
    return scores


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 8), st.integers(1, 9))
def test_curves_are_those_of_hiding_one_after_another(seed, rows, parts, steps):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(parts, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    x, values = torch.randn(rows, parts, dtype=torch.float64), torch.randn(rows, parts)
    target = torch.randint(3, (rows,))
    found = flipping(model, x, values, target=target, hide=0.5, n_steps=steps, batch_size=5)
    for row in range(rows):
        order = values[row].argsort(descending=True).tolist()
        np.testing.assert_allclose(
            found.most_first[row], curve(model, x[row], order, target[row], steps=steps), atol=1e-9
        )
        np.testing.assert_allclose(
            found.least_first[row], curve(model, x[row], order[::-1], target[row], steps=steps), atol=1e-9
        )
    np.testing.assert_allclose(found.deletion, np.trapezoid(found.most_first, found.share_hidden, axis=1))
    np.testing.assert_allclose(found.abpc, found.insertion - found.deletion)
    assert found.share_hidden[[0, -1]].tolist() == [0, 1]


def test_what_several_attributions_have_in_common_is_asked_once():
    asked = []

    def model(x):
        asked.append(len(x))
        return torch.tanh(x).cumsum(1)

    x, several = torch.randn(3, 6), [torch.randn(3, 6) for _ in range(4)]
    options = {"target": 2, "hide": 0.5, "players": None, "n_steps": 5, "batch_size": 7, "random_state": 0}
    found = flippings(model, x, several, **options)
    assert sum(asked) == 3 * (2 + 4 * 2 * 4)
    for values, curves in zip(several, found, strict=True):
        alone = flipping(model, x, values, **options)
        np.testing.assert_allclose(curves.most_first, alone.most_first, atol=1e-6)
        np.testing.assert_allclose(curves.least_first, alone.least_first, atol=1e-6)


def test_steps_that_hide_the_same_parts_are_asked_once():
    asked = []

    def model(x):
        asked.append(len(x))
        return x.sum(1)

    found = flipping(model, torch.randn(2, 3), torch.randn(2, 3), n_steps=12)
    assert sum(asked) == 2 * (2 + 2 * 2)
    assert found.most_first.shape == (2, 13)


def test_the_best_order_of_an_additive_model_is_its_own():
    torch.manual_seed(0)
    model, x = nn.Linear(10, 2), torch.randn(20, 10)
    own = flipping(model, x, x * model.weight[1].detach(), target=1, n_steps=10)
    for _ in range(5):
        other = flipping(model, x, torch.randn(20, 10), target=1, n_steps=10)
        assert (own.abpc >= other.abpc - 1e-6).all()
    assert own.summary()["abpc"].low > 0


def test_random_attributions_have_an_area_around_zero():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(200, 10)
    found = flipping(model, x, torch.rand(200, 10), target=1).summary()["abpc"]
    assert found.low < 0 < found.high


def test_channels_go_together_and_players_that_may_not_be_hidden_stay():
    class Seen(nn.Module):
        def __init__(self):
            super().__init__()
            self.inputs = []

        def forward(self, x, mask):
            self.inputs.append(x.clone())
            return (x * mask).flatten(1).sum(1)

    model, x = Seen(), torch.ones(2, 3, 4, 4)
    players = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    players[:, :, 0] = False
    inputs = {"x": x, "mask": torch.ones(2, 1, 4, 4)}
    found = flipping(model, inputs, torch.rand(2, 1, 4, 4), hide=-1.0, players=players, n_steps=4)
    seen = torch.cat(model.inputs)
    assert (seen == seen[:, :1]).all()
    assert (seen[:, :, 0] == 1).all()
    assert found.most_first[:, -1].tolist() == [3 * (4 - 12)] * 2
    assert found.most_first[:, 0].tolist() == [48] * 2


def test_token_numbers_and_probabilities():
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3))
    ids = torch.randint(9, (3, 5))
    found = flipping(model, ids, torch.rand(3, 5), target=[0, 1, 2], hide=8, n_steps=5, probability=True)
    assert (found.most_first > 0).all()
    assert (found.most_first < 1).all()
    whole = model(torch.full((1, 5), 8)).softmax(1)[0].detach().numpy()
    np.testing.assert_allclose(found.most_first[:, -1], whole, atol=1e-6)


def test_an_explanation_is_taken_as_it_is():
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(6, 4)
    explanation = attribute(model, x, target=1, method="gradient_x_input")
    by_array = flipping(model, x, explanation.shaped[..., 0], target=1)
    np.testing.assert_array_equal(flipping(model, x, explanation, target=1).abpc, by_array.abpc)


def test_imputed_pixels_are_the_mean_of_their_neighbours():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((2, 3, 6, 7)))
    mask = torch.from_numpy(rng.random((2, 1, 6, 7)) < 0.6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pellucid.nn._imputation.NOISE", 0.0)
        filled = linear_imputation(x, mask, [0, 1], 0).numpy()
    np.testing.assert_array_equal(filled[~mask.expand_as(x).numpy()], x.numpy()[~mask.expand_as(x).numpy()])
    for row, _, i, j in np.argwhere(mask.numpy()):
        near = [
            (1 / 12 if y != i and k != j else 1 / 6, y, k)
            for y, k in product((i - 1, i, i + 1), (j - 1, j, j + 1))
            if (y, k) != (i, j) and 0 <= y < 6 and 0 <= k < 7
        ]
        wanted = sum(w * filled[row, :, y, k] for w, y, k in near) / sum(w for w, _, _ in near)
        np.testing.assert_allclose(filled[row, :, i, j], wanted, atol=1e-9)
    together = linear_imputation(x, mask, [0, 1], 0)
    assert torch.equal(together[1:], linear_imputation(x[1:], mask[1:], [1], 0))
    all_hidden = linear_imputation(x, torch.ones_like(mask), [0, 1], 0)
    np.testing.assert_allclose(all_hidden.mean((2, 3)), x.mean((2, 3)), atol=0.01)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"attributions": torch.rand(3, 5)}, "input's shape"),
        ({"attributions": torch.full((3, 4), torch.nan)}, "finite"),
        ({"players": torch.zeros(3, 4)}, "nothing to hide"),
        ({"hide": "blur"}, "'linear'"),
        ({"hide": "linear"}, "pictures of shape"),
        ({"hide": torch.zeros(7)}, "broadcasts"),
        ({"target": 5}, "between 0 and 1"),
        ({"target": -1}, "between 0 and 1"),
        ({"target": [0, 1]}, "one for each of the 3 rows"),
        ({"target": None}, "say which"),
        ({"n_steps": 0}, "n_steps"),
        ({"inputs": torch.zeros(0, 4)}, "at least one row"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_input_is_named(change, said):
    options = {"inputs": torch.randn(3, 4), "attributions": torch.rand(3, 4), "target": 0} | change
    with pytest.raises(InputError, match=said):
        flipping(nn.Linear(4, 2), **options)


def test_a_model_that_gives_nan_is_named():
    with pytest.raises(ModelError, match="NaN"):
        flipping(lambda x: x.sum(1) * torch.nan, torch.randn(3, 4), torch.rand(3, 4))
