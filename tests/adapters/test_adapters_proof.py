"""A wrong reading is found out before anything is computed from it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from pellucid._base.errors import AdapterMismatchError, InputError, ModelError, UnsupportedModelError
from pellucid.adapters import as_model, prove
from pellucid.ir import Encoding, Space
from pellucid.table import Table
from pellucid.testing import conformance_adapters
from pellucid.testing.conformance_adapters import check_adapter

RNG = np.random.default_rng(1)
X = RNG.normal(size=(100, 3))
X[::7, 0] = np.nan
Y = np.where(np.nan_to_num(X[:, 0]) + X[:, 1] > 0, "yes", "no")
TABLE = Table.of(X)


def forest():
    return as_model(RandomForestClassifier(8, random_state=0).fit(X, Y))


FAULTS = {
    "operator": lambda trees: replace(trees, less_equal=False, threshold=np.round(trees.threshold, 1)),
    "base": lambda trees: replace(trees, base=trees.base + 1e-9),
    "one leaf": lambda trees: replace(trees, value=trees.value + (trees.left < 0)[:, None] * 1e-10),
    "missing": lambda trees: replace(trees, missing_left=~trees.missing_left),
    "features": lambda trees: replace(trees, feature=np.where(trees.feature == 0, 1, trees.feature)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault):
    model = forest()
    assert prove(model, TABLE) <= model.structure.rounding_bound()
    with pytest.raises(AdapterMismatchError, match=r"RandomForestClassifier differs .* at row \d+.*method='shapley'"):
        prove(replace(model, structure=FAULTS[fault](model.structure)), TABLE)


def test_a_linear_fault_is_found():
    whole = np.nan_to_num(X)
    model = as_model(LogisticRegression().fit(whole, Y))
    assert prove(model, Table.of(whole)) < 1e-14
    wrong = replace(model.structure, coefficients=model.structure.coefficients * (1 + 1e-12))
    with pytest.raises(AdapterMismatchError, match="LogisticRegression"):
        prove(replace(model, structure=wrong), Table.of(whole))


def test_no_rows_and_no_structure_prove_nothing():
    model = forest()
    assert prove(model, TABLE.take([])) == 0.0
    assert prove(replace(model, structure=None), TABLE) == 0.0


def test_the_conformance_suite_can_fail(monkeypatch):
    fitted = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
    assert check_adapter(fitted, X).structured
    good = as_model(fitted)
    column = Encoding(transform=good.encoding.transform, groups=np.array([0, 1, 3]))
    faults = {
        "classes": replace(good, outputs=("yes", "no")),
        "probabilities": replace(good, probability=lambda table: good.probability(table) + 1e-9),
        "logistic": replace(good, raw=lambda table: good.raw(table) * 2),
        "belong to a feature": replace(good, encoding=column),
        "must say why": replace(good, structure=None, why_no_structure=""),
    }
    for message, fault in faults.items():
        monkeypatch.setattr(conformance_adapters, "as_model", lambda *_, fault=fault, **__: fault)
        with pytest.raises(AssertionError, match=message):
            check_adapter(fitted, X)


@pytest.mark.parametrize(
    ("function", "outputs"),
    [
        (lambda rows: rows[:, 0], ("prediction",)),
        (lambda rows: rows[:, :1], ("prediction",)),
        (lambda rows: rows[:, :2], ("output 0", "output 1")),
        (lambda rows: rows[:, 0].tolist(), ("prediction",)),
    ],
)
def test_functions(function, outputs):
    whole = Table.of(np.nan_to_num(X))
    model = as_model(function, reference=whole)
    assert model.outputs == outputs
    assert model.raw_space is Space.RAW
    assert model.structure is None
    expected = np.asarray(function(np.nan_to_num(X))).reshape(100, -1)
    np.testing.assert_array_equal(model.predict(whole), expected)


def test_bound_methods_and_probabilities():
    fitted = LogisticRegression().fit(np.nan_to_num(X), Y)
    whole = Table.of(np.nan_to_num(X))
    plain = as_model(fitted.predict_proba, reference=whole)
    assert plain.label == "the function LogisticRegression.predict_proba"
    assert plain.raw_space is Space.RAW
    asked = as_model(fitted.predict_proba, reference=whole, predict_space="probability")
    assert asked.raw_space is Space.PROBABILITY
    np.testing.assert_allclose(asked.predict(whole, Space.LOG_ODDS)[:, 1], fitted.decision_function(np.nan_to_num(X)))
    with pytest.raises(InputError, match="predict_space"):
        as_model(fitted.predict_proba, reference=whole, predict_space="loss")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rows: rows.nothing, "failed on the first 4 rows: AttributeError"),
        (lambda rows: rows[:2, 0], r"got \(2,\)"),
        (lambda _rows: 1.0, r"got \(\)"),
        (lambda rows: rows[:, :0], r"got \(4, 0\)"),
        (lambda rows: rows[:, :, None], r"got \(4, 3, 1\)"),
    ],
)
def test_functions_that_do_not_answer_rows(function, message):
    with pytest.raises(ModelError, match=message):
        as_model(function, reference=TABLE)


def test_what_is_no_model_is_refused():
    with pytest.raises(UnsupportedModelError, match="needs rows"):
        as_model(len)
    with pytest.raises(UnsupportedModelError, match=r"cannot explain a builtins.int"):
        as_model(3)
    with pytest.raises(UnsupportedModelError, match="got the class LogisticRegression"):
        as_model(LogisticRegression)
    model = forest()
    assert as_model(model) is model
