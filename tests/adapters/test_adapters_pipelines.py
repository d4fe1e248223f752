"""Pipelines are explained in the features that enter them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import decomposition, ensemble, feature_selection, impute, linear_model, preprocessing
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from pellucid._base.errors import UnsupportedModelError
from pellucid.adapters import as_model
from pellucid.adapters.origins import MIXED, UNSEEN, observe
from pellucid.table import Table
from pellucid.testing.conformance_adapters import check_adapter

ROWS = 160


def frame():
    rng = np.random.default_rng(8)
    return pd.DataFrame(
        {
            "age": np.where(rng.random(ROWS) < 0.2, np.nan, rng.integers(18, 80, ROWS)),
            "sex": rng.choice(["f", "m"], ROWS),
            "income": rng.lognormal(size=ROWS),
            "area": rng.choice(["north", "south", "west", None], ROWS),
            "empty": np.full(ROWS, np.nan),
            "rooms": rng.integers(1, 6, ROWS),
        }
    )


def target(X):
    return np.where(X["income"] + (X["sex"] == "f") + np.nan_to_num(X["age"]) / 50 > 2.2, "yes", "no")


def filled(strategy="most_frequent", **options):
    return impute.SimpleImputer(strategy=strategy, **options)


def names_of(report):
    """Raw feature of every encoded column."""
    return [report.model.features[j] for j in report.model.encoding.groups]


FINAL = {
    "logistic": linear_model.LogisticRegression(max_iter=2000),
    "hist": ensemble.HistGradientBoostingClassifier(max_iter=8),
    "forest": ensemble.RandomForestClassifier(8, random_state=0),
    "boosting": ensemble.GradientBoostingClassifier(n_estimators=8),
}


@pytest.mark.parametrize("final", FINAL)
@pytest.mark.parametrize("sparse", [0.0, 1.0], ids=["dense", "sparse"])
def test_mixed_types_in_raw_features(final, sparse):
    words = make_pipeline(filled(), preprocessing.OneHotEncoder(handle_unknown="ignore"))
    numbers = Pipeline([("fill", filled("mean", add_indicator=True)), ("scale", preprocessing.StandardScaler())])
    columns = ColumnTransformer(
        [("words", words, ["area", "sex"]), ("numbers", numbers, ["age", "empty", "income"])],
        remainder="passthrough",
        sparse_threshold=sparse,
    )
    if final == "hist" and sparse:
        columns.set_params(sparse_threshold=0.0)
    X = frame()
    X["empty"] = X["empty"].fillna(0.0)
    model = make_pipeline(columns, FINAL[final]).fit(X, target(X))
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.outputs == ("no", "yes")
    assert names_of(report) == ["area"] * 3 + ["sex"] * 2 + ["age", "empty", "income", "age", "rooms"]


def test_columns_that_were_empty_when_fitting_are_dropped():
    columns = ColumnTransformer([("n", filled("median"), ["empty", "age", "income"])])
    X = frame()
    with pytest.warns(UserWarning, match="without any observed values"):
        model = make_pipeline(columns, linear_model.LogisticRegression()).fit(X, target(X))
    with pytest.warns(UserWarning, match="without any observed values"):
        report = check_adapter(model, X)
    assert names_of(report) == ["age", "income"]


ENCODERS = {
    "one-hot": (preprocessing.OneHotEncoder(sparse_output=False), ["area"] * 4 + ["sex"] * 2),
    "drop first": (preprocessing.OneHotEncoder(drop="first"), ["area"] * 3 + ["sex"]),
    "drop binary": (preprocessing.OneHotEncoder(drop="if_binary"), ["area"] * 4 + ["sex"]),
    "rare": (preprocessing.OneHotEncoder(min_frequency=50, handle_unknown="infrequent_if_exist"), None),
    "few": (preprocessing.OneHotEncoder(max_categories=2), ["area"] * 2 + ["sex"] * 2),
    "ordinal": (preprocessing.OrdinalEncoder(encoded_missing_value=-1), ["area", "sex"]),
    "target": (preprocessing.TargetEncoder(), ["area", "sex"]),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders_of_categories(encoder):
    transformer, expected = ENCODERS[encoder]
    X = frame()[["income", "sex", "area"]]
    columns = ColumnTransformer([("words", transformer, ["area", "sex"])], remainder="passthrough")
    report = check_adapter(make_pipeline(columns, FINAL["logistic"]).fit(X, target(frame())), X)
    assert report.structured
    if expected:
        assert names_of(report) == [*expected, "income"]


NUMERIC = {
    "standard": preprocessing.StandardScaler(),
    "minmax": preprocessing.MinMaxScaler(),
    "robust": preprocessing.RobustScaler(),
    "maxabs": preprocessing.MaxAbsScaler(),
    "power": preprocessing.PowerTransformer(),
    "quantile": preprocessing.QuantileTransformer(n_quantiles=20),
    "bins": preprocessing.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),
    "ordinal bins": preprocessing.KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    "binary": preprocessing.Binarizer(),
    "splines": preprocessing.SplineTransformer(4),
    "identity": preprocessing.FunctionTransformer(),
    "function": preprocessing.FunctionTransformer(np.log1p),
    "kbest": feature_selection.SelectKBest(k=2),
    "variance": feature_selection.VarianceThreshold(0.01),
    "from model": feature_selection.SelectFromModel(linear_model.LogisticRegression()),
    "union": FeatureUnion([("a", preprocessing.StandardScaler()), ("b", preprocessing.Binarizer())]),
    "passthrough": "passthrough",
}


def positive():
    rng = np.random.default_rng(9)
    return rng.lognormal(size=(ROWS, 3))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("step", NUMERIC)
def test_numeric_steps_keep_their_columns(step, named):
    X = positive()
    y = (X[:, 0] + X[:, 1] > 2).astype(int)
    X = pd.DataFrame(X, columns=["a", "b", "c"]) if named else X
    report = check_adapter(Pipeline([("step", NUMERIC[step]), ("model", FINAL["logistic"])]).fit(X, y), X)
    assert report.structured
    columns = report.model.encoding.transform(Table.of(X))
    for j in range(3):
        moved = np.array(X, dtype=float)
        moved[:, j] = np.roll(moved[:, j], 1)
        changed = np.any(report.model.encoding.transform(Table.of(moved, names=list("abc"))) != columns, axis=0)
        assert set(report.model.encoding.groups[changed]) <= {j}


class RowShare(TransformerMixin, BaseEstimator):
    """A transformer nobody knows: each column's share of its row."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        X = np.asarray(X)
        return X / X.sum(axis=1, keepdims=True)


class Rounded(RowShare):
    """A transformer nobody knows that keeps columns apart, in reverse order and twice."""

    def transform(self, X):
        return np.round(np.column_stack([np.asarray(X)[:, ::-1], X]), 2)


MIXING = {
    "pca": decomposition.PCA(2),
    "polynomials": preprocessing.PolynomialFeatures(2),
    "row norms": preprocessing.Normalizer(),
    "neighbours": impute.KNNImputer(),
    "unknown": RowShare(),
    "function": preprocessing.FunctionTransformer(lambda X: np.column_stack([X, X[:, 0] * X[:, 1]])),
}


@pytest.mark.parametrize("step", MIXING)
def test_mixing_steps_leave_a_black_box_in_raw_features(step):
    X = positive()
    y = (X[:, 0] + X[:, 1] > 2).astype(int)
    model = Pipeline([("scale", preprocessing.StandardScaler()), ("mixer", MIXING[step]), ("m", FINAL["logistic"])])
    report = check_adapter(model.fit(X, y), X)
    assert not report.structured
    assert "'mixer'" in report.model.why_no_structure
    np.testing.assert_array_equal(report.model.predict(Table.of(X))[:, 1], model.decision_function(X))


def test_unknown_steps_are_traced_by_experiment_and_only_with_rows():
    X = positive()
    model = make_pipeline(Rounded(), linear_model.LinearRegression()).fit(X, X[:, 0])
    report = check_adapter(model, X)
    np.testing.assert_array_equal(report.model.encoding.groups, [2, 1, 0, 0, 1, 2])
    alone = as_model(model)
    assert alone.structure is None
    assert "pass a background" in alone.why_no_structure


def test_a_wrong_group_is_disproved():
    class LyingScaler(preprocessing.StandardScaler):
        def transform(self, X, copy=None):
            return np.asarray(X)[:, [1, 0, 2]]

    LyingScaler.__name__ = "StandardScaler"
    X = positive()
    model = make_pipeline(LyingScaler(), linear_model.LinearRegression()).fit(X, X[:, 0])
    read = as_model(model, reference=Table.of(X))
    assert read.structure is None
    assert "also changes with other features" in read.why_no_structure


def test_observation_spells_origins_in_bits():
    X = Table.of(np.random.default_rng(0).normal(size=(20, 9)))
    seen = observe(lambda rows: np.column_stack([rows[:, 8], rows[:, 0], rows[:, 3] + rows[:, 5], rows[:, 7] * 0]), X)
    np.testing.assert_array_equal(seen, [8, 0, MIXED, UNSEEN])


@pytest.mark.parametrize(
    "columns",
    [
        ["income", "rooms"],
        [2, 5],
        slice(2, 3),
        slice("income", "income"),
        [False, False, True, False, False, True],
        "income",
    ],
    ids=str,
)
def test_every_way_to_select_columns(columns):
    X = frame()
    step = (
        preprocessing.FunctionTransformer(lambda s: np.asarray(s).reshape(-1, 1), validate=False)
        if isinstance(columns, str)
        else preprocessing.StandardScaler()
    )
    model = make_pipeline(ColumnTransformer([("n", step, columns)]), FINAL["logistic"]).fit(X, target(X))
    report = check_adapter(model, X)
    assert report.structured
    single = isinstance(columns, slice | str)
    assert names_of(report) == (["income"] if single else ["income", "rooms"])


def test_nested_pipelines_searches_and_pandas_output():
    X = frame()[["income", "rooms", "age"]]
    inner = make_pipeline(filled("mean"), preprocessing.MinMaxScaler())
    model = make_pipeline(inner, make_pipeline(preprocessing.StandardScaler(), ensemble.RandomForestClassifier(5)))
    model.set_output(transform="pandas")
    report = check_adapter(model.fit(X, target(frame())), X)
    assert report.structured
    np.testing.assert_array_equal(report.model.encoding.groups, [0, 1, 2])
    search = GridSearchCV(make_pipeline(filled("mean"), FINAL["logistic"]), {"logisticregression__C": [0.1, 1.0]}, cv=2)
    assert check_adapter(search.fit(X, target(frame())), X).structured


def test_polars_frames_work_where_the_model_was_fitted_on_them():
    X = pl.DataFrame({"income": positive()[:, 0], "sex": ["f", "m"] * (ROWS // 2)})
    columns = ColumnTransformer([("w", preprocessing.OneHotEncoder(), ["sex"])], remainder="passthrough")
    y = (X["income"].to_numpy() > 1).astype(int)
    report = check_adapter(make_pipeline(columns, FINAL["logistic"]).fit(X, y), X)
    assert names_of(report) == ["sex", "sex", "income"]


def test_a_pipeline_without_a_model_is_refused():
    model = make_pipeline(preprocessing.StandardScaler()).fit(positive())
    with pytest.raises(UnsupportedModelError, match="ends in a transformer"):
        as_model(model)


AFFINE = {
    "standard": {"transformer": preprocessing.StandardScaler()},
    "minmax": {"transformer": preprocessing.MinMaxScaler()},
    "function": {"func": lambda y: y / 3 - 1, "inverse_func": lambda z: 3 * (z + 1)},
    "none": {},
}


@pytest.mark.parametrize("affine", AFFINE)
@pytest.mark.parametrize(
    "regressor",
    [linear_model.Ridge(), ensemble.RandomForestRegressor(5), ensemble.HistGradientBoostingRegressor(max_iter=5)],
    ids=lambda r: type(r).__name__,
)
def test_affine_targets_are_rescaled_exactly(affine, regressor):
    X = positive()
    model = TransformedTargetRegressor(make_pipeline(preprocessing.StandardScaler(), regressor), **AFFINE[affine])
    report = check_adapter(model.fit(X, 100 * X[:, 0] + X[:, 1]), X)
    assert report.structured
    np.testing.assert_array_equal(report.model.predict(Table.of(X))[:, 0], model.predict(X))


@pytest.mark.parametrize(
    "options",
    [
        {"func": np.log, "inverse_func": np.exp},
        {"transformer": preprocessing.QuantileTransformer(n_quantiles=10)},
        {"func": np.cbrt, "inverse_func": lambda z: z**3},
    ],
    ids=["log", "quantile", "cube"],
)
def test_other_targets_have_no_structure(options):
    X = positive()
    model = TransformedTargetRegressor(linear_model.Ridge(), **options).fit(X, X[:, 0])
    report = check_adapter(model, X)
    assert not report.structured
    assert "model.regressor_" in report.model.why_no_structure
