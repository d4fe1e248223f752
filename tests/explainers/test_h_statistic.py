"""The H-statistic on functions whose interactions are known, beside the definition by loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid
from pellucid import ColumnError, InputError, Model, Table, UnsupportedRequestError
from pellucid.explainers.h_statistic import h_statistic


def model_of(function, outputs=("y",)):
    return Model(label="f", outputs=outputs, raw=lambda table: function(table.as_array()))


def dependence(function, X, columns):
    """Partial dependence at every row, by the obvious loop."""
    means = []
    for row in X:
        moved = X.copy()
        moved[:, columns] = row[columns]
        means.append(function(moved).mean())
    return np.array(means) - np.mean(means)


def oracle_pair(function, X, j, k):
    joint = dependence(function, X, [j, k])
    gap = joint - dependence(function, X, [j]) - dependence(function, X, [k])
    return (gap**2).sum() / (joint**2).sum()


def oracle_each(function, X, j):
    others = [k for k in range(X.shape[1]) if k != j]
    whole = function(X) - function(X).mean()
    gap = whole - dependence(function, X, [j]) - dependence(function, X, others)
    return (gap**2).sum() / (whole**2).sum()


def tangled(X):
    return X[:, 0] * X[:, 1] + np.sin(X[:, 1] * X[:, 2]) + X[:, 3] ** 2


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_definition_by_loops(seed):
    X = np.random.default_rng(seed).normal(size=(40, 4))
    each = h_statistic(model_of(tangled), Table.of(X))
    np.testing.assert_allclose(each.values[:, 0], [oracle_each(tangled, X, j) for j in range(4)], atol=1e-12)
    pairs = h_statistic(model_of(tangled), Table.of(X), "x1")
    assert pairs.features == ("x0", "x2", "x3")
    np.testing.assert_allclose(pairs.values[:, 0], [oracle_pair(tangled, X, 1, k) for k in (0, 2, 3)], atol=1e-12)


def test_the_error_is_the_jackknife_of_the_definition():
    X = np.random.default_rng(5).normal(size=(30, 4))
    found = h_statistic(model_of(tangled), Table.of(X), "x0")
    logs = np.log([oracle_pair(tangled, np.delete(X, i, axis=0), 0, 1) for i in range(30)])
    error = np.sqrt(29 / 30 * ((logs - logs.mean()) ** 2).sum())
    np.testing.assert_allclose(np.log(found.high[0, 0] / found.values[0, 0]), 1.959964 * error, rtol=1e-6)
    np.testing.assert_allclose(np.log(found.values[0, 0] / found.low[0, 0]), 1.959964 * error, rtol=1e-6)


@given(weights=st.lists(st.integers(-3, 3), min_size=3, max_size=3), offset=st.sampled_from([0.0, 1e6, -1e9]))
def test_without_interaction_it_is_exactly_0(weights, offset):
    X = np.random.default_rng(0).normal(size=(20, 3))

    def added(X):
        return weights[0] * X[:, 0] ** 3 + weights[1] * np.exp(X[:, 1]) + weights[2] * X[:, 2] + offset

    for feature in (None, "x0"):
        found = h_statistic(model_of(added), Table.of(X), feature)
        assert not found.values.any()
        assert not found.low.any()
        assert not found.high.any()


def test_only_the_pairs_that_interact():
    X = np.random.default_rng(1).normal(size=(50, 4))
    found = h_statistic(model_of(tangled), Table.of(X), "x1")
    assert dict(zip(found.features, (found.values[:, 0] > 0).tolist(), strict=True)) == {
        "x0": True, "x2": True, "x3": False,
    }  # fmt: skip
    assert h_statistic(model_of(tangled), Table.of(X), "x3").values.max() == 0


def test_a_pure_interaction_is_1():
    signs = np.array([[a, b, 0.0] for a in (-1, 1) for b in (-1, 1)] * 5)
    found = h_statistic(model_of(lambda X: X[:, 0] * X[:, 1]), Table.of(signs), "x0")
    np.testing.assert_allclose(found.values.ravel(), [1.0, 0.0], atol=1e-12)


def test_known_shares_of_independent_normals_lie_in_their_intervals():
    # Var(x0 x1) = Var(x0) = Var(x1) = 1 and Var(x2²) = 2
    def known(X):
        return X[:, 0] * X[:, 1] + X[:, 0] + X[:, 1] + X[:, 2] ** 2

    held = np.zeros(2)
    for seed in range(60):
        X = Table.of(np.random.default_rng(seed).normal(size=(60, 3)))
        pair, each = h_statistic(model_of(known), X, "x0"), h_statistic(model_of(known), X)
        held += [pair.low[0, 0] <= 1 / 3 <= pair.high[0, 0], each.low[0, 0] <= 1 / 5 <= each.high[0, 0]]
    assert (held / 60 >= 0.85).all()
    assert (held < 120).all()


def test_outputs_and_categories_and_frames():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"town": rng.choice(["a", "b"], 40), "rooms": rng.normal(size=40), "age": rng.normal(size=40)})

    def predict(frame):
        there = (frame["town"] == "a").to_numpy()
        return np.column_stack([there * frame["rooms"], frame["rooms"] + frame["age"]])

    found = pellucid.h_statistic(predict, frame, "rooms")
    assert found.features == ("town", "age")
    assert found.values[0, 0] > 0.1
    assert found.values[1, 0] == found.values[0, 1] == found.values[1, 1] == 0
    assert pellucid.h_statistic(predict, frame, "rooms", output=1).values.shape == (2, 1)


def test_rows_are_drawn_by_the_seed_and_progress_is_told():
    X = np.random.default_rng(3).normal(size=(200, 3))
    told = []
    model = model_of(tangled_of_three := lambda X: X[:, 0] * X[:, 1] + X[:, 2])
    a = h_statistic(model, Table.of(X), n_rows=30, progress=lambda *at: told.append(at))
    b = h_statistic(model, Table.of(X), n_rows=30, random_state=1)
    assert told == [("H-statistic", k, 3) for k in (1, 2, 3)]
    assert a.n_rows == 30
    assert not np.array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.values, h_statistic(model_of(tangled_of_three), Table.of(X), n_rows=30).values)


def test_an_interaction_that_hangs_on_one_row_has_a_wide_interval():
    X = np.zeros((20, 2))
    X[0] = 1
    X[1:10, 0] = 1
    found = h_statistic(model_of(lambda X: X[:, 0] * X[:, 1] + X[:, 0]), Table.of(X), "x0")
    assert np.isfinite(found.high).all()
    assert found.high[0, 0] > 10 * found.values[0, 0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"feature": "x9"}, ColumnError, "no feature 'x9'"),
        ({"n_rows": 5}, InputError, "at least 10; got 20 rows and n_rows=5"),
        ({"n_rows": 2.5}, InputError, "n_rows must be a whole number"),
        ({"space": "loss"}, UnsupportedRequestError, "effects follow an output"),
        ({"output": "z"}, InputError, "no output 'z'"),
        ({"progress": 3}, InputError, "progress must be"),
    ],
)
def test_bad_input_is_named(options, error, words):
    with pytest.raises(error, match=words):
        pellucid.h_statistic(lambda X: X.sum(axis=1), np.zeros((20, 2)), **options)


def test_one_feature_has_no_pair():
    with pytest.raises(InputError, match="the only feature"):
        pellucid.h_statistic(lambda X: X[:, 0], np.zeros((20, 1)), "x0")
    with pytest.raises(InputError, match="got 3 rows"):
        pellucid.h_statistic(lambda X: X[:, 0], np.zeros((3, 1)))
