"""LIME's control variates beside sums over all coalitions, and what they leave of the noise."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.explainers.controls import BinControl, powers_of, slopes_of
from pellucid.explainers.lime_masks import _together
from pellucid.explainers.neighbourhood import Neighbourhood


def weighted_difference(share, own, fall, values):
    """Mean of values over all combinations of bins in the row's bin minus that outside, one column at a time."""
    found = np.zeros(len(share))
    cells = list(product(*(range(len(bins)) for bins in share)))
    for j in range(len(share)):
        sums, masses = [0.0, 0.0], [0.0, 0.0]
        for cell, value in zip(cells, values, strict=True):
            other = sum(a != b for a, b in zip(cell, own, strict=True))
            mass = np.prod([bins[b] for bins, b in zip(share, cell, strict=True)]) * fall**other
            inside = int(cell[j] == own[j])
            sums[inside] += mass * value
            masses[inside] += mass
        if all(masses):
            found[j] = sums[1] / masses[1] - sums[0] / masses[0]
    return found


@given(seed=st.integers(0, 999), fall=st.floats(0.2, 1.0))
@settings(max_examples=20, deadline=None)
def test_what_bins_contribute_is_the_sum_over_all_their_combinations(seed, fall):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(3), size=3)
    share[0, 2], share[0, 0] = 0.0, share[0, 0] + share[0, 2]
    effect = rng.normal(size=(2, 3, 3))
    effect -= (share * effect).sum(axis=2, keepdims=True)
    control = BinControl(share, effect, rng.normal(size=(2, 2)), np.empty((0, 2)))
    own = np.array([rng.integers(2), rng.integers(3), rng.integers(3)])
    found = control.differences(own, fall)
    for k in range(2):
        scores = [sum(effect[k, j, b] for j, b in enumerate(cell)) for cell in product(range(3), repeat=3)]
        values = [control.slopes[k] @ [score, score**2] for score in scores]
        np.testing.assert_allclose(found[:, k], weighted_difference(share, own, fall, values), atol=1e-9)


def test_a_bin_that_no_sample_is_in_and_a_column_of_one_bin_contribute_nothing():
    control = BinControl(
        np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[[1.0, -1.0], [0.0, 0.0]]]), np.ones((1, 2)), np.empty((0, 1))
    )
    np.testing.assert_array_equal(control.differences(np.array([-1, 1]), 0.9)[1], 0.0)


def test_what_is_fitted_to_bins_is_least_squares():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    near = Neighbourhood.draw(pellucid.Table.of(X), n_samples=4096, n_bins=4, random_state=0)
    Z = np.take_along_axis(X, near.index, axis=0)
    y = np.column_stack([np.exp(Z @ [0.3, -0.2, 0.1]), 5.0 + 0 * Z[:, 0]])
    control = BinControl.fit(near.bins, near.share, y)
    assert np.var(y[:, 0] - control.taken[:, 0]) < 0.25 * np.var(y[:, 0])
    np.testing.assert_array_equal(control.taken[:, 1] - control.taken[0, 1], 0.0)
    powers = rng.normal(size=(1, 2, 50))
    target, weight = rng.normal(size=(1, 50)), rng.random(50)
    root = np.sqrt(weight)
    expected = np.linalg.lstsq((powers[0] * root).T, target[0] * root, rcond=None)[0]
    np.testing.assert_allclose(slopes_of(powers, target, weight)[0], expected, atol=1e-12)


@given(seed=st.integers(0, 999), n=st.integers(2, 7))
@settings(max_examples=30, deadline=None)
def test_covariances_with_powers_are_the_sums_over_all_coalitions(seed, n):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(n + 1))
    shown = np.array(list(product([0.0, 1.0], repeat=n)))
    size = shown.sum(axis=1).astype(int)
    chance = share[size] / np.bincount(size)[size]
    together = np.array(
        [chance @ (shown[:, : i + 1].prod(axis=1) if i < n else np.zeros(len(shown))) for i in range(4)]
    )
    b = rng.normal(size=(n, 2))
    score = shown @ b
    for found, power in zip(powers_of(b, together), (2, 3), strict=True):
        y = score**power
        expected = (shown * chance[:, None]).T @ y - np.outer(chance @ shown, chance @ y)
        np.testing.assert_allclose(found, expected, atol=1e-10)
    np.testing.assert_allclose(_together(share), together, atol=1e-12)


def exponential(weights):
    def model(X):
        total = np.zeros(len(X))
        for j, weight in enumerate(weights):
            total = total + weight * X[:, j]
        return np.exp(total)

    return model


@pytest.mark.parametrize("masks", [False, True])
def test_curvature_of_a_link_adds_no_noise(masks, monkeypatch):
    """With the controls off, the same samples give coefficients that vary a third more at least."""
    X = np.random.default_rng(1).normal(size=(200, 24))
    model = exponential(np.full(24, 0.1))
    method = pellucid.MaskedLime(n_samples=600) if masks else pellucid.Lime(n_samples=2048)
    rows, tol = np.full((1, 24), 1.5) if masks else X[:1], 1e-9
    background = np.zeros((1, 24)) if masks else X

    def spread():
        runs = [
            pellucid.explain(model, rows, background=background, method=method, random_state=seed, tol=tol)
            for seed in range(12)
        ]
        return np.std([run.values for run in runs], axis=0, ddof=1).mean(), np.mean([run.std_error for run in runs])

    steady, said = spread()
    monkeypatch.setattr("pellucid.explainers.lime._control", lambda *_: None)
    monkeypatch.setattr("pellucid.explainers.surrogate._curvature", lambda found, b, _: (np.zeros_like(found.y), 0 * b))
    loose, _ = spread()
    assert steady < 0.75 * loose
    assert steady < 1.25 * said
