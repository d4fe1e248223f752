"""Breast cancer, mortgages and a health survey with gaps: valid through pipelines, sparse, constraints kept."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pellucid import Constraints, counterfactuals
from pellucid.datasets import load_hmda, load_nhanes

ROWS = 60


def pipeline(X, final):
    text = [name for name in X if X[name].dtype.kind not in "if"]
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(make_column_transformer((encode, text), remainder=numbers), final)


def task(name):
    if name == "breast cancer":
        X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        return X, y, ("mean texture",), "worst area"
    data = load_hmda() if name == "hmda" else load_nhanes()
    down = "pirat" if name == "hmda" else "BodyMassIndexKgm2"
    return data.X, data.y, data.immutable, down


@pytest.mark.parametrize("final", [LogisticRegression(max_iter=1000), HistGradientBoostingClassifier(max_iter=30)])
@pytest.mark.parametrize("name", ["breast cancer", "hmda", "nhanes"])
def test_valid_sparse_and_obedient(name, final):
    X, y, immutable, down = task(name)
    model = pipeline(X, final).fit(X, y)
    rows = X.iloc[:ROWS].reset_index(drop=True)
    rules = Constraints(immutable=immutable, decrease_only=[down], max_changes=6)
    found = counterfactuals(model, rows, background=X, constraints=rules)
    start = model.predict(rows)
    assert (found.counts == 1).mean() >= (0.5 if name == "nhanes" else 0.9)  # age decides there, and may not change
    assert (model.predict(found.alternatives) != start[found.row]).all()
    assert found.changed.sum(axis=1).mean() <= 3
    before = rows.iloc[found.row].reset_index(drop=True)
    for feature in immutable:
        a, b = before[feature], found.alternatives[feature]
        assert ((a == b) | (a.isna() & b.isna())).all()
    moved = found.changed[:, found.features.index(down)]
    assert (found.alternatives[down][moved] < before[down][moved]).all()
    assert (found.changed.sum(axis=1) <= 6).all()
    kept = ~found.changed
    assert all(
        ((before[f] == found.alternatives[f]) | before[f].isna())[kept[:, j]].all()
        for j, f in enumerate(found.features)
    )


def test_alternatives_differ_from_each_other():
    X, y, immutable, _ = task("hmda")
    model = pipeline(X, LogisticRegression(max_iter=1000)).fit(X, y)
    found = counterfactuals(model, X.head(20), background=X, n=3, constraints=Constraints(immutable=immutable))
    for row in range(20):
        said = {found.sentence(row, k) for k in range(found.counts[row])}
        assert len(said) == found.counts[row]
    assert np.median(found.counts) == 3
