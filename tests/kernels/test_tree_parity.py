"""Real models: shap where it is right, and our own enumeration through the model's predict."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)

import pellucid

with warnings.catch_warnings():
    # Warnings of the peer's own imports are not ours.
    warnings.simplefilter("ignore")
    import shap

X, y = load_diabetes(return_X_y=True)
X, y = X[:200, :7], y[:200]
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
MODELS = {
    "forest": (RandomForestRegressor(15, random_state=0), X),
    "boosting": (GradientBoostingRegressor(n_estimators=30, random_state=0), X),
    "hist": (HistGradientBoostingRegressor(max_iter=30, random_state=0), HOLES),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    model, rows = MODELS[request.param]
    return model.fit(rows, y), rows


def test_path_dependent_values_equal_shaps(fitted) -> None:
    model, rows = fitted
    found = pellucid.explain(model, rows[:20], method="tree")
    theirs = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent").shap_values(rows[:20])
    assert np.abs(found.values[:, :, 0] - theirs).max() <= 1e-12 * np.abs(theirs).max()


def test_interventional_values_equal_enumeration_through_predict(fitted) -> None:
    """2**7 coalitions of the model's own predictions; shap 0.51 differs here, as it does not round inputs."""
    model, rows = fitted
    found = pellucid.explain(model, rows[:5], background=rows[-30:], method="tree")
    slow = pellucid.explain(model, rows[:5], background=rows[-30:], method="exact")
    assert np.abs(found.values - slow.values).max() <= 1e-12 * np.abs(slow.values).max()
    assert np.abs(found.base_values - slow.base_values).max() <= 1e-12 * np.abs(slow.base_values).max()
