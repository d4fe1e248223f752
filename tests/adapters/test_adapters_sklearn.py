"""The zoo of scikit-learn: what is read agrees with what the model says."""

import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble, linear_model, svm, tree
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor

from pellucid._base.errors import InputError, ModelError, UnsupportedModelError
from pellucid.adapters import as_model, prove
from pellucid.ir import LinearForm, Space, TreeEnsemble
from pellucid.table import Table
from pellucid.testing.conformance_adapters import check_adapter

ROWS = 150


def numbers(columns=4, dtype=np.float64, missing=0.0):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, columns)).astype(dtype)
    X[:, -1] = np.round(X[:, -1])  # ties with thresholds
    X[rng.random(X.shape) < missing] = np.nan
    return X


def target(X, kind):
    signal = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, -1]) ** 2 + 0.3 * np.random.default_rng(4).normal(size=ROWS)
    if kind == "number":
        return signal
    if kind == "positive":
        return np.exp(signal / 4)
    cuts = np.quantile(signal, [0.5] if kind == "binary" else [0.3, 0.7])
    return np.array(["no", "yes", "zebra"])[np.digitize(signal, cuts)]


REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.Lasso(0.01),
    linear_model.LassoCV(),
    linear_model.ElasticNet(0.01),
    linear_model.ElasticNetCV(),
    linear_model.SGDRegressor(random_state=0),
    linear_model.HuberRegressor(),
    linear_model.BayesianRidge(),
    linear_model.QuantileRegressor(alpha=0.0),
    svm.LinearSVR(random_state=0),
    svm.SVR(kernel="linear"),
    tree.DecisionTreeRegressor(max_depth=4),
    tree.ExtraTreeRegressor(random_state=0),
    ensemble.RandomForestRegressor(10, random_state=0),
    ensemble.ExtraTreesRegressor(10, random_state=0),
    ensemble.GradientBoostingRegressor(n_estimators=15, loss="huber"),
    ensemble.GradientBoostingRegressor(n_estimators=15, init="zero", subsample=0.5, random_state=0),
    ensemble.GradientBoostingRegressor(n_estimators=15, loss="quantile"),
    ensemble.HistGradientBoostingRegressor(max_iter=15),
    ensemble.HistGradientBoostingRegressor(max_iter=15, loss="absolute_error"),
]
POSITIVE = [
    ensemble.HistGradientBoostingRegressor(max_iter=10, loss="poisson"),
    ensemble.HistGradientBoostingRegressor(max_iter=10, loss="gamma"),
]
CLASSIFIERS = [
    linear_model.LogisticRegression(),
    linear_model.LogisticRegressionCV(Cs=2, use_legacy_attributes=False, scoring="neg_log_loss", l1_ratios=(0,)),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(random_state=0),
    linear_model.RidgeClassifier(),
    linear_model.Perceptron(),
    LinearDiscriminantAnalysis(),
    svm.LinearSVC(),
    tree.DecisionTreeClassifier(max_depth=4),
    tree.ExtraTreeClassifier(random_state=0),
    ensemble.RandomForestClassifier(10, random_state=0),
    ensemble.ExtraTreesClassifier(10, random_state=0),
    ensemble.GradientBoostingClassifier(n_estimators=10),
    ensemble.GradientBoostingClassifier(n_estimators=10, init="zero"),
    ensemble.HistGradientBoostingClassifier(max_iter=10),
    ensemble.HistGradientBoostingClassifier(max_iter=10, early_stopping=True, random_state=0),
]
WITH_MISSING = [
    tree.DecisionTreeRegressor(max_depth=5),
    ensemble.RandomForestRegressor(10, random_state=0),
    ensemble.ExtraTreesRegressor(10, random_state=0),
    ensemble.HistGradientBoostingRegressor(max_iter=15),
]


def name(model):
    return str(model).replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("model", REGRESSORS, ids=name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regressors_are_read_exactly(model, dtype):
    X = numbers(dtype=dtype)
    y = target(X, "number").astype(dtype)
    model.fit(X, y)
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.outputs == ("prediction",)
    single = dtype is np.float32 and isinstance(report.model.structure, LinearForm)
    np.testing.assert_allclose(
        report.model.predict(Table.of(X))[:, 0], model.predict(X), rtol=1e-5 if single else 1e-12, atol=1e-12
    )


@pytest.mark.parametrize("model", POSITIVE, ids=name)
def test_positive_losses_are_read_on_their_log_scale(model):
    X = numbers()
    model.fit(X, target(X, "positive"))
    report = check_adapter(model, X)
    assert report.structured
    np.testing.assert_allclose(np.exp(report.model.predict(Table.of(X))[:, 0]), model.predict(X), rtol=1e-12)


@pytest.mark.parametrize("kind", ["binary", "three"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=name)
def test_classifiers_are_read_exactly(model, kind):
    X = numbers()
    y = target(X, kind)
    model.fit(X, y)
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.outputs == (("no", "yes") if kind == "binary" else ("no", "yes", "zebra"))
    raw = report.model.predict(Table.of(X))
    said = np.asarray(report.model.outputs)[raw.argmax(axis=1)]
    np.testing.assert_array_equal(said, model.predict(X))


@pytest.mark.parametrize("kind", ["number", "weights", "constant column", "constant target", "one column", "frame"])
@pytest.mark.parametrize("model", WITH_MISSING, ids=name)
def test_missing_values_go_where_the_model_sends_them(model, kind):
    X = numbers(1 if kind == "one column" else 4, missing=0.3)
    y = np.ones(ROWS) if kind == "constant target" else target(X, "number")
    if kind == "constant column":
        X[:, 1] = 5.0
    weights = np.random.default_rng(0).integers(0, 3, ROWS) if kind == "weights" else None
    X = pd.DataFrame(X, columns=[f"feature {j}" for j in range(X.shape[1])]) if kind == "frame" else X
    model.fit(X, y, sample_weight=weights)
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.features == (tuple(X.columns) if kind == "frame" else None)
    if kind == "constant target":
        assert np.all(report.model.predict(Table.of(X)) == 1.0)


def test_rows_at_and_beside_every_threshold_go_the_right_way():
    X = numbers(2, np.float32)
    model = ensemble.RandomForestRegressor(5, random_state=0).fit(X, target(X, "number"))
    cuts = np.concatenate([t.tree_.threshold[t.tree_.feature == 0] for t in model.estimators_])
    around = [np.nextafter(cuts, -np.inf), cuts, np.nextafter(cuts, np.inf)]
    narrow = cuts.astype(np.float32)
    around += [np.nextafter(narrow, np.float32(-np.inf)), narrow, np.nextafter(narrow, np.float32(np.inf))]
    probes = np.concatenate([np.asarray(a, dtype=np.float64) for a in around])
    table = Table.of(np.column_stack([probes, np.zeros(len(probes))]))
    read = as_model(model)
    said = read.predict(table)
    structure = read.structure
    assert isinstance(structure, TreeEnsemble)
    gap = np.abs(structure.predict(read.encoding.transform(table)) - said).max()
    assert gap <= structure.rounding_bound()


def test_logistic_margins_are_log_odds_and_mirrored():
    X = numbers()
    model = linear_model.LogisticRegression().fit(X, target(X, "binary"))
    read = as_model(model)
    assert read.raw_space is Space.LOG_ODDS
    assert read.mirrored
    raw = read.predict(Table.of(X))
    np.testing.assert_array_equal(raw[:, 1], model.decision_function(X))
    np.testing.assert_array_equal(raw[:, 0], -model.decision_function(X))
    assert as_model(svm.LinearSVC().fit(X, target(X, "binary"))).raw_space is Space.RAW


@pytest.mark.parametrize(
    ("model", "space"),
    [
        (KNeighborsClassifier(), Space.PROBABILITY),
        (GaussianNB(), Space.PROBABILITY),
        (GaussianProcessClassifier(), Space.PROBABILITY),
        (svm.SVC(), Space.RAW),
        (ensemble.AdaBoostClassifier(n_estimators=3), Space.PROBABILITY),
        (ensemble.StackingClassifier([("a", GaussianNB())]), Space.PROBABILITY),
        (ensemble.VotingClassifier([("a", GaussianNB())], voting="soft"), Space.PROBABILITY),
    ],
    ids=name,
)
@pytest.mark.parametrize("kind", ["binary", "three"])
def test_other_classifiers_are_black_boxes(model, space, kind):
    X = pd.DataFrame(numbers(), columns=list("abcd"))
    model.fit(X, target(X.to_numpy(), kind))
    report = check_adapter(model, X)
    assert not report.structured
    assert report.model.raw_space is space


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsRegressor(),
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=2000, tol=0.1),
        linear_model.PoissonRegressor(),
    ],
    ids=name,
)
def test_other_regressors_are_black_boxes(model):
    X = numbers()
    model.fit(X, target(X, "positive"))
    report = check_adapter(model, X)
    assert not report.structured
    np.testing.assert_array_equal(report.model.predict(Table.of(X))[:, 0], model.predict(X))


def test_multiclass_svm_is_not_linear():
    X = numbers()
    report = check_adapter(svm.SVC(kernel="linear").fit(X, target(X, "three")), X)
    assert not report.structured
    assert "pairs of classes" in report.model.why_no_structure
    assert check_adapter(svm.SVC(kernel="linear").fit(X, target(X, "binary")), X).structured
    assert check_adapter(svm.NuSVC(kernel="linear").fit(X, target(X, "binary")), X).structured


def test_several_linear_targets_have_one_output_each():
    X = numbers()
    report = check_adapter(linear_model.LinearRegression().fit(X, X[:, :2] * 2), X)
    assert report.structured
    assert report.model.outputs == ("output 0", "output 1")


def test_custom_first_guess_has_no_structure():
    X = numbers()
    model = ensemble.GradientBoostingRegressor(n_estimators=3, init=linear_model.LinearRegression())
    report = check_adapter(model.fit(X, target(X, "number")), X)
    assert not report.structured
    assert "LinearRegression" in report.model.why_no_structure


@pytest.mark.parametrize("which", ["from_dtype", ["c", "k"]])
def test_histogram_boosting_knows_its_categories(which):
    X = pd.DataFrame({"a": numbers()[:, 0], "c": pd.Categorical(list("xyz") * 50), "k": np.arange(150) % 7 * 10})
    y = target(numbers(), "number") + (X["c"] == "y") + (X["k"] == 30)
    X.loc[::9, "c"] = None
    model = ensemble.HistGradientBoostingRegressor(max_iter=5, categorical_features=which).fit(X, y)
    report = check_adapter(model, X)
    assert report.structured
    assert report.model.structure.is_categorical.any()
    unseen = X.assign(c=X["c"].cat.set_categories(["z", "new", "x"]))
    assert prove(report.model, Table.of(unseen)) <= report.model.structure.rounding_bound()


@pytest.mark.parametrize("maker", [tree.DecisionTreeRegressor, ensemble.ExtraTreesRegressor])
def test_several_tree_targets(maker):
    X = numbers()
    report = check_adapter(maker(max_depth=3, random_state=0).fit(X, X[:, :2]), X)
    assert report.structured
    assert report.model.outputs == ("target 0", "target 1")


@pytest.mark.parametrize("maker", [tree.DecisionTreeClassifier, ensemble.RandomForestClassifier])
def test_several_tree_targets_with_their_own_classes(maker):
    X = numbers()
    y = np.column_stack([np.where(X[:, 0] > 0, "yes", "no"), np.digitize(X[:, 1], [-1, 1]).astype(str)])
    report = check_adapter(maker(max_depth=3, random_state=0).fit(X, y), X)
    assert report.structured
    assert report.model.outputs == ("target 0: no", "target 0: yes", "target 1: 0", "target 1: 1", "target 1: 2")


@pytest.mark.parametrize(
    "model",
    [
        ensemble.BaggingRegressor(n_estimators=4, max_features=0.6, random_state=0),
        ensemble.BaggingClassifier(n_estimators=6, max_samples=4, random_state=0),  # some trees miss a class
        ensemble.BaggingClassifier(tree.ExtraTreeClassifier(), n_estimators=3, random_state=0),
    ],
    ids=name,
)
def test_bagged_trees(model):
    X = numbers()
    kind = "number" if isinstance(model, ensemble.BaggingRegressor) else "three"
    assert check_adapter(model.fit(X, target(X, kind)), X).structured


def test_bagged_models_other_than_trees_are_known_by_their_predictions():
    X = numbers()
    report = check_adapter(ensemble.BaggingRegressor(linear_model.Ridge(), 3).fit(X, target(X, "number")), X)
    assert not report.structured
    assert "averages Ridges" in report.model.why_no_structure


@pytest.mark.parametrize(
    "model",
    [linear_model.LogisticRegression(), ensemble.RandomForestRegressor(), ensemble.HistGradientBoostingClassifier()],
    ids=name,
)
def test_an_unfitted_model_is_an_input_error(model):
    with pytest.raises(InputError, match="not fitted"):
        as_model(model)


def test_errors_of_the_model_are_named():
    X = numbers()
    read = as_model(linear_model.LinearRegression().fit(X, X[:, 0]))
    X[0, 0] = np.nan
    with pytest.raises(ModelError, match=r"LinearRegression could not take these 150 rows: ValueError"):
        read.predict(Table.of(X))


def test_outlier_detectors_give_scores_and_clusterers_are_refused():
    from sklearn.cluster import KMeans

    X = numbers()
    detector = svm.OneClassSVM().fit(X)
    read = as_model(detector, reference=Table.of(X))
    np.testing.assert_array_equal(read.predict(Table.of(X))[:, 0], detector.score_samples(X))
    with pytest.raises(UnsupportedModelError, match="labels of clusters"):
        as_model(KMeans(2, n_init=1).fit(X))


@pytest.mark.parametrize("options", [{}, {"max_features": 0.5}, {"max_samples": 2}, {"n_estimators": 1}], ids=str)
def test_isolation_forests_are_read_as_their_mean_path_length(options):
    X = numbers()
    model = ensemble.IsolationForest(random_state=0, **({"n_estimators": 8} | options)).fit(X)
    report = check_adapter(model, X)
    assert report.structured
    length = report.model.predict(Table.of(X))[:, 0]
    n = model.max_samples_
    c = 1.0 if n == 2 else 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    np.testing.assert_allclose(-(2 ** (-length / c)), model.score_samples(X), rtol=1e-13)


def test_an_isolation_forest_of_single_rows_has_nothing_to_explain():
    with pytest.raises(UnsupportedModelError, match="max_samples=1"):
        as_model(ensemble.IsolationForest(n_estimators=2, max_samples=1).fit(numbers()))
