"""Against shap and lime, where they are right."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.naive_bayes import GaussianNB

import pellucid
from pellucid import Lime

with warnings.catch_warnings():
    # Warnings of the peers' own imports are not ours.
    warnings.simplefilter("ignore")
    import shap
    from lime.lime_tabular import LimeTabularExplainer


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return GradientBoostingRegressor(n_estimators=30, random_state=0).fit(X, y), X


@pytest.mark.parametrize("method", ["exact", "shapley"])
def test_shap_s_kernel_explainer_with_all_coalitions(diabetes, method):
    model, X = diabetes
    background, rows = X[:20, :], X[40:43]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = shap.KernelExplainer(model.predict, background)
        theirs = peer.shap_values(rows, nsamples=2**10, l1_reg=False, silent=True)
    ours = pellucid.explain(model.predict, rows, background=background, method=method)
    np.testing.assert_allclose(ours.values[:, :, 0], theirs, atol=1e-8)
    np.testing.assert_allclose(ours.base_values[:, 0], peer.expected_value)


def test_shap_s_exact_explainer_with_classes():
    X, y = load_wine(return_X_y=True)
    X = X[:, :7]
    model = GaussianNB().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = shap.maskers.Independent(X[:25], max_samples=25)
        theirs = shap.explainers.ExactExplainer(model.predict_proba, masker)(X[100:104])
    ours = pellucid.explain(model, X[100:104], background=X[:25], method="exact", space="probability")
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-9)


def test_shap_s_permutation_explainer_within_our_intervals(diabetes):
    model, X = diabetes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = shap.maskers.Independent(X[:20], max_samples=20)
        theirs = shap.explainers.PermutationExplainer(model.predict, masker, seed=0)(X[40:42], max_evals=21 * 40)
    ours = pellucid.explain(model.predict, X[40:42], background=X[:20], method="permutation", budget=20 * 40)
    gap = np.abs(ours.values[:, :, 0] - theirs.values)
    # Both are sampled with about the same effort.
    assert np.mean(gap <= 1.96 * np.sqrt(2) * ours.std_error[:, :, 0] + 1e-9) >= 0.8


@pytest.mark.parametrize("data", ["diabetes", "wine"])
def test_lime_says_the_same_within_its_own_noise(data, diabetes):
    if data == "diabetes":
        model, X = diabetes
        predict, mode, label = model.predict, "regression", 0
    else:
        X, y = load_wine(return_X_y=True)
        model = GaussianNB().fit(X, y)
        predict, mode, label = model.predict_proba, "classification", 1
    rows = X[[3, 77, 120]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = []
        for seed in range(4):
            peer = LimeTabularExplainer(X, mode=mode, discretize_continuous=True, random_state=seed)
            theirs.append(_coefficients(peer, predict, rows, label))
    theirs = np.array(theirs)
    ours = pellucid.explain(predict, rows, background=X, method=Lime(n_samples=2**13)).values[:, :, label]
    noise = np.hypot(theirs.std(axis=0, ddof=1), 0.03 * np.abs(theirs).max())
    # lime draws a bin's numbers from a truncated normal, we from the data: equal but for that.
    assert np.mean(np.abs(ours - theirs.mean(axis=0)) <= 3 * noise) >= 0.85
    for row in range(len(rows)):
        assert spearmanr(ours[row], theirs.mean(axis=0)[row]).statistic > 0.85
        big = np.abs(theirs.mean(axis=0)[row]) > 0.2 * np.abs(theirs).max()
        np.testing.assert_array_equal(np.sign(ours[row][big]), np.sign(theirs.mean(axis=0)[row][big]))


def _coefficients(peer, predict, rows, label):
    """Coefficients of all features in the features' order; lime fits with all when it selects none."""
    found = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        labels = (label,) if peer.mode == "classification" else (1,)
        said = peer.explain_instance(row, predict, labels=labels, num_features=rows.shape[1], num_samples=4000)
        for j, value in said.local_exp[labels[0]]:
            found[i, j] = value
    return found


def test_lime_on_categories_says_the_same():
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, 3, 300), rng.integers(0, 2, 300), rng.integers(0, 4, 300)]).astype(float)

    def predict(X):
        return 2.0 * (X[:, 0] == 1) - 1.0 * (X[:, 1] == 0) * (X[:, 2] == 3) + 0.5 * (X[:, 2] == 2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = LimeTabularExplainer(codes, mode="regression", categorical_features=[0, 1, 2], random_state=0)
        theirs = _coefficients(peer, predict, codes[:4], 0)
    frame = pd.DataFrame(codes.astype(int), columns=["a", "b", "c"]).astype("category")
    ours = pellucid.explain(
        lambda X: predict(X.to_numpy(dtype=float)), frame.head(4), background=frame, method=Lime(n_samples=2**13)
    )
    np.testing.assert_allclose(ours.values[:, :, 0], theirs, atol=0.05)
