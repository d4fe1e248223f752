import numpy as np
import pytest

from pellucid._base.errors import InputError
from pellucid.nn import probes
from pellucid.nn.probes import probe


def ridge_loo(X, y, X_new):
    """Ridge with an intercept refitted without each row in turn, for every penalty."""
    best = (np.inf, None)
    centred = X - X.mean(axis=0)
    for alpha in probes.RIDGES * (centred**2).sum() / len(X):

        def fit(A, b, alpha=alpha):
            mean = A.mean(axis=0)
            w = np.linalg.solve((A - mean).T @ (A - mean) + alpha * np.eye(A.shape[1]), (A - mean).T @ (b - b.mean(0)))
            return lambda Z: (Z - mean) @ w + b.mean(0)

        keep = ~np.eye(len(X), dtype=bool)
        error = sum(((fit(X[k], y[k])(X[~k]) - y[~k]) ** 2).sum() for k in keep)
        best = min(best, (error, alpha), key=lambda pair: pair[0])
        if best[1] == alpha:
            scores = fit(X, y)(X_new)
    return scores


def test_closed_form_is_the_refitted_ridge():
    rng = np.random.default_rng(0)
    X, X_new = rng.normal(size=(25, 4)), rng.normal(size=(6, 4))
    tasks = np.eye(3)[rng.integers(3, size=(2, 25))]
    found = probes._ridge(X, tasks, X_new)
    for task, scores in zip(tasks, found, strict=True):
        np.testing.assert_allclose(scores, ridge_loo(X, task, X_new), atol=1e-9)


def test_selectivity_is_above_zero_where_labels_are_held_and_only_there():
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=200)
    layers = {"holds": np.eye(3)[labels] + 0.5 * rng.normal(size=(200, 3)), "noise": rng.normal(size=(200, 20))}
    found = probe(layers, labels)
    assert found["holds"].selectivity.low > 0.3
    assert found["noise"].selectivity.low <= 0.05
    assert "cannot be told" in found["noise"].sentence()
    assert found.to_frame()["layer"].tolist() == ["holds", "noise"]


def test_a_probe_that_memorises_types_is_not_selective():
    """A layer that holds the word alone lets a probe learn any label of words: accuracy without selectivity."""
    rng = np.random.default_rng(2)
    words = rng.integers(6, size=(40, 8))
    labels = np.array([0, 1, 0, 1, 0, 1])[words]
    found = probe(np.eye(6)[words], labels, types=words)["activations"]
    assert found.accuracy.value == 1
    assert found.selectivity.high < 0.35
    assert found.control.value > 0.8
    alone = probe(np.eye(6)[words], labels)["activations"]
    assert alone.control.value < 0.65


def test_noise_is_called_selective_no_more_often_than_the_level():
    rng = np.random.default_rng(3)
    found = [
        probe(rng.normal(size=(60, 5)), rng.integers(2, size=60), random_state=i)["activations"].selectivity.low > 0
        for i in range(60)
    ]
    assert np.mean(found) <= 0.1


@pytest.mark.parametrize(
    ("values", "labels", "said"),
    [
        (np.zeros((20, 2)), np.zeros(20), "at least 2 different"),
        (np.zeros((9, 2)), np.arange(9) % 2, "at least 10 rows"),
        (np.zeros((20, 2)), np.arange(19) % 2, "20 rows"),
        (np.zeros((20, 3)), np.arange(40).reshape(20, 2) % 2, "labels per position"),
        ({}, np.arange(20) % 2, "no activations"),
    ],
)
def test_bad_input_is_named(values, labels, said):
    with pytest.raises(InputError, match=said):
        probe(values, labels)
