"""Exact values of linear models against the definition of the Shapley value."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid.adapters import as_model
from pellucid.explainers.base import Question
from pellucid.explainers.linear import Linear
from pellucid.ir import Encoding, LinearForm, Model, Space
from pellucid.table import Table


def bind(model, background, space=Space.RAW):
    return Linear().bind(Question(model=model, background=background, space=space))


def by_definition(model, X, background):
    """Shapley values of every row by all orders of showing features."""
    n, d = X.n_columns, X.n_columns
    both = X.stack(background)
    value = {}
    for size in range(d + 1):
        for shown in itertools.combinations(range(d), size):
            index = np.arange(len(X), len(both))[None, :, None] * np.ones((len(X), 1, d), dtype=np.int64)
            index[:, :, list(shown)] = np.arange(len(X))[:, None, None]
            out = model.predict(both.gather(index.reshape(-1, d)))
            value[shown] = out.reshape(len(X), len(background), -1).mean(axis=1)
    values = np.zeros((len(X), d, len(model.outputs)))
    for j in range(n):
        for shown in (s for s in value if j not in s):
            weight = math.factorial(len(shown)) * math.factorial(d - len(shown) - 1) / math.factorial(d)
            values[:, j] += weight * (value[tuple(sorted((*shown, j)))] - value[shown])
    return values, value[()]


def mixed():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=60), "c": rng.choice(["x", "y", "z"], 60), "b": rng.integers(0, 4, 60)})
    y = np.where(X["a"] + (X["c"] == "x") > 0.5, "yes", "no")
    steps = ColumnTransformer([("c", OneHotEncoder(), ["c"]), ("a", StandardScaler(), ["a"])], remainder="passthrough")
    return make_pipeline(steps, LogisticRegression()).fit(X, y), Table.of(X)


def test_values_are_those_of_the_definition():
    fitted, X = mixed()
    model = as_model(fitted, reference=X)
    background = X.take(range(20, 45))
    rows = X.take(range(6))
    answer = bind(model, background).explain(rows)
    values, base = by_definition(model, rows, background)
    np.testing.assert_allclose(answer.values, values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(answer.base_values, base, rtol=0, atol=1e-12)
    assert answer.std_error is None
    assert answer.background == "the mean of 25 background rows"


def test_a_row_has_the_same_bits_alone_and_in_a_batch():
    fitted, X = mixed()
    bound = bind(as_model(fitted, reference=X), X)
    batch = bound.explain(X)
    for i in (0, 7, 59):
        alone = bound.explain(X.take([i]))
        np.testing.assert_array_equal(alone.values[0], batch.values[i])
        np.testing.assert_array_equal(alone.base_values[0], batch.base_values[i])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 3), st.floats(1e-6, 1e6))
def test_values_add_up_within_their_bound(seed, n_columns, n_outputs, scale):
    rng = np.random.default_rng(seed)
    form = LinearForm(
        coefficients=rng.normal(size=(n_outputs, n_columns)) * scale, intercept=rng.normal(size=n_outputs)
    )
    n_features = int(rng.integers(1, n_columns + 1))
    groups = rng.integers(0, n_features, n_columns)
    lift = rng.normal(size=(n_features, n_columns)) * (groups == np.arange(n_features)[:, None])
    encoding = Encoding(transform=lambda table: table.as_array() @ lift, groups=groups)
    model = Model(
        label="linear",
        outputs=tuple(f"output {k}" for k in range(n_outputs)),
        raw=lambda table: form.predict(encoding.transform(table)),
        structure=form,
        encoding=encoding,
    )
    X = Table.of(rng.normal(size=(9, n_features)) * 100)
    answer = bind(model, X.take([0, 4, 5])).explain(X)
    residual = np.abs(answer.base_values + answer.values.sum(axis=1) - model.predict(X)).max()
    assert residual <= answer.bound
    size = np.abs(encoding.transform(X)).max() * np.abs(form.coefficients).max() * n_columns + 1
    assert answer.bound <= 1e-12 * size * 10
    unread = [j for j in range(n_features) if j not in set(groups)]
    assert np.all(answer.values[:, unread] == 0.0)


def test_mirrored_outputs_are_negatives():
    fitted, X = mixed()
    answer = bind(as_model(fitted, reference=X), X).explain(X)
    np.testing.assert_array_equal(answer.values[..., 0], -answer.values[..., 1])
    np.testing.assert_array_equal(answer.base_values[:, 0], -answer.base_values[:, 1])


def test_impossible_requests_name_the_remedy():
    fitted, X = mixed()
    model = as_model(fitted, reference=X)
    with pytest.raises(UnsupportedRequestError, match=r"needs background="):
        bind(model, None)
    with pytest.raises(UnsupportedRequestError, match=r"not in space='probability'.*method='shapley'"):
        bind(model, X, Space.PROBABILITY)
    forest = RandomForestRegressor(2).fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(UnsupportedRequestError, match="needs a linear model; RandomForestRegressor is none"):
        bind(as_model(forest), Table.of(np.zeros((2, 1))))
    line = as_model(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    with pytest.raises(InputError, match="missing or infinite"):
        bind(line, Table.of(np.array([[np.nan], [1.0]])))
