"""Groups of features as players: the grouped marginal game by enumeration, and its laws."""

import itertools
from math import factorial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid
from pellucid import ColumnError, InputError, MaskedLime, UnsupportedRequestError


def tangled(X):
    X = np.asarray(X, dtype=float)
    return X[:, 0] * X[:, 1] + np.sin(X[:, 2] * X[:, 3]) + X[:, 1] * X[:, 3]


def oracle(function, x, background, players):
    """Shapley values of groups of columns, by the definition."""

    def worth(coalition):
        mixed = background.copy()
        for player in coalition:
            mixed[:, players[player]] = x[players[player]]
        return function(mixed).mean()

    n, values = len(players), []
    for i in range(n):
        others = [k for k in range(n) if k != i]
        values.append(
            sum(
                factorial(size) * factorial(n - size - 1) / factorial(n) * (worth((*S, i)) - worth(S))
                for size in range(n)
                for S in itertools.combinations(others, size)
            )
        )
    return np.array(values)


CUTS = (
    {"a": ["x0", "x1"]},
    {"a": ["x0", "x3"], "b": ["x2", "x1"]},
    {"all": ["x0", "x1", "x2", "x3"]},
    {"x0": ["x0"]},
    {},
)
PLAYERS = (
    (("a", "x2", "x3"), ([0, 1], [2], [3])),
    (("a", "b"), ([0, 3], [1, 2])),
    (("all",), ([0, 1, 2, 3],)),
    (("x0", "x1", "x2", "x3"), ([0], [1], [2], [3])),
    (("x0", "x1", "x2", "x3"), ([0], [1], [2], [3])),
)


@pytest.mark.parametrize(("groups", "expected"), list(zip(CUTS, PLAYERS, strict=True)))
@pytest.mark.parametrize("method", ["exact", "shapley", "auto"])
def test_it_is_the_grouped_game_by_enumeration(groups, expected, method):
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(3, 4)), rng.normal(size=(6, 4))
    found = pellucid.explain(tangled, X, background=background, groups=groups, method=method)
    names, players = expected
    assert found.features == names
    for row in range(3):
        np.testing.assert_allclose(found.values[row, :, 0], oracle(tangled, X[row], background, players), atol=1e-10)


@given(seed=st.integers(0, 1000))
def test_one_hot_columns_as_one_player_are_the_category(seed):
    """Encoded and raw model say the same, so the group's value is the category's own."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"town": rng.choice(list("abc"), 9), "rooms": rng.normal(size=9)})
    frame["town"] = frame["town"].astype(pd.CategoricalDtype(list("abc")))
    encoded = pd.get_dummies(frame, columns=["town"], dtype=float)

    def of_columns(X):
        return X["rooms"] * X["town_a"] + 2 * X["town_b"] - X["rooms"] ** 2

    def of_category(X):
        return of_columns(pd.get_dummies(X, columns=["town"], dtype=float))

    group = {"town": ["town_a", "town_b", "town_c"]}
    ours = pellucid.explain(of_columns, encoded.head(2), background=encoded.tail(7), groups=group)
    raw = pellucid.explain(of_category, frame.head(2), background=frame.tail(7))
    for name in ("town", "rooms"):
        np.testing.assert_allclose(
            ours.values[:, ours.features.index(name)], raw.values[:, raw.features.index(name)], atol=1e-12
        )


def test_a_group_that_equals_the_background_is_exactly_0():
    X = np.array([[1.0, 2.0, 3.0, 4.0]])
    background = np.column_stack([np.full((5, 2), [1.0, 2.0]), np.random.default_rng(1).normal(size=(5, 2))])
    found = pellucid.explain(tangled, X, background=background, groups={"a": ["x0", "x1"]})
    assert found.values[0, 0, 0] == 0
    # one cell that differs is enough: together they are another thing
    background[0, 1] = 9
    assert pellucid.explain(tangled, X, background=background, groups={"a": ["x0", "x1"]}).values[0, 0, 0] != 0


@pytest.mark.parametrize("name", ["id", "zero"])
def test_what_float64_or_equality_does_not_tell_apart_stays_apart(name):
    X = pd.DataFrame({"id": [2**53 + 1, 2**53], "zero": [0.0, -0.0], "same": [1.0, 1.0]})
    seen = []

    def model(frame):
        seen.append(frame)
        return np.asarray(frame["id"] % 2, dtype=float) if name == "id" else np.copysign(1.0, frame["zero"])

    found = pellucid.explain(model, X, background=X, groups={"both": [name, "same"]})
    np.testing.assert_array_equal(found.prediction[:, 0], model(X))
    assert all(frame["id"].dtype == np.int64 for frame in seen)


def test_data_and_provenance_tell_the_users_own_cells():
    frame = pd.DataFrame({"lat": [1.5, 2.5, 2.5], "town": ["a", None, "b"], "age": [3, 4, 5]})
    found = pellucid.explain(
        lambda X: X["lat"] + X["age"], frame.head(2), background=frame, groups={"place": ["lat", "town"]}
    )
    assert found.data.column("place").tolist() == ["1.5, a", "2.5, missing"]
    assert found.data.column("age").tolist() == [3, 4]
    assert found.provenance.parameters["groups"] == {"place": ["lat", "town"]}
    same = pellucid.explain(lambda X: X["lat"] + X["age"], frame.head(2), background=frame)
    assert found.provenance.hashes == same.provenance.hashes
    np.testing.assert_allclose(found.values[:, 0] + found.values[:, 1], same.values.sum(axis=1), atol=1e-12)


def test_classifiers_probabilities_and_losses():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    model = LogisticRegression().fit(X, y)
    groups = {"a": ["x0", "x1"]}
    found = pellucid.explain(model, X[:3], background=X[:20], groups=groups, space="probability")
    assert found.outputs == ("0", "1")
    np.testing.assert_allclose(
        found.values[0, :, 1],
        oracle(lambda Z: model.predict_proba(Z)[:, 1], X[0], X[:20], ([0, 1], [2], [3])), atol=1e-12,
    )  # fmt: skip
    loss = pellucid.explain(model, X[:3], background=X[:20], groups=groups, space="loss", y=y[:3])
    np.testing.assert_allclose(loss.prediction[:, 0], -np.log(model.predict_proba(X[:3])[[0, 1, 2], y[:3]]), atol=1e-12)
    masked = pellucid.explain(model, X[:3], background=X[:20], groups=groups, method=MaskedLime())
    assert masked.values.shape == (3, 3, 2)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"groups": ["x0", "x1"]}, InputError, "groups must be a dict"),
        ({"groups": {"a": "x0"}}, InputError, "with a list of features; got 'x0'"),
        ({"groups": {"a": []}}, InputError, "with a list of features"),
        ({"groups": {"a": ["x9"]}}, InputError, "'x9', which is no feature"),
        ({"groups": {"a": [3]}}, InputError, "3, which is no feature"),
        ({"groups": {"a": ["x0"], "b": ["x0"]}}, InputError, "'x0' can be in one group, once"),
        ({"groups": {"x2": ["x0", "x1"]}}, InputError, "like a feature outside it"),
        ({"groups": {"a": ["x0"]}, "background": None}, UnsupportedRequestError, "pass background="),
        ({"groups": {"a": ["x0"]}, "method": "lime"}, UnsupportedRequestError, "bins single features"),
        ({"groups": {"a": ["x0"]}, "background": np.zeros((2, 5))}, ColumnError, "4 columns"),
    ],
)
def test_bad_input_is_named(options, error, words):
    with pytest.raises(error, match=words):
        pellucid.explain(tangled, np.ones((2, 4)), **{"background": np.zeros((2, 4)), **options})


def test_pairs_and_importance_of_groups():
    rng = np.random.default_rng(9)
    X = pd.DataFrame(rng.normal(size=(30, 4)), columns=["x0", "x1", "x2", "x3"])
    groups = {"a": ["x0", "x3"]}
    whole = pellucid.explain(tangled, X[:3], background=X, groups=groups)
    pairs = pellucid.interactions(tangled, X[:3], background=X, groups=groups)
    assert pairs.features == ("a", "x1", "x2")
    np.testing.assert_allclose(pairs.values.sum(axis=2), whole.values, atol=1e-9)
    assert pairs.provenance.parameters["groups"] == groups
    assert pairs.data.column("x1").tolist() == X["x1"][:3].tolist()
    overall = pellucid.importance(tangled, X[:3], background=X, groups=groups)
    np.testing.assert_allclose(overall.values, np.abs(whole.values).mean(axis=0), atol=1e-12)
    near = pellucid.importance(tangled, X[:3], background=X, groups=groups, neighbours=4)
    expected = pellucid.explain(tangled, X[:3], background=X, groups=groups, neighbours=4)
    np.testing.assert_allclose(near.values, np.abs(expected.values).mean(axis=0), atol=1e-12)
    for option in ({"groups": groups}, {"neighbours": 4}):
        with pytest.raises(UnsupportedRequestError, match="has no use for"):
            pellucid.importance(tangled, X, X["x0"], measure="permutation", **option)
