import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from pellucid._base.errors import InputError
from pellucid.nn.faithfulness import faithfulness, grid_pointing, rank_methods
from pellucid.nn.sensitivity import Randomisation, infidelity, max_sensitivity, parameter_randomisation


def gradient(model, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(model(x)[:, 1].sum(), x)[0]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))


def test_infidelity_is_its_definition():
    model, x = network().double(), torch.randn(4, 5, dtype=torch.float64)
    values = gradient(model, x)
    found = infidelity(model, x, values, target=1, noise=0.3, n_samples=4000, batch_size=1000)
    generator = torch.Generator().manual_seed(9)
    steps = 0.3 * torch.randn(20_000, 5, generator=generator, dtype=torch.float64)
    for row in range(4):
        with torch.no_grad():
            change = model(x[row : row + 1])[:, 1] - model(x[row] - steps)[:, 1]
            wanted = ((steps @ values[row] - change) ** 2).mean()
        assert abs(found.values[row] - float(wanted)) < 4 * found.std_error[row] * (1 + (4000 / 20_000) ** 0.5)


def test_scaled_infidelity_knows_no_unit_and_compares_with_nothing():
    model, x = network(), torch.randn(4, 5)
    values = gradient(model, x)
    one, other = (infidelity(model, x, scale * values, target=1, noise=0.01) for scale in (1, 1000))
    np.testing.assert_allclose(one.scaled, other.scaled, rtol=1e-4)
    assert one.scaled.max() < 0.01
    assert other.values.min() > 1000 * one.values.max()
    np.testing.assert_allclose(infidelity(model, x, 0 * values, target=1).scaled, 1)


def test_max_sensitivity_is_the_largest_change():
    class Step(nn.Module):
        def forward(self, x):
            return x

    def explain(model, x):
        return torch.where(x > 0, 3.0, 1.0)

    x = torch.tensor([[5.0, 5.0], [0.001, 5.0]])
    found = max_sensitivity(explain, Step(), x, radius=0.1, n_samples=20, batch_size=7)
    np.testing.assert_allclose(found, [0, 2 / 18**0.5], rtol=1e-6)


def test_a_zero_attribution_that_moves_is_infinitely_sensitive():
    found = max_sensitivity(lambda model, x: (x > 0).float(), None, torch.tensor([[-1e-9]]), n_samples=20)
    assert found.tolist() == [np.inf]


def test_randomisation_tells_what_depends_on_the_parameters():
    model, x = network(), torch.randn(10, 5)
    before = [p.clone() for p in model.parameters()]
    found = parameter_randomisation(gradient, model, x)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert found.layers == ("4", "2", "0")
    assert found.last.value < 0.5
    constant = parameter_randomisation(lambda model, x: x, model, x)
    assert (constant.similarity == 1).all()
    assert "still resembles" in constant.sentence()
    assert "ranks nothing" in found.sentence()


def test_few_states_are_some_of_all_states():
    model, x = network(), torch.randn(10, 5)
    whole = parameter_randomisation(gradient, model, x)
    few = parameter_randomisation(gradient, model, x, n_states=2)
    assert few.layers == ("4", "0")
    np.testing.assert_array_equal(few.similarity, whole.similarity[[0, 2]])
    assert parameter_randomisation(gradient, model, x, n_states=99).layers == whole.layers
    with pytest.raises(InputError, match="n_states must be at least 1"):
        parameter_randomisation(gradient, model, x, n_states=0)


@pytest.mark.parametrize(
    ("similarity", "said"),
    [([0.9, 0.8], "still resembles"), ([0.9, 0.2], "resembles in part"), ([0.1, 0.2], "no longer resembles")],
)
def test_what_is_said_of_likeness_has_its_interval_behind_it(similarity, said):
    assert said in Randomisation(layers=("a",), similarity=np.array([similarity])).sentence()


def test_similarity_after_randomisation_is_spearman_s():
    model, x = network(), torch.randn(6, 5)
    seen = []

    def explain(model, x):
        seen.append(gradient(model, x).abs().numpy())
        return seen[-1]

    found = parameter_randomisation(explain, model, x)
    for layer in range(3):
        for row in range(6):
            wanted = spearmanr(seen[0][row], seen[1 + layer][row]).statistic
            assert found.similarity[layer, row] == pytest.approx(wanted, abs=1e-9)


def test_pointing_is_the_share_inside():
    rng = np.random.default_rng(0)
    values, cell = rng.normal(size=(5, 2, 6, 6)), np.zeros((6, 6), dtype=bool)
    cell[:3, 3:] = True
    found = grid_pointing(torch.from_numpy(values), cell)
    summed = values.sum(1)
    np.testing.assert_allclose(found.share, (summed.clip(0) * cell).sum((1, 2)) / summed.clip(0).sum((1, 2)))
    peaks = [np.unravel_index(v.argmax(), v.shape) for v in summed]
    assert found.hit.tolist() == [bool(cell[p]) for p in peaks]
    nothing = grid_pointing(np.zeros((2, 6, 6)), cell)
    assert (nothing.share.tolist(), nothing.hit.tolist()) == ([0, 0], [False, False])
    with pytest.raises(InputError, match="not all of it"):
        grid_pointing(values, np.ones((6, 6)))


def test_ranks_are_averaged_and_their_agreement_is_kendall_s():
    rng = np.random.default_rng(0)
    scores = {m: {k: rng.normal(size=30) for k in "pqr"} for m in "abcd"}
    scores["a"] = {k: np.full(30, 10.0) for k in "pqr"}
    found = rank_methods(scores)
    assert found.rank[0].value == 1
    assert (found.rank[0].low, found.rank[0].high) == (1, 1)
    assert sum(rank.value for rank in found.rank) == pytest.approx(10)
    by_row = []
    for row in range(30):
        order = np.array(
            [[sorted(-scores[m][k][row] for m in "abcd").index(-scores[m][k][row]) + 1 for m in "abcd"] for k in "pqr"]
        )
        total = order.sum(0)
        by_row.append(12 * ((total - total.mean()) ** 2).sum() / (9 * (64 - 4)))
    assert found.agreement.value == pytest.approx(np.mean(by_row))
    assert found.to_frame()["method"][0] == "a"
    assert "a has the best mean rank" in found.sentence()


def test_faithfulness_ranks_the_right_order_first_and_random_last():
    torch.manual_seed(0)
    model, x = nn.Linear(12, 2), torch.randn(30, 12)
    right = x * model.weight[0].detach()
    found = faithfulness(
        model, x, {"right": right, "backwards": -right}, target=0, hide={"zero": 0.0, "mean": x.mean(0)}
    )
    assert found.to_frame()["method"].tolist()[0] == "right"
    assert found.metrics == ("insertion zero", "-deletion zero", "insertion mean", "-deletion mean")
    ranks = dict(zip(found.methods, found.rank, strict=True))
    assert ranks["right"].high < ranks["random"].low
    assert ranks["random"].high < ranks["backwards"].low


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"a": {"m": [1, 2]}}, "at least 2 methods"),
        ({"a": {"m": [1, 2]}, "b": {"n": [1, 2]}}, "needs the metrics"),
        ({"a": {"m": [1, 2]}, "b": {"m": [1]}}, "same rows"),
        ({"a": {"m": [1, np.nan]}, "b": {"m": [1, 2]}}, "finite"),
    ],
)
def test_bad_scores_are_named(scores, said):
    with pytest.raises(InputError, match=said):
        rank_methods(scores)


def test_bad_input_is_named():
    model, x = nn.Linear(4, 2), torch.randn(3, 4)
    with pytest.raises(InputError, match="floating point"):
        infidelity(model, torch.ones(3, 4, dtype=torch.long), x, target=0)
    with pytest.raises(InputError, match="input's shape"):
        infidelity(model, x, x[:, :1], target=0)
    with pytest.raises(InputError, match="one row for each of the 3"):
        max_sensitivity(lambda model, x: x[:2], model, x)
    with pytest.raises(InputError, match="no parameters"):
        parameter_randomisation(gradient, nn.Tanh(), x)
    with pytest.raises(InputError, match="kept for the random order"):
        faithfulness(model, x, {"random": x}, target=0)
