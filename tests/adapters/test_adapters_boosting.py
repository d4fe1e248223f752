"""XGBoost, LightGBM and CatBoost: what is read agrees with what the libraries say."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from pellucid._base.errors import InputError, ModelError, UnsupportedModelError
from pellucid.adapters import as_model, prove
from pellucid.ir import LinearForm, Space
from pellucid.table import Table
from pellucid.testing.conformance_adapters import check_adapter
from pellucid.testing.containers import numeric_containers

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
catboost = pytest.importorskip("catboost")

ROWS = 200


def numbers(columns=4, missing=0.0, dtype=np.float64):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(ROWS, columns))
    X[:, -1] = np.round(X[:, -1])  # ties with thresholds, and zeros
    X[rng.random(X.shape) < missing] = np.nan
    return X.astype(dtype)


def target(X, kind="number"):
    signal = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, -1]) ** 2 + 0.3 * np.random.default_rng(6).normal(size=ROWS)
    if kind == "number":
        return signal
    if kind == "count":
        return np.floor(np.exp(signal / 2))
    cuts = np.quantile(signal, [0.5] if kind == "binary" else [0.3, 0.7])
    return np.digitize(signal, cuts)


def fitted(model, X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, while fitting
        return model.fit(X, y, **options)


def name(value):
    return str(value) if isinstance(value, str | int | float) else "-".join(f"{k}={v}" for k, v in value.items())


XGB = [
    {"objective": "reg:squarederror"},
    {"objective": "reg:absoluteerror"},
    {"objective": "reg:squarederror", "base_score": 2.5},
    {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5, "skip_drop": 0.0},
    {"objective": "reg:squarederror", "gamma": 1.0, "max_depth": 6},
    {"objective": "reg:squarederror", "grow_policy": "lossguide", "max_leaves": 9},
    {"objective": "reg:squarederror", "tree_method": "exact"},
    {"objective": "reg:squarederror", "num_parallel_tree": 3, "subsample": 0.5},
    {"objective": "reg:quantileerror", "quantile_alpha": 0.3},
    {"objective": "reg:pseudohubererror"},
]
XGB_COUNTS = [{"objective": "count:poisson"}, {"objective": "reg:tweedie"}, {"objective": "survival:cox"}]


@pytest.mark.parametrize("missing", [0.0, 0.3], ids=["whole", "missing"])
@pytest.mark.parametrize("options", XGB + XGB_COUNTS, ids=name)
def test_xgboost_regressors(options, missing):
    X = numbers(missing=missing)
    y = target(X, "count" if options in XGB_COUNTS else "number")
    model = fitted(xgboost.XGBRegressor(n_jobs=1, n_estimators=12, **options), X, y)
    report = check_adapter(model, X)
    assert report.structured
    raw = report.model.predict(Table.of(X))[:, 0]
    np.testing.assert_array_equal(raw, model.predict(X, output_margin=True))
    link = np.exp if options in XGB_COUNTS else (lambda values: values)
    np.testing.assert_allclose(link(raw), model.predict(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["binary", "three"])
@pytest.mark.parametrize("options", [{}, {"booster": "dart", "rate_drop": 0.5}, {"base_score": 0.2}], ids=name)
def test_xgboost_classifiers(kind, options):
    X = numbers(missing=0.1)
    if kind == "three":
        options = {k: v for k, v in options.items() if k != "base_score"}
    model = fitted(xgboost.XGBClassifier(n_jobs=1, n_estimators=8, **options), X, target(X, kind))
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.outputs == (("0", "1") if kind == "binary" else ("0", "1", "2"))
    assert report.model.raw_space is (Space.LOG_ODDS if kind == "binary" else Space.RAW)


@pytest.mark.parametrize("missing", [0.0, -999.0])
def test_xgboost_missing_sentinels(missing):
    X = numbers()
    X[X < -1] = missing
    X[X == 0] = missing
    model = fitted(xgboost.XGBRegressor(n_jobs=1, n_estimators=8, missing=missing), X, target(X))
    assert check_adapter(model, X).structured


def test_xgboost_best_iteration_limits_the_trees():
    X, y = numbers(), np.random.default_rng(0).normal(size=ROWS)
    model = xgboost.XGBRegressor(n_jobs=1, n_estimators=60, early_stopping_rounds=2, eval_metric="rmse")
    model.fit(X[:100], y[:100], eval_set=[(X[100:], y[100:])], verbose=False)
    report = check_adapter(model, X)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert report.model.structure.n_trees == model.best_iteration + 1


def test_xgboost_rankers_forests_and_several_targets():
    X = numbers()
    ranker = fitted(xgboost.XGBRanker(n_estimators=5), X, target(X, "three"), group=[100, 100])
    assert check_adapter(ranker, X).structured
    assert check_adapter(fitted(xgboost.XGBRFRegressor(n_estimators=5), X, target(X)), X).structured
    forest = fitted(xgboost.XGBRFClassifier(n_estimators=5), X, target(X, "three"))
    assert check_adapter(forest, X).structured
    several = check_adapter(fitted(xgboost.XGBRegressor(n_jobs=1, n_estimators=5), X, X[:, :2]), X)
    assert several.structured
    assert several.model.outputs == ("target 0", "target 1")
    vector = xgboost.XGBRegressor(n_jobs=1, n_estimators=5, multi_strategy="multi_output_tree")
    report = check_adapter(fitted(vector, X, X[:, :2]), X)
    assert report.structured
    assert report.model.structure.value.shape[1] == 2


@pytest.mark.parametrize("objective", ["binary:logitraw", "binary:hinge"])
def test_xgboost_margins_that_are_not_log_odds(objective):
    X = numbers()
    model = fitted(xgboost.XGBClassifier(n_jobs=1, n_estimators=5, objective=objective), X, target(X, "binary"))
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.raw_space is Space.RAW


def test_several_labels_at_once_are_refused():
    X = numbers()
    y = np.column_stack([target(X, "binary"), 1 - target(X, "binary")])
    several = fitted(xgboost.XGBClassifier(n_jobs=1, n_estimators=3), X, y)
    with pytest.raises(UnsupportedModelError, match="2 labels at once"):
        as_model(several)
    model = catboost.CatBoostClassifier(
        iterations=3, verbose=0, thread_count=1, allow_writing_files=False, loss_function="MultiLogloss"
    )
    with pytest.raises(UnsupportedModelError, match="several labels at once"):
        as_model(fitted(model, X, y))
    one = fitted(lightgbm.LGBMClassifier(n_jobs=1, verbose=-1, n_estimators=3), X, np.zeros(ROWS))
    with pytest.raises(UnsupportedModelError, match="one class"):
        as_model(one)


@pytest.mark.parametrize("kind", ["number", "binary", "three"])
def test_xgboost_linear_boosters(kind):
    X, maker = numbers(missing=0.1), xgboost.XGBRegressor if kind == "number" else xgboost.XGBClassifier
    report = check_adapter(fitted(maker(n_estimators=5, booster="gblinear"), X, target(X, kind)), X)
    assert isinstance(report.model.structure, LinearForm)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "multi:softmax", "reg:squarederror"])
@pytest.mark.parametrize("named", [True, False])
def test_xgboost_boosters(objective, named):
    X = numbers(missing=0.1)
    kind = {"binary": "binary", "multi": "three", "reg": "number"}[objective.split(":", maxsplit=1)[0]]
    rows = pd.DataFrame(X, columns=list("abcd")) if named else X
    options = {"objective": objective, "nthread": 1} | ({"num_class": 3} if kind == "three" else {})
    model = xgboost.train(options, xgboost.DMatrix(rows, label=target(X, kind)), 6)
    report = check_adapter(model, rows)
    assert report.structured
    assert report.model.features == (tuple("abcd") if named else None)
    if kind == "binary":
        probability = report.model.predict(Table.of(rows), Space.PROBABILITY)
        np.testing.assert_array_equal(probability[:, 1], model.predict(xgboost.DMatrix(rows)))


LGB = [
    {"objective": "regression"},
    {"objective": "l1"},
    {"boosting_type": "dart", "drop_rate": 0.5},
    {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
    {"data_sample_strategy": "goss"},
    {"zero_as_missing": True},
    {"use_missing": False},
    {"extra_trees": True},
    {"objective": "quantile"},
]


@pytest.mark.parametrize("missing", [0.0, 0.3], ids=["whole", "missing"])
@pytest.mark.parametrize("options", LGB, ids=name)
def test_lightgbm_regressors(options, missing):
    X = numbers(missing=missing)
    model = fitted(
        lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=12, min_child_samples=5, **options), X, target(X)
    )
    report = check_adapter(model, X)
    assert report.structured
    np.testing.assert_allclose(report.model.predict(Table.of(X))[:, 0], model.predict(X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("zero", [False, True])
def test_lightgbm_zeros_and_missing_values_it_never_saw(zero):
    X = numbers()
    model = lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=8, min_child_samples=5, zero_as_missing=zero)
    fitted(model, X, target(X))
    rows = X.copy()
    rows[::3, 0] = np.nan
    rows[1::3, 0] = 0.0
    rows[2::3, 0] = -1e-36
    assert check_adapter(model, rows).structured


@pytest.mark.parametrize("kind", ["binary", "three"])
@pytest.mark.parametrize("options", [{}, {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}], ids=name)
def test_lightgbm_classifiers(kind, options):
    X = numbers(missing=0.1)
    y = np.array(["no", "yes", "zebra"])[target(X, kind)]
    model = fitted(lightgbm.LGBMClassifier(n_jobs=1, verbose=-1, n_estimators=8, min_child_samples=5, **options), X, y)
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.outputs == (("no", "yes") if kind == "binary" else ("no", "yes", "zebra"))


def test_lightgbm_counts_are_on_their_log_scale():
    X = numbers()
    model = fitted(
        lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=8, objective="poisson"), X, target(X, "count")
    )
    report = check_adapter(model, X)
    np.testing.assert_allclose(np.exp(report.model.predict(Table.of(X))[:, 0]), model.predict(X), rtol=1e-12)


def test_lightgbm_without_a_split_or_with_early_stopping():
    X, y = numbers(), np.random.default_rng(0).normal(size=ROWS)
    stump = fitted(lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=3, min_child_samples=1000), X, y)
    assert check_adapter(stump, X).structured
    early = lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=60)
    stop = lightgbm.early_stopping(2, verbose=False)
    fitted(early, X[:100], y[:100], eval_set=[(X[100:], y[100:])], callbacks=[stop])
    assert check_adapter(early, X).structured


def test_lightgbm_linear_trees_have_no_structure():
    X = np.abs(numbers())
    model = lightgbm.LGBMRegressor(n_jobs=1, n_estimators=5, min_child_samples=2, linear_tree=True)
    report = check_adapter(fitted(model, X, target(X)), X)
    assert not report.structured
    assert "linear_tree" in report.model.why_no_structure


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("named", [True, False])
def test_lightgbm_boosters(objective, named):
    X = numbers(missing=0.1)
    kind = {"binary": "binary", "multiclass": "three", "regression": "number"}[objective]
    rows = pd.DataFrame(X, columns=["a b", "c", "d", "e"]) if named else X
    options = {"objective": objective, "verbose": -1, "num_threads": 1} | ({"num_class": 3} if kind == "three" else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # white space in names
        model = lightgbm.train(options, lightgbm.Dataset(rows, target(X, kind)), 6)
    report = check_adapter(model, rows)
    assert report.structured
    assert report.model.features == (("a b", "c", "d", "e") if named else None)


def test_lightgbm_whole_numbers_become_float32():
    X = np.random.default_rng(0).integers(2**24, 2**24 + 40, size=(ROWS, 2))
    model = fitted(lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=8, min_child_samples=2), X, X[:, 0] % 7)
    assert check_adapter(model, X).structured


CAT = [
    {},
    {"nan_mode": "Max"},
    {"nan_mode": "Min", "border_count": 5},
    {"grow_policy": "Depthwise"},
    {"grow_policy": "Lossguide"},
    {"loss_function": "MAE"},
    {"boost_from_average": False},
    {"loss_function": "Quantile:alpha=0.3"},
]


@pytest.mark.parametrize("missing", [0.0, 0.3], ids=["whole", "missing"])
@pytest.mark.parametrize("options", CAT, ids=name)
def test_catboost_regressors(options, missing):
    X = numbers(missing=missing)
    options = {"depth": 4} | options
    model = catboost.CatBoostRegressor(iterations=10, verbose=0, thread_count=1, allow_writing_files=False, **options)
    report = check_adapter(fitted(model, X, target(X)), X)
    assert report.structured
    np.testing.assert_array_equal(report.model.predict(Table.of(X))[:, 0], model.predict(X))


@pytest.mark.parametrize("kind", ["binary", "three"])
@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
def test_catboost_classifiers(kind, policy):
    X = numbers(missing=0.1)
    y = np.array(["no", "yes", "zebra"])[target(X, kind)]
    model = catboost.CatBoostClassifier(
        iterations=8, verbose=0, thread_count=1, allow_writing_files=False, grow_policy=policy
    )
    report = check_adapter(fitted(model, X, y), X)
    assert report.structured
    assert report.model.outputs == (("no", "yes") if kind == "binary" else ("no", "yes", "zebra"))


@pytest.mark.parametrize("loss", ["CrossEntropy", "MultiClassOneVsAll", "RMSEWithUncertainty", "YetiRank"])
def test_catboost_losses(loss):
    X = numbers()
    options = {"iterations": 5, "verbose": 0, "thread_count": 1, "allow_writing_files": False, "loss_function": loss}
    maker, kind, more = {
        "CrossEntropy": (catboost.CatBoostClassifier, "binary", {}),
        "MultiClassOneVsAll": (catboost.CatBoostClassifier, "three", {}),
        "RMSEWithUncertainty": (catboost.CatBoostRegressor, "number", {}),
        "YetiRank": (catboost.CatBoostRanker, "three", {"group_id": np.repeat([0, 1], ROWS // 2)}),
    }[loss]
    assert check_adapter(fitted(maker(**options), X, target(X, kind), **more), X).structured


def test_catboost_statistics_of_categories_have_no_structure():
    X = pd.DataFrame({"a": numbers()[:, 0], "c": list("wxyz") * (ROWS // 4)})
    model = catboost.CatBoostRegressor(
        iterations=5, verbose=0, thread_count=1, allow_writing_files=False, cat_features=["c"]
    )
    report = check_adapter(fitted(model, X, target(numbers())), X)
    assert not report.structured
    assert "one_hot_max_size" in report.model.why_no_structure


MAKERS = {
    "xgboost": lambda: xgboost.XGBClassifier(n_jobs=1, n_estimators=6),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_jobs=1, verbose=-1, n_estimators=6),
    "catboost": lambda: catboost.CatBoostClassifier(iterations=6, verbose=0, thread_count=1, allow_writing_files=False),
}


@pytest.mark.parametrize("library", MAKERS)
@pytest.mark.parametrize("named", [True, False])
def test_every_container_gives_the_same_answer(library, named):
    X = np.round(numbers(3) * 8) / 8
    model = fitted(MAKERS[library](), pd.DataFrame(X, columns=list("abc")) if named else X, target(X, "binary"))
    expected = as_model(model).predict(Table.of(X))
    refused = set()
    for container, rows in numeric_containers(X, tuple("abc")).items():
        table = Table.of(rows)
        read = as_model(model, reference=table)
        try:
            np.testing.assert_array_equal(read.predict(table), expected, err_msg=container)
        except ModelError:
            refused.add(container)
            continue
        assert prove(read, table) <= read.structure.rounding_bound()
    assert refused <= {"pandas object"}


@pytest.mark.parametrize("library", MAKERS)
@pytest.mark.parametrize("container", ["pandas", "polars", "float32", "array for names", "one column"])
def test_containers(library, container):
    X = numbers(1 if container == "one column" else 4, missing=0.1)
    frame = pd.DataFrame(X, columns=list("abcd")[: X.shape[1]])
    fit_on = X.astype(np.float32) if container == "float32" else frame
    model = fitted(MAKERS[library](), fit_on, target(X, "binary"))
    rows = {"polars": pl.from_pandas(frame), "float32": fit_on, "array for names": X}.get(container, frame)
    read = as_model(model, reference=Table.of(frame))
    expected = read.predict(Table.of(fit_on))
    np.testing.assert_array_equal(read.predict(Table.of(rows)), expected)
    columns = read.encoding.transform(Table.of(rows))
    gap = np.abs(read.structure_outputs(read.structure.predict(columns)) - expected).max()
    assert gap <= read.structure.rounding_bound()


@pytest.mark.parametrize("library", MAKERS)
def test_rows_at_and_beside_every_threshold_go_the_right_way(library):
    X = numbers(2)
    model = fitted(MAKERS[library](), X, target(X, "binary"))
    read = as_model(model)
    cuts = read.structure.threshold[read.structure.feature == 0]
    narrow = cuts.astype(np.float32)
    steps = [np.nextafter(cuts, s * np.inf) for s in (-1, 1)]
    steps += [np.nextafter(narrow, np.float32(s * np.inf)).astype(np.float64) for s in (-1, 1)]
    probes = np.concatenate([cuts, narrow.astype(np.float64), *steps])
    table = Table.of(np.column_stack([probes, np.zeros(len(probes))]))
    structure = read.structure_outputs(read.structure.predict(read.encoding.transform(table)))
    assert np.abs(structure - read.predict(table)).max() <= read.structure.rounding_bound()


@pytest.mark.parametrize("library", MAKERS)
def test_an_unfitted_model_is_an_input_error(library):
    with pytest.raises(InputError, match="not fitted"):
        as_model(MAKERS[library]())


def test_absent_cells_of_a_sparse_matrix_are_missing_for_xgboost_only():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    X = pd.DataFrame({"c": list("wxyz") * (ROWS // 4), "d": np.repeat(list("pq"), ROWS // 2)})
    y = (X["c"] == "w") ^ (X["d"] == "p")
    for library, make in MAKERS.items():
        model = make_pipeline(OneHotEncoder(), make())
        report = check_adapter(fitted(model, X, y.astype(int)), X)
        assert report.structured, library
        assert sparse.issparse(model[:-1].transform(X))


def test_lightgbm_takes_specks_for_zero():
    X = numbers()
    model = fitted(lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, n_estimators=8, min_child_samples=5), X, target(X))
    threshold = float(np.float32(1e-35))
    rows = np.resize([threshold, -threshold, np.nextafter(-threshold, -1), np.nextafter(threshold, 1), 0.0], X.shape)
    assert check_adapter(model, rows).gap == 0
