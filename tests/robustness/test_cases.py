"""The numbered cases of being right and staying up: the right answer, or one clear sentence."""

import decimal
import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import DMatrix, XGBClassifier, XGBRanker, XGBRegressor
from xgboost import train as train_xgboost

import pellucid
from pellucid import ColumnError, InputError, ModelError, Table
from pellucid._base.words import counted
from pellucid.adapters import as_model

QUIET = {"verbose": 0, "allow_writing_files": False}


def brute_force(predict, rows, background_row):
    """Shapley values against one background row from all coalitions; `predict` is the library's own."""
    n = rows.shape[1]
    shown = (np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1
    cells = np.where(shown[None], rows[:, None, :], background_row)
    worth = predict(cells.reshape(-1, n)).reshape(len(rows), 2**n, -1)
    values = np.zeros((len(rows), n, worth.shape[2]))
    for player in range(n):
        for coalition in np.flatnonzero(~shown[:, player]):
            size = int(shown[coalition].sum())
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            values[:, player] += weight * (worth[:, coalition | (1 << player)] - worth[:, coalition])
    return values


def agree_with_brute_force(model, rows, background_row, **options):
    explanation = pellucid.explain(model, rows, background=background_row, **options)
    read = as_model(model, reference=Table.of(rows))
    expected = brute_force(lambda cells: read.predict(Table.of(cells)), np.asarray(rows), np.asarray(background_row)[0])
    scale = max(1.0, np.abs(explanation.prediction).max())
    np.testing.assert_allclose(explanation.values, expected, rtol=0, atol=2e-6 * scale)
    return explanation


def probes(ensemble, rows, *, missing):
    """Rows on each threshold and one step beside it, in float32 and float64, and around zero."""
    made = []
    inner = np.flatnonzero(ensemble.feature >= 0)[:25]
    for column, threshold in zip(ensemble.feature[inner], ensemble.threshold[inner], strict=True):
        values = [0.0, -0.0, 1e-35, -1e-36, float(np.float32(1e-35)), np.inf] + ([np.nan] if missing else [])
        for kind in (np.float32, np.float64):
            at = kind(threshold)
            values += [at, np.nextafter(at, kind(-np.inf)), np.nextafter(at, kind(np.inf))]
        for value in values:
            row = rows[len(made) % len(rows)].copy()
            row[column] = value
            made.append(row)
    probe = np.array(made)
    return probe if missing else probe[np.isfinite(probe).all(axis=1)]


def test_case_01_threshold_probes(tree_name, zoo):
    model = zoo.made(tree_name, of="array")
    missing = tree_name not in ("boosting", "tree", "forest", "extra trees")
    rows = probes(as_model(model).structure, zoo.rows(), missing=missing)
    assert len(rows) >= 100
    explanation = agree_with_brute_force(model, rows, zoo.rows()[7:8], method="tree")
    # A misrouted row would be off by the size of a leaf, not by rounding.
    assert explanation.quality.residual <= explanation.quality.bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_case_01_float_widths_of_rows(tree_name, dtype, zoo):
    rows = zoo.rows(20, seed=3).astype(dtype)
    model = zoo.made(tree_name, of="array")
    agree_with_brute_force(model, rows, zoo.rows()[7:8].astype(dtype), method="tree")


@pytest.mark.parametrize("depth", [10, 100, 1000])
def test_case_02_chain_trees(depth):
    x = np.arange(depth + 1.0)
    X = np.column_stack([x, x % 7, x % 3])
    y = np.where(np.arange(depth + 1) % 2, 1.0, -1.0) * (1 + x)
    model = DecisionTreeRegressor(splitter="random", random_state=0, min_samples_leaf=1).fit(X[:, :1], y)
    for options in ({}, {"background": X[:5, :1]}):
        explanation = pellucid.explain(model, X[:4, :1], **options)
        np.testing.assert_allclose(explanation.prediction[:, 0], y[:4], rtol=1e-12, atol=1e-12 * depth)


def test_case_03_many_columns():
    X = np.random.default_rng(0).normal(size=(20, 90_000))
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, X[:, 5] + X[:, 89_999])
    explanation = pellucid.explain(model, X[:2], background=X[:3])
    assert explanation.values.shape == (2, 90_000, 1)
    np.testing.assert_allclose(explanation.prediction[:, 0], model.predict(X[:2]), atol=1e-12)


LEVELS = [0, 1, 31, 32, 33, 64, 65]
STRANGE = [1000.0, np.nan, -1.0]


def categorical_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[:, 2] = rng.choice(LEVELS, size=300)
    return X, X[:, 0] + 3 * np.isin(X[:, 2], [1, 32, 64]) + np.where(X[:, 1] > 0, X[:, 2] == 33, 0)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "xgboost one-hot", "histogram", "catboost"])
def test_case_04_05_06_categorical_splits_are_read_exactly(library):
    X, y = categorical_rows()
    F = pd.DataFrame(X, columns=["a", "b", "kind"]).assign(kind=lambda f: f["kind"].astype(int))
    as_category = F.assign(kind=F["kind"].astype(pd.CategoricalDtype([*LEVELS, 1000])))
    as_text = F.assign(kind=F["kind"].map("L{}".format))
    model, rows = {
        "lightgbm": lambda: (
            LGBMRegressor(n_estimators=8, num_leaves=7, min_child_samples=5, verbose=-1).fit(as_category, y),
            as_category,
        ),
        "xgboost": lambda: (XGBRegressor(n_estimators=4, enable_categorical=True).fit(as_category, y), as_category),
        "xgboost one-hot": lambda: (
            XGBRegressor(n_estimators=4, enable_categorical=True, max_cat_to_onehot=99).fit(as_category, y),
            as_category,
        ),
        "histogram": lambda: (HistGradientBoostingRegressor(max_iter=4, categorical_features=[2]).fit(F, y), F),
        "catboost": lambda: (
            CatBoostRegressor(iterations=4, depth=3, cat_features=["kind"], **QUIET).fit(as_text, y),
            as_text,
        ),
    }[library]()
    explanation = pellucid.explain(model, rows[:6], background=rows[50:60])
    counted = (
        library == "catboost"
    )  # its trees split on statistics of the target, which no threshold on a raw column tells
    assert explanation.provenance.method == ("exact" if counted else "tree")
    assert "statistics" in explanation.provenance.reason or not counted
    np.testing.assert_allclose(explanation.prediction[:, 0], model.predict(rows[:6]), atol=1e-5)
    enumerated = pellucid.explain(model, rows[:6], background=rows[50:60], method="exact")
    np.testing.assert_allclose(explanation.values, enumerated.values, atol=1e-5)


def test_case_04_lightgbm_levels_it_never_saw():
    X, y = categorical_rows()
    model = LGBMRegressor(n_estimators=8, num_leaves=7, min_child_samples=5, verbose=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, categorical_feature=[2])
        rows = np.repeat(X[:1], len(LEVELS) + len(STRANGE), axis=0)
        rows[:, 2] = LEVELS + STRANGE
        agree_with_brute_force(model, rows, X[9:10])


def test_case_04_lightgbm_categories_that_no_split_reads():
    rng = np.random.default_rng(0)
    F = pd.DataFrame({"a": rng.normal(size=200), "kind": pd.Categorical(rng.choice(list("xyz"), 200))})
    model = LGBMRegressor(n_estimators=3, verbose=-1).fit(F, F["a"])
    explanation = pellucid.explain(model, F[:3], background=F[:20])
    assert explanation.provenance.method == "tree"
    assert np.all(explanation.take(features="kind").values == 0.0)


def test_case_07_09_boosting_of_every_kind(zoo):
    for name in ("lightgbm", "lightgbm dart", "lightgbm rf", "xgboost dart"):
        explanation = agree_with_brute_force(zoo.made(name, of="array"), zoo.rows(10, seed=5), zoo.rows()[3:4])
        assert explanation.provenance.method == "tree"


def test_case_08_linear_trees_are_a_black_box_with_the_reason(zoo):
    X = zoo.rows()
    model = LGBMRegressor(n_estimators=4, linear_tree=True, verbose=-1).fit(X, zoo.target(X))
    explanation = agree_with_brute_force(model, X[:5], X[9:10])
    assert "linear models in its leaves" in explanation.provenance.reason


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "fit",
    [
        lambda X, y: XGBClassifier(n_estimators=3, base_score=[0.2, 0.5, 0.3]).fit(X, np.digitize(y, [0, 2])),
        lambda X, y: XGBRegressor(n_estimators=3, base_score=7.0).fit(X, y),
        lambda X, y: XGBRegressor(n_estimators=3).fit(X, np.c_[y, -y]),
        lambda X, y: XGBRegressor(n_estimators=3, multi_strategy="multi_output_tree").fit(X, np.c_[y, -y]),
        lambda X, y: XGBRegressor(n_estimators=3, booster="gblinear").fit(X, y),
        lambda X, y: XGBRegressor(n_estimators=3, objective="reg:tweedie").fit(X, np.abs(y)),
        lambda X, y: XGBRegressor(n_estimators=3, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]).fit(X, y),
        lambda X, y: XGBRanker(n_estimators=3).fit(X, y > 1, group=[60, 100]),
        lambda X, y: XGBRegressor(n_estimators=60, early_stopping_rounds=2).fit(
            X[:80], y[:80], eval_set=[(X[80:], y[80:])], verbose=False
        ),
        lambda X, y: train_xgboost(
            {"max_depth": 3},
            DMatrix(X[:80], y[:80]),
            60,
            evals=[(DMatrix(X[80:], y[80:]), "v")],
            early_stopping_rounds=2,
            verbose_eval=False,
        ),
        lambda X, y: train_xgboost({"max_depth": 3}, DMatrix(X, y, base_margin=3 * y), 3),
    ],
    ids=[
        "base list",
        "base",
        "targets",
        "vector leaves",
        "gblinear",
        "tweedie",
        "quantiles",
        "rank",
        "best",
        "best booster",
        "margin",
    ],
)
def test_case_10_xgboost_of_every_kind(fit, zoo):
    X = zoo.rows()
    agree_with_brute_force(fit(X, zoo.target(X)), X[:8], X[9:10])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sentinel", [np.nan, 0.0, -999.0, np.inf])
def test_case_11_sentinels_of_xgboost(sentinel, zoo):
    X = zoo.with_gaps(zoo.rows(), sentinel)
    model = XGBRegressor(n_estimators=4, missing=sentinel).fit(X, zoo.target(zoo.rows()))
    assert agree_with_brute_force(model, X[:20], X[30:31]).provenance.method == "tree"


def test_case_11_thirty_percent_missing(gap_name, zoo):
    X = zoo.with_gaps(zoo.rows())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = zoo.makers[gap_name](X, zoo.target(zoo.rows()))
    agree_with_brute_force(model, X[:20], X[30:31], method="tree")
    assert pellucid.explain(model, X[:20]).quality.residual < 1e-5


def test_case_13_columns_permuted(any_name, zoo):
    model, F = zoo.made(any_name), zoo.frame(zoo.rows())
    straight = pellucid.explain(model, F[:4], background=F[:20])
    turned = pellucid.explain(
        model, F.loc[:3, zoo.columns[::-1]], background=F.loc[:19, [*zoo.columns[2:], "age", "income"]]
    )
    assert turned.features == straight.features
    assert np.array_equal(turned.values, straight.values)


def test_case_13_columns_missing_extra_or_doubled(any_name, zoo):
    model, F = zoo.made(any_name), zoo.frame(zoo.rows())
    for X, sentence in (
        (F.drop(columns="rooms"), "X lacks the columns 'rooms'.*rename"),
        (F.rename(columns={"rooms": "room"}), "X lacks the columns 'rooms'.*Did you mean 'room'"),
        (F.assign(extra=1.0), "X has columns that the model does not know: 'extra'. Drop them"),
        (F.set_axis(["age", "age", "rooms", "distance"], axis=1), "X has more than one column named 'age'; rename"),
        (F.to_numpy()[:, :3], "X has 3 columns without names, but the model has 4: 'age'"),
    ):
        with pytest.raises(ColumnError, match=sentence):
            pellucid.explain(model, X, background=F)
        with pytest.raises(ColumnError, match=sentence.replace("X ", "background ", 1)):
            pellucid.explain(model, F, background=X)


def test_case_13_frames_and_arrays_between_fit_and_explain(any_name, zoo):
    X, F = zoo.rows(), zoo.frame(zoo.rows())
    expected = pellucid.explain(zoo.made(any_name), F[:4], background=F[:20]).values
    for of, rows, background in (("frame", X, F), ("frame", F, X), ("array", X, F), ("array", F, F), ("array", X, X)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = pellucid.explain(zoo.made(any_name, of=of), rows[:4], background=background[:20]).values
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


def test_case_13_names_that_nobody_else_has_are_not_guessed(zoo):
    F = zoo.frame(zoo.rows())
    model = zoo.made("forest", of="array")
    with pytest.raises(ColumnError, match=r"cannot be matched\. Pass X and background both as frames"):
        pellucid.explain(model, F[:3], background=F.to_numpy())
    with pytest.raises(ColumnError, match="X lacks the columns 'years', which background has"):
        pellucid.explain(model, F[:3], background=F.rename(columns={"age": "years"}))


def test_case_14_class_order():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 2)), columns=["a", "b"])
    y = np.array(["yes", "no", "perhaps"])[np.digitize(X["a"], [-0.4, 0.4])]
    model = LogisticRegression().fit(X, y)
    explanation = pellucid.explain(model, X[:5], background=X, method="exact", space="probability")
    assert explanation.outputs == ("no", "perhaps", "yes") == tuple(model.classes_)
    np.testing.assert_allclose(explanation.prediction, model.predict_proba(X[:5]), atol=1e-12)
    one = pellucid.explain(model, X[:5], background=X, method="exact", space="probability", output="yes")
    assert np.array_equal(one.values[:, :, 0], explanation.values[:, :, 2])


def test_case_15_pipelines_in_raw_features():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"a": rng.normal(size=80), "town": rng.choice(["Bern", "Basel", "Zug"], 80), "b": rng.normal(size=80)}
    )
    y = X["a"] + 3 * (X["town"] == "Zug")
    encode = make_column_transformer((OneHotEncoder(), ["town"]), (StandardScaler(), ["a", "b"]))
    for last in (LinearRegression(), DecisionTreeRegressor(max_depth=4, random_state=0)):
        model = make_pipeline(encode, last).fit(X, y)
        explanation = pellucid.explain(model, X[:9], background=X)
        assert explanation.features == ("a", "town", "b")
        assert explanation.provenance.method in ("linear", "tree")
        np.testing.assert_allclose(explanation.prediction[:, 0], model.predict(X[:9]), atol=1e-9)


def test_case_23_dtype_drift(any_name, zoo):
    model, F = zoo.made(any_name), zoo.frame(zoo.rows())
    with pytest.raises((InputError, ModelError), match=r"age|categorical|dtypes") as caught:
        pellucid.explain(model, F[:3].assign(age=["old", "young", "old"]), background=F)
    assert "fitted" in str(caught.value)
    assert pellucid.explain(model, F[:3].assign(age=[1, 2, 3]), background=F).values.shape[1] == 4


def test_case_23_unseen_categories_are_the_models_own_business():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "town": ["Bern", "Zug", "Zug", "Bern"]})
    encode = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    model = make_pipeline(encode, LinearRegression()).fit(X, [1.0, 2, 3, 4])
    with pytest.raises(ModelError, match=r"unknown categories .*Rome.*Pass rows with the columns, dtypes and kinds"):
        pellucid.explain(model, X.assign(town="Rome"), background=X)


def test_case_24_the_file_says_which_model_it_explains(tmp_path, zoo):
    F = zoo.frame(zoo.rows())
    for name in ("forest", "lightgbm"):
        pellucid.explain(zoo.made(name), F[:2]).save(tmp_path / name)
    assert "LGBM" in pellucid.Explanation.load(tmp_path / "lightgbm").provenance.model
    assert "Forest" in pellucid.Explanation.load(tmp_path / "forest").provenance.model
    with pytest.raises(pellucid.FileError, match="it holds 'Explanation', not 'Importance'"):
        pellucid.Importance.load(tmp_path / "forest")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_case_25_few_rows(any_name, n, zoo):
    model, F = zoo.made(any_name), zoo.frame(zoo.rows())
    for X, background in ((F, F), (F.to_numpy(), F.to_numpy())):
        explanation = pellucid.explain(model, X[:n], background=background[:5])
        assert explanation.values.shape[:2] == (n, 4)
        assert explanation.prediction.shape == (n, len(explanation.outputs))
        assert f"{counted(n, 'row')} × " in repr(explanation)
        assert explanation._repr_html_()
        assert len(explanation.to_frame(0)) == n


@pytest.mark.parametrize("method", ["exact", "shapley", "permutation", "lime"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_case_25_few_rows_of_a_black_box(method, n, zoo):
    X = zoo.rows(30)
    explanation = pellucid.explain(lambda X: np.tanh(X).sum(axis=1), X[:n], background=X, method=method)
    assert explanation.values.shape == (n, 4, 1)


@pytest.mark.parametrize("method", ["auto", "linear", "exact", "shapley", "permutation", "lime"])
def test_case_25_one_feature(method):
    X = np.linspace(0, 3, 30)[:, None]
    model = LinearRegression().fit(X, 2 * X[:, 0])
    explanation = pellucid.explain(model, X[:2], background=X, method=method)
    assert explanation.values.shape == (2, 1, 1)
    if method != "lime":
        np.testing.assert_allclose(explanation.values[:, 0, 0], 2 * (X[:2, 0] - X.mean()), atol=1e-9)


def test_case_25_background_of_one_row_and_of_none(any_name, zoo):
    model, F = zoo.made(any_name), zoo.frame(zoo.rows())
    explanation = pellucid.explain(model, F[:1], background=F[:1])
    np.testing.assert_allclose(explanation.values, 0.0, atol=1e-12)
    with pytest.raises(InputError, match="background must have at least one row; got none"):
        pellucid.explain(model, F[:1], background=F[:0])


def test_case_25_no_columns():
    with pytest.raises(InputError, match="X has no columns"):
        pellucid.explain(lambda X: np.ones(len(X)), np.empty((3, 0)), background=np.empty((4, 0)))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_case_25_extreme_leaves(scale, zoo):
    X = zoo.rows()
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, np.sign(X[:, 0] + X[:, 1]))
    model.tree_.value[:] = np.sign(model.tree_.value) * scale
    for options in ({}, {"background": X[:9]}):
        explanation = pellucid.explain(model, X[:5], **options)
        np.testing.assert_allclose(explanation.prediction[:, 0], model.predict(X[:5]), rtol=1e-12)
        assert np.abs(explanation.values).max() > scale / 100


def test_case_25_outputs_offset_by_a_million(regressor_name, zoo):
    X, y = zoo.rows(), zoo.target(zoo.rows())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = zoo.makers[regressor_name](X, y + 1e6)
    explanation = pellucid.explain(model, X[:20], background=X[30:40])
    np.testing.assert_allclose(explanation.prediction[:, 0], model.predict(X[:20]), rtol=3e-7)
    assert np.abs(explanation.values).max() < 20


def test_case_25_ten_thousand_classes(zoo):
    class Many:
        classes_ = np.arange(10_000)

        def predict_proba(self, X):
            shares = np.ones((len(X), 10_000))
            shares[:, 7] += np.exp(X[:, 0])
            return shares / shares.sum(axis=1, keepdims=True)

        def predict(self, X):
            return np.full(len(X), 7)

    explanation = pellucid.explain(Many(), zoo.rows(2), background=zoo.rows(3, seed=2))
    assert explanation.values.shape == (2, 4, 10_000)
    assert len(explanation._repr_html_()) < 50_000
    assert explanation.take(outputs="7").values.shape == (2, 4, 1)


CONTAINERS = {
    "polars": pl.from_pandas,
    "arrow table": pa.Table.from_pandas,
    "arrow batch": pa.RecordBatch.from_pandas,
    "dict of lists": lambda F: {name: F[name].tolist() for name in F.columns[::-1]},
    "list of dicts": lambda F: F.to_dict("records"),
    "list of rows": lambda F: F.to_numpy().tolist(),
    "sparse": lambda F: scipy.sparse.csr_array(F.to_numpy()),
    "fortran": lambda F: np.asfortranarray(F.to_numpy()),
    "strided": lambda F: np.repeat(F.to_numpy(), 2, axis=0)[::2],
    "reversed": lambda F: np.ascontiguousarray(F.to_numpy()[::-1])[::-1],
    "big-endian": lambda F: F.to_numpy().astype(">f8"),
    "objects": lambda F: F.to_numpy().astype(object),
    "nullable": lambda F: F.astype("Float64"),
    "pandas arrow": lambda F: F.astype("double[pyarrow]"),
    "pandas sparse": lambda F: F.astype(pd.SparseDtype("float", 0.0)),
    "pandas objects": lambda F: F.astype(object),
    "decimals": lambda F: F.map(decimal.Decimal),
    "two-level rows": lambda F: F.set_index([list(range(len(F))), [0] * len(F)]),
    "doubled row labels": lambda F: F.set_index([[0] * len(F)]),
    "masked": lambda F: np.ma.masked_array(F.to_numpy(), np.zeros(F.shape, dtype=bool)),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ["forest", "xgboost", "linear"])
def test_case_19_containers_at_every_door(container, name, zoo):
    model, F, make = zoo.made(name), zoo.frame(zoo.rows(30)), CONTAINERS[container]
    expected = pellucid.explain(model, F[:4], background=F[:9]).values
    for rows, background in ((make(F[:4]), make(F[:9])), (make(F[:4]), F[:9]), (F[:4], make(F[:9]))):
        values = pellucid.explain(model, rows, background=background).values
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14)
        assert pellucid.explain(model, rows, background=background, method="lime").values.shape == (4, 4, 1)
    X, y = make(F), zoo.target(F.to_numpy())
    for door in (
        lambda X: pellucid.importance(model, X, y, measure="permutation").values,
        lambda X: pellucid.pdp(model, X, "age").values,
    ):
        np.testing.assert_allclose(door(X), door(F), rtol=1e-12, atol=1e-12)
