"""Sampled order-2 interactions against enumeration, and their own promises."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest

import pellucid
from pellucid import UnsupportedRequestError
from pellucid.explainers.pair_process import REACHES, _Posterior, _prior_variance, _terms


def bent(X):
    score = 1.5 * X[:, 0] * X[:, 1] - X[:, 2] * X[:, 3] + 0.5 * X[:, 4]
    for j in range(X.shape[1]):
        score = score + 0.2 * X[:, j]
    return np.tanh(score / 2) + 0.3 * X[:, 5] * X[:, 6] * X[:, 7]


def both(model, X, background, budget, seed=0):
    exact = pellucid.interactions(model, X, background=background, method="exact")
    return exact, pellucid.interactions(model, X, background=background, budget=budget, random_state=seed)


def test_quadratic_games_are_found_whatever_the_sample():
    rng = np.random.default_rng(0)
    background, X = rng.normal(size=(5, 12)), rng.normal(size=(2, 12))
    matrix = rng.normal(size=(12, 12))

    def quadratic(Z):
        return np.einsum("ni,ij,nj->n", Z, matrix, Z) + Z[:, 0]

    exact, found = both(quadratic, X, background, 600)
    scale = np.abs(exact.values).max()
    np.testing.assert_allclose(found.values, exact.values, atol=1e-3 * scale)
    assert found.quality.residual < 1e-2 * scale


def test_samples_estimate_enumeration_without_bias_and_say_how_well():
    rng = np.random.default_rng(1)
    background, X = rng.normal(size=(4, 12)), rng.normal(size=(1, 12))
    runs = [both(bent, X, background, 1400, seed) for seed in range(24)]
    exact = runs[0][0].values
    values = np.array([found.values for _, found in runs])
    spread = values.std(axis=0, ddof=1)
    said = np.mean([found.std_error for _, found in runs], axis=0)
    assert np.all(np.abs(values.mean(axis=0) - exact) <= 5 * spread / np.sqrt(24) + 1e-12)
    assert 0.7 < spread.mean() / said.mean() < 1.3
    covered = np.mean([np.abs(found.values - exact) <= 1.96 * found.std_error for _, found in runs])
    assert 0.88 < covered <= 1.0
    assert np.abs(values[0] - exact).mean() < 0.3 * np.abs(exact).mean()


def test_few_coalitions_are_answered_by_a_process_that_says_how_well():
    rng = np.random.default_rng(1)
    background, X = rng.normal(size=(4, 12)), rng.normal(size=(1, 12))
    runs = [both(bent, X, background, 400, seed) for seed in range(12)]
    exact = runs[0][0].values
    values = np.array([found.values for _, found in runs])
    assert ((values - exact) ** 2).mean() < 0.01 * (exact**2).mean()
    covered = np.mean([np.abs(found.values - exact) <= 1.96 * found.std_error for _, found in runs])
    assert 0.88 < covered <= 1.0


@pytest.mark.parametrize("n", [3, 6])
@pytest.mark.parametrize("reach", REACHES)
def test_the_process_knows_the_interactions_of_its_kernel(n, reach):
    """Terms and prior variances beside sums over all coalitions of games drawn from the prior."""
    shown = np.array(list(product([False, True], repeat=n)))[:, ::-1]  # coalition c shows i when bit i of c is set
    signs = np.where(shown, 1.0, -1.0)
    kernel = np.prod(1 + reach * signs[:, None] * signs, axis=2) / (1 + reach) ** n
    functionals = np.array([definition(n, game) for game in np.eye(2**n)]).T
    np.testing.assert_allclose(_terms(signs, reach), functionals @ kernel, atol=1e-12)
    variance = np.einsum("ij,jk,ik->i", functionals, kernel, functionals)
    np.testing.assert_allclose(_prior_variance(n, reach), variance, rtol=1e-10)
    posterior = _Posterior.of(shown, reach)
    game = np.linalg.cholesky(kernel) @ np.random.default_rng(n).normal(size=2**n)
    found = posterior.terms @ posterior.inverse @ (game - game[0])
    np.testing.assert_allclose(found, functionals @ game, atol=1e-3 * np.abs(game).max())
    assert posterior.variance.max() < 1e-3 * variance.max()


def definition(n, game):
    """Shapley values and interactions of a game, by the definition."""
    numbers = np.arange(2**n)
    size = np.array([number.bit_count() for number in range(2**n)])
    found = []
    for i in range(n):
        without = numbers[numbers >> i & 1 == 0]
        weight = np.array([1.0 / (n * comb(n - 1, k)) for k in size[without].tolist()])
        found.append(((game[without | 1 << i] - game[without]) * weight).sum())
    for i, j in combinations(range(n), 2):
        neither = numbers[(numbers >> i & 1 == 0) & (numbers >> j & 1 == 0)]
        weight = np.array([1.0 / ((n - 1) * comb(n - 2, k)) for k in size[neither].tolist()])
        gaps = game[neither | 1 << i | 1 << j] - game[neither | 1 << i] - game[neither | 1 << j] + game[neither]
        found.append((gaps * weight).sum())
    return np.array(found)


def test_axioms_symmetry_null_players_efficiency_and_rows_alone():
    rng = np.random.default_rng(2)
    background = np.column_stack([rng.normal(size=(6, 13)), np.full(6, 2.0)])
    X = np.column_stack([rng.normal(size=(3, 13)), [2.0, 2.0, 3.0]])
    found = pellucid.interactions(bent, X, background=background, budget=500)
    np.testing.assert_array_equal(found.values, found.values.swapaxes(1, 2))
    np.testing.assert_array_equal(found.values[:2, 13], 0.0)
    assert found.values[2, 13].any()
    error = np.sqrt((found.std_error**2).sum(axis=(1, 2)))
    gap = np.abs(found.prediction[:, 0] - bent(X))
    assert np.all(gap <= 4 * error[:, 0])
    assert found.quality.residual == gap.max()
    alone = pellucid.interactions(bent, X[[1]], background=background, budget=500)
    np.testing.assert_array_equal(alone.values[0], found.values[1])


def test_few_players_are_enumerated():
    rng = np.random.default_rng(3)
    background, X = rng.normal(size=(4, 9)), rng.normal(size=(2, 9))
    exact, found = both(bent, X, background, 512)
    np.testing.assert_allclose(found.values, exact.values, atol=1e-12)


def test_errors_are_kept_by_selection_and_files(tmp_path):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(3, 16))
    found = pellucid.interactions(lambda Z: np.column_stack([bent(Z), -bent(Z)]), X, background=X, budget=200, output=1)
    assert found.std_error.shape == found.values.shape == (3, 16, 16, 1)
    again = pellucid.Interactions.load(found.save(tmp_path / "pairs.pellucid"))
    np.testing.assert_array_equal(again.std_error, found.std_error)


def test_budgets_that_cannot_do_are_named():
    X = np.random.default_rng(5).normal(size=(3, 20))
    with pytest.raises(UnsupportedRequestError, match="budget=160 or more"):
        pellucid.interactions(bent, X, background=X, budget=159)
    with pytest.raises(UnsupportedRequestError, match="Pass budget=335544 or less"):
        pellucid.interactions(bent, X, background=X, budget=500_000)
