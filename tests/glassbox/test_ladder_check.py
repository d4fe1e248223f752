"""The audit's ladder check: a subject that passes it and one that does not."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from pellucid.auditing.checks.ladder import LADDER
from pellucid.auditing.findings import Verdict
from pellucid.auditing.subject import Subject


def parity(n, seed):
    """Three-way parity: no single feature and no pair says anything."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, (np.sign(X).prod(axis=1) > 0).astype(int)


def test_a_black_box_that_earns_its_place_passes():
    (X, y), (X_train, y_train) = parity(600, 0), parity(600, 1)

    class Knows(LogisticRegression):
        def predict_proba(self, X):
            sign = np.sign(np.asarray(X)).prod(axis=1) > 0
            return np.column_stack([~sign * 1.0, sign * 1.0]) * 0.8 + 0.1

        decision_function = property()

    model = Knows().fit(X_train, y_train)
    finding = LADDER.run(Subject.of(model.predict_proba, X, y, X_train=X_train, y_train=y_train, fast=True))
    assert finding.verdict is Verdict.PASS
    assert "better than every interpretable one" in finding.statement
    prices = [measure for measure in finding.measures if measure.name.startswith("price")]
    assert len(prices) == 4
    assert all(measure.low > 0.2 for measure in prices)


def test_a_black_box_that_buys_nothing_gets_a_note():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = np.where(X[:, 0] + rng.logistic(size=600) > 0, "yes", "no")
    model = RandomForestClassifier(20, random_state=0).fit(X[:300], y[:300])
    finding = LADDER.run(Subject.of(model, X[300:], y[300:], X_train=X[:300], y_train=y[:300], fast=True))
    assert finding.verdict is Verdict.NOTE
    assert "needed for: linear (3 coefficients)" in finding.remedy
    kinds = [exhibit.kind for exhibit in finding.exhibits]
    assert kinds[:3] == ["intervals", "intervals", "table"]
    assert "tree" in kinds
    for exhibit in finding.exhibits:
        assert len({len(column) for column in exhibit.table.values()}) == 1
        cells = [cell for column in exhibit.table.values() for cell in column]
        assert all(cell is None or isinstance(cell, str | bool | int | float) for cell in cells)


@pytest.mark.parametrize("with_model", [True, False])
def test_without_training_data(with_model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X[:, 0] + 0.1 * rng.normal(size=200)
    finding = LADDER.run(Subject.of((lambda X: X[:, 0]) if with_model else None, X, y, fast=True))
    assert ("No price" in finding.detail) == with_model
    assert finding.verdict is (Verdict.NOTE if with_model else Verdict.PASS)
