"""The odd Gaussian process against enumeration: its kernel, its posterior, its errors."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import Shapley
from pellucid._kernels import _native
from pellucid._kernels.trees import instruction_sets
from pellucid.explainers.coalitions import pair_design, pairs_of_two
from pellucid.explainers.estimation import Estimate, _half_width, _may_stop
from pellucid.explainers.exact import Enumeration
from pellucid.explainers.odd_gp import (
    Conditioned,
    Posterior,
    Prior,
    Triples,
    average,
    posteriors,
    sinh_kernel,
    strict_enough,
)
from pellucid.explainers.odd_gp_fit import _loss, fit_geometric, fit_prior

from .random_games import every, line, products, random_game, rows, signs_of, table_game


def prior_of(n, rng):
    return Prior(rng.uniform(0.01, 1.5, n), *rng.uniform(0.1, 2.0, 4).tolist())


def odd_covariance(prior, n):
    """The prior covariance of g at all 2^n coalitions, from the definition."""
    signs = signs_of(every(n))
    smooth = np.sinh((signs * prior.reach) @ signs.T) / np.sinh(prior.reach.sum())
    threes = [list(three) for three in combinations(range(n), 3)]
    products = np.array([signs[:, three].prod(axis=1) for three in threes]).reshape(len(threes), 2**n)
    weights = np.array([prior.reach[three].prod() for three in threes]).reshape(len(threes))
    cubic = (products.T * weights) @ products / max(weights.sum(), 1e-300)
    alone = np.eye(2**n) - np.eye(2**n)[::-1]
    return prior.linear * signs @ signs.T / n + prior.cubic * cubic + prior.smooth * smooth + prior.rough * alone


def exactly(values):
    n = int(np.log2(len(values)))
    return Enumeration(n).solve(0, values, values[0], values[-1]).values


def odd_game(n, rng):
    """A random game, one coalition of each pair but the ends, their odd parts and the Shapley values."""
    values = rng.normal(size=(2**n, 2))
    shown = every(n)[1 : 2 ** (n - 1)]
    codes = shown @ (1 << np.arange(n))
    return shown, (values[codes] - values[2**n - 1 - codes]) / 2, values[-1] - values[0], exactly(values)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(0, 10**6))
def test_the_kernel_s_shapley_values_are_those_of_enumeration(n, seed):
    prior = prior_of(n, np.random.default_rng(seed))
    columns = exactly(odd_covariance(prior, n))
    np.testing.assert_allclose(prior.shapley(signs_of(every(n))), columns.T, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(0, 10**6))
def test_the_prior_variance_of_shapley_values_is_that_of_enumeration(n, seed):
    prior = prior_of(n, np.random.default_rng(seed))
    both = exactly(exactly(odd_covariance(prior, n)).T.copy())
    np.testing.assert_allclose(prior.shapley_variance(), np.diagonal(both), atol=1e-12)


def test_the_kernel_does_not_overflow_and_its_values_add_up_for_many_players():
    rng = np.random.default_rng(0)
    signs = signs_of(rng.random((20, 300)) < 0.5)
    prior = Prior(np.full(300, 2.7), 1.0, 0.0, 1.0, 1.0)
    every = np.concatenate([signs, np.ones((1, 300))])
    sinh = sinh_kernel((every * prior.reach) @ every.T, prior.reach.sum(), 1.0)
    assert np.isfinite(sinh).all()
    to_full = prior.linear / 300 * signs.sum(axis=1) + prior.smooth * sinh[-1, :20]
    np.testing.assert_allclose(prior.shapley(signs).sum(axis=1), 2 * to_full, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5, 7, 9])
def test_the_posterior_is_exact_once_every_pair_is_known(n):
    rng = np.random.default_rng(n)
    shown, odd, total, truth = odd_game(n, rng)
    found, _ = Posterior.of(prior_of(n, rng), shown).solve(odd, total)
    np.testing.assert_allclose(found.values, truth, atol=1e-8)
    assert found.std_error.max() < 1e-3


@settings(deadline=None, max_examples=30)
@given(st.integers(4, 9), st.integers(1, 12), st.integers(0, 10**6))
def test_values_add_up_from_any_pairs(n, pairs, seed):
    rng = np.random.default_rng(seed)
    shown, odd, total, _ = odd_game(n, rng)
    some = rng.permutation(len(shown))[:pairs]
    found, _ = Posterior.of(prior_of(n, rng), shown[some]).solve(odd[some], total)
    np.testing.assert_allclose(found.values.sum(axis=0), total, atol=1e-12)


def test_left_out_errors_are_those_of_leaving_out():
    rng = np.random.default_rng(1)
    shown, odd, total, _ = odd_game(6, rng)
    shown, odd, prior = shown[:12], odd[:12], prior_of(6, rng)
    signs = np.concatenate([signs_of(shown), np.ones((1, 6))])
    covariance, observed = prior.covariance(signs), np.concatenate([odd, total[None] / 2])
    wrong = []
    for j in range(12):
        kept = np.delete(np.arange(13), j)
        wrong.append(odd[j] - covariance[j, kept] @ np.linalg.solve(covariance[np.ix_(kept, kept)], observed[kept]))
    _, error = Posterior.of(prior, shown).solve(odd, total)
    np.testing.assert_allclose(error, np.mean(np.square(wrong), axis=0), rtol=1e-6)


@pytest.mark.parametrize("additive", [0.0, 1.0, 1e4])
def test_an_additive_part_of_any_size_changes_only_its_own_values(additive):
    rng = np.random.default_rng(4)
    n = 7
    interactions = random_game(n, rng, "triples")
    slopes = additive * rng.normal(size=n)
    values = interactions + (every(n) @ slopes)[:, None]
    shown = every(n)[1 : 2 ** (n - 1)][rng.permutation(2 ** (n - 1) - 1)[:40]]
    codes = shown @ (1 << np.arange(n))
    prior = Prior(np.full(n, 0.3), 1e9, 1.0, 0.5, 1e-3)  # so large a variance that the additive part is not shrunk
    found, alone = (
        Posterior.of(prior, shown).solve((v[codes] - v[2**n - 1 - codes]) / 2, v[-1] - v[0])
        for v in (values, interactions)
    )
    np.testing.assert_allclose(found[0].values[:, 0] - slopes, alone[0].values[:, 0], atol=1e-6 + 1e-9 * additive)
    np.testing.assert_allclose(found[0].std_error, alone[0].std_error, rtol=1e-4)


@pytest.mark.parametrize("share", [1e-2, 1e-6, 1e-10])
def test_interactions_of_three_are_known_to_the_last_digits_however_small(share):
    n, rng = 9, np.random.default_rng(6)
    values = every(n) @ rng.normal(size=(n, 1)) + share**0.5 * random_game(n, rng, "triples")
    shown = np.array([one for one in every(n) if one.sum() in (1, 2)])
    codes = shown @ (1 << np.arange(n))
    odd = (values[codes] - values[2**n - 1 - codes]) / 2
    found, _ = Posterior.of(Prior(np.ones(n), 1.0, share, 0.0, 1e-12 * share), shown).solve(odd, values[-1] - values[0])
    error = np.abs(found.values - exactly(values)).max()
    assert error < 1e-4 * share**0.5 + 3e-9


@pytest.mark.parametrize("n", [6, 10, 12])
def test_games_of_three_player_interactions_are_exact_once_all_pairs_of_players_are_known(n):
    rng = np.random.default_rng(n)
    signs = signs_of(every(n))
    values = signs @ rng.normal(size=n)
    for three in combinations(range(n), 3):
        values = values + rng.normal() * signs[:, list(three)].prod(axis=1)
    shown = pair_design(n, pairs_of_two(n), 0, complete=True).shown
    codes = shown @ (1 << np.arange(n))
    odd = (values[codes] - values[2**n - 1 - codes])[:, None] / 2
    found, _ = Posterior.of(Prior(np.full(n, 0.3), 1.0, 1.0, 0.0, 0.0), shown).solve(odd, values[-1:] - values[:1])
    np.testing.assert_allclose(found.values, exactly(values[:, None]), atol=1e-5)


def test_the_covariance_of_both_parts_is_that_of_the_definition():
    rng = np.random.default_rng(7)
    n, prior = 6, prior_of(6, rng)
    signs = signs_of(every(n)[1 : 2 ** (n - 1)][:20])
    covariance, y = prior.covariance(signs), rng.normal(size=(20, 3))
    known = Conditioned.of(prior, signs)
    np.testing.assert_allclose(known.precision(), np.diagonal(np.linalg.inv(covariance)), rtol=1e-6)
    np.testing.assert_allclose(known.squares(y), np.einsum("jk,ji,ik->k", y, np.linalg.inv(covariance), y), rtol=1e-7)
    assert known.log_determinant == pytest.approx(np.linalg.slogdet(covariance)[1])
    np.testing.assert_allclose(known.weigh(y, known.additive(y)), np.linalg.solve(covariance, y), atol=1e-6)
    left = known.variance_left(prior, replace(prior, linear=0.0).shapley(signs))
    shapley = prior.shapley(signs)
    expected = prior.shapley_variance() - np.einsum("jp,jp->p", shapley, np.linalg.solve(covariance, shapley))
    np.testing.assert_allclose(left, expected, atol=1e-8)


def test_posteriors_that_share_their_interactions_are_the_means_and_variances_of_the_definition():
    rng = np.random.default_rng(12)
    shown, odd, total, _ = odd_game(7, rng)
    shown, odd, signs = shown[:30], odd[:30], signs_of(np.concatenate([shown[:30], np.ones((1, 7), bool)]))
    loose, other = prior_of(7, rng), prior_of(7, rng)
    priors = [loose, replace(loose, rough=loose.rough / 16.0), other, Prior.geometric(7, 0.25)]
    for prior, found in zip(priors, posteriors(((prior, 0) for prior in priors), shown), strict=True):
        covariance, shapley, y = prior.covariance(signs), prior.shapley(signs), np.concatenate([odd, total[None] / 2])
        weights, diagonal = np.linalg.solve(covariance, y), np.diagonal(np.linalg.inv(covariance))[:, None]
        variance = prior.shapley_variance() - np.einsum("jp,jp->p", shapley, np.linalg.solve(covariance, shapley))
        estimate, left_out = found.solve(odd, total)
        np.testing.assert_allclose(estimate.values, shapley.T @ weights, atol=1e-7)
        scale = np.mean(weights[:-1] ** 2 / diagonal[:-1], axis=0)
        np.testing.assert_allclose(estimate.std_error, np.sqrt(variance[:, None] * scale), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(left_out, np.mean((weights / diagonal)[:-1] ** 2, axis=0), rtol=1e-6)


def test_a_strict_prior_answers_where_left_out_pairs_are_for_it_and_what_it_moves_is_error():
    loose = Estimate(np.array([[1.0, 1.0]]), np.array([[0.3, 0.3]])), np.array([2.0, 2.0])
    strict = Estimate(np.array([[1.4, 1.4]]), np.array([[0.3, 0.3]])), np.array([1.0, 3.0])
    strictest = Estimate(np.array([[9.0, 9.0]]), np.array([[0.1, 0.1]])), np.array([1.5, 5.0])
    found, error = strict_enough([loose, strict, strictest])
    np.testing.assert_allclose(found.values, [[1.4, 1.0]])
    np.testing.assert_allclose(found.std_error, [[0.5, 0.3]])
    np.testing.assert_array_equal(error, [1.0, 2.0])


def test_errors_of_games_drawn_from_the_prior_are_as_large_as_they_say():
    rng = np.random.default_rng(2)
    n, prior = 7, Prior(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]), 1.0, 0.3, 0.5, 0.01)
    covariance = odd_covariance(prior, n)
    values, vectors = np.linalg.eigh(covariance)
    games = vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * rng.normal(size=(2**n, 400)))
    shown = every(n)[1 : 2 ** (n - 1)][rng.permutation(2 ** (n - 1) - 1)[:30]]
    found, _ = Posterior.of(prior, shown).solve(games[shown @ (1 << np.arange(n))], games[-1] - games[0])
    z = (found.values - exactly(games)) / found.std_error
    assert 0.92 < np.mean(np.abs(z) < 1.96) < 0.97
    assert 0.9 < np.sqrt(np.mean(z**2)) < 1.2


def test_the_gradient_of_the_fit_is_that_of_differences():
    rng = np.random.default_rng(3)
    signs, odd = signs_of(rng.random((15, 5)) < 0.5), rng.normal(size=(15, 3))
    logs = np.concatenate([rng.normal(size=5) - 1.0, [0.3, -0.7, -0.4, -2.0]])
    arguments = (signs, odd, -0.8, 1.5)
    step = 1e-6
    differences = [
        (_loss(logs + step * e, *arguments)[0] - _loss(logs - step * e, *arguments)[0]) / (2 * step) for e in np.eye(9)
    ]
    np.testing.assert_allclose(_loss(logs, *arguments)[1], differences, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("instructions", instruction_sets())
@pytest.mark.parametrize(("pairs", "smooth"), [(15, 0.6), (70, 0.6), (70, 1e-90)])
def test_the_likelihood_is_that_of_its_definition(pairs, smooth, instructions):
    rng = np.random.default_rng(13)
    n, games = 7, 3
    signs, odd = signs_of(rng.random((pairs, n)) < 0.5), rng.normal(size=(pairs, games))
    prior = Prior(rng.uniform(0.05, 0.5, n), 1.2, 0.8, smooth, 0.3)
    triples, total = Triples.of(prior.reach, prior.cubic), prior.reach.sum()
    additive = prior.linear / n + triples.scale / 3.0 * prior.reach**3
    shift = np.log(2.0 * np.sinh(total) / smooth)
    parts = (additive, prior.reach, -0.5 * triples.scale * triples.second, triples.scale / 6.0, shift, 0.3)
    covariance = prior.between(signs, signs) - prior.rough * (signs @ signs.T == n) + 0.3 * np.eye(pairs)
    found = _native.likelihood(signs, odd, *parts, instructions)
    _, logs = np.linalg.slogdet(covariance)
    solved = np.linalg.solve(covariance, odd)
    assert found[0] == pytest.approx(0.5 * np.sum(odd * solved) / games + 0.5 * logs, rel=1e-9)
    pull = np.linalg.inv(covariance) - solved @ solved.T / games
    np.testing.assert_allclose(found[1], np.einsum("ij,ik,jk->k", pull, signs, signs), rtol=1e-8, atol=1e-8)
    assert found[5] == pytest.approx(np.trace(pull))
    z = (signs * prior.reach) @ signs.T
    assert found[3] == pytest.approx(np.sum(pull * (parts[2] * z + parts[3] * z**3)))
    assert found[4] == pytest.approx(np.sum(pull * smooth * np.sinh(z) / np.sinh(total)))
    by_z = parts[2] + 3.0 * parts[3] * z**2 + smooth * np.cosh(z) / np.sinh(total)
    np.testing.assert_allclose(found[2], np.einsum("ij,ik,jk->k", pull * by_z, signs, signs), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("instructions", instruction_sets())
@pytest.mark.parametrize("size", [0.1, 1.0, 9.0])
def test_exponentials_keep_all_digits_but_the_last(size, instructions):
    # Beside so much that is alone, the likelihood's derivative is the sum of the exponentials of one pair with itself.
    reach = np.array([size])
    for shift in np.linspace(-15.0, 15.0, 61):
        found = _native.likelihood(
            np.ones((1, 1)), np.zeros((1, 1)), reach * 0, reach, 0.0, 0.0, shift, 1e30, instructions
        )
        assert found[4] * 1e30 == pytest.approx(np.exp(size - shift) - np.exp(-size - shift), rel=4e-15 / size)


@pytest.mark.parametrize("instructions", instruction_sets())
def test_what_is_too_small_for_an_exponential_is_next_to_nothing(instructions):
    some = np.full(3, 300.0)
    found = _native.likelihood(np.ones((1, 3)), np.zeros((1, 1)), some * 0, some, 0.0, 0.0, 900.0, 1.0, instructions)
    assert found[0] == pytest.approx(0.5 * np.log(2.0))
    assert np.isfinite(found[4])


def test_the_likelihood_refuses_shapes_that_do_not_fit_and_has_no_value_where_nothing_is_known():
    ones = np.ones(3)
    with pytest.raises(ValueError, match="row for each pair"):
        _native.likelihood(np.ones((4, 3)), np.ones((5, 2)), ones, ones, 0.0, 0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="two weights"):
        _native.likelihood(np.ones((4, 3)), np.ones((4, 2)), ones, np.ones(2), 0.0, 0.0, 0.0, 1.0)
    assert _native.likelihood(np.ones((4, 3)), np.ones((4, 2)), ones, ones, 0.0, 0.0, 5.0, -9.0) is None


def test_the_fit_finds_who_interacts():
    rng = np.random.default_rng(4)
    shown = rng.random((120, 8)) < 0.5
    signs = signs_of(shown)
    odd = (signs[:, 0] * signs[:, 1] * signs[:, 2])[:, None] * [1.0, 2.0] + signs @ rng.normal(size=(8, 2))
    reach = fit_prior(shown, odd, 3.0).reach
    assert reach[:3].min() > 10 * reach[3:].max()


def test_the_fit_of_interactions_does_not_depend_on_the_size_of_the_additive_part():
    rng = np.random.default_rng(4)
    shown = pair_design(8, 80, 0).shown
    signs = signs_of(shown)
    slopes, odd = rng.normal(size=(8, 1)), signs[:, [0]] * signs[:, [1]] * signs[:, [2]]
    small, large = (fit_prior(shown, odd + size * signs @ slopes, 0.5) for size in (10.0, 1e4))
    for fitted in (small, large):
        assert fitted.reach[:3].min() > 20.0 * fitted.reach[3:].max()
    assert large.linear > 1e5 * small.linear
    assert large.cubic + large.smooth == pytest.approx(small.cubic + small.smooth, rel=0.3)


def test_no_value_is_known_better_than_to_single_precision():
    known = Estimate(np.array([[4.0], [1.0]]), np.zeros((2, 1))), np.zeros(1)
    np.testing.assert_allclose(average([known])[0].std_error, 2.0**-21)


def test_games_without_any_change_leave_nothing_to_fit():
    assert fit_prior(every(3), np.zeros((8, 2)), 1.0) is None


def test_the_design_with_the_smaller_expected_error_is_taken():
    X = rows(10, 30)

    def threes(X):
        return products(X)

    def wild(X):
        return np.sin(4.0 * X.sum(axis=1))

    exact = {f: pellucid.explain(f, X[:4], background=X, method="exact").values for f in (threes, wild)}
    found = {f: pellucid.explain(f, X[:4], background=X, method=Shapley("odd_gp"), budget=150).values for f in exact}
    assert np.mean((found[threes] - exact[threes]) ** 2) < 1e-6 * np.mean(exact[threes] ** 2)
    assert np.mean((found[wild] - exact[wild]) ** 2) < np.mean(exact[wild] ** 2)


def test_the_average_counts_disagreement_as_error():
    one, other = Estimate(np.array([[1.0]]), np.array([[0.1]])), Estimate(np.array([[2.0]]), np.array([[0.1]]))
    found, error = average([(one, np.array([1.0])), (other, np.array([1.0]))])
    assert found.values[0, 0] == pytest.approx(1.5)
    assert found.std_error[0, 0] == pytest.approx(np.sqrt(0.01 + 0.25))
    sure = Estimate(np.array([[1.0]]), np.array([[1e-3]]))
    found, error = average([(sure, np.array([1e-3])), (other, np.array([1.0]))])
    assert found.values[0, 0] == pytest.approx(1.0, abs=1e-5)
    assert error[0] == 1e-3


# --- what is learned from a game itself ---------------------------------------------------------------------------


def test_hyper_parameters_fitted_to_the_same_pairs_cost_degrees_of_freedom():
    rng = np.random.default_rng(8)
    shown, odd, total, _ = odd_game(7, rng)
    prior = prior_of(7, rng)
    free, spent = (Posterior.of(prior, shown[:20], k).solve(odd[:20], total)[0] for k in (0, 11))
    np.testing.assert_array_equal(free.values, spent.values)
    np.testing.assert_allclose(spent.std_error, free.std_error * np.sqrt(20 / 9))
    assert np.isfinite(Posterior.of(prior, shown[:10], 11).solve(odd[:10], total)[0].std_error).all()


@pytest.mark.parametrize("kind", ["triples", "trees"])
def test_intervals_of_games_fitted_by_themselves_cover_the_truth_from_few_pairs(kind):
    rng, covered = np.random.default_rng(11), []
    for seed in range(25):
        game = random_game(10, rng, kind)[:, 0]
        function = table_game(game)
        found = pellucid.explain(
            lambda X, game=function: game(X > 0.5),
            np.ones((1, 10)),
            background=np.zeros((1, 10)),
            method=Shapley("odd_gp"),
            budget=50,
            random_state=seed,
        )
        truth = exactly(game[:, None])
        covered.append(np.abs(found.values[0] - truth) <= 1.96 * found.std_error[0])
    assert 0.86 <= np.mean(covered) <= 0.99


def test_the_share_of_interactions_is_the_most_likely_one():
    rng = np.random.default_rng(9)
    n, shown = 8, every(8)[1 : 2**7][rng.permutation(2**7 - 1)[:90]]
    for share in (1 / 4, 1 / 64):
        lower = np.linalg.cholesky(Prior.geometric(n, share).covariance(signs_of(shown)))
        odd = lower @ rng.normal(size=(90, 12)) * rng.uniform(0.1, 10.0, 12)
        found = fit_geometric(shown, odd)
        assert share / 4 <= found.cubic <= share * 4
        assert found.rough == found.cubic**2
        scaled = fit_geometric(shown, 1e6 * odd)
        assert scaled.cubic == found.cubic
    assert fit_geometric(shown, np.zeros((90, 2))) is None


def test_rows_that_take_different_designs_answer_together_as_alone():
    def either(X):
        return np.where(X[:, 0] > 5.0, np.exp(0.02 * line(X)), np.sin(2.0 * X.sum(axis=1)))

    X = np.ones((4, 14))
    X[::2, 0] = 9.0
    explainer = pellucid.Explainer(either, X[:1] * 0.0 + 6.0, method=Shapley("auto"), budget=280)
    together = explainer(X)
    for row in range(4):
        alone = explainer(X[[row]])
        np.testing.assert_array_equal(alone.values[0], together.values[row])
        np.testing.assert_array_equal(alone.std_error[0], together.std_error[row])


@pytest.mark.parametrize("size", [1, 30])
def test_tol_asks_for_intervals_that_hold_all_values_at_once(size):
    width = _half_width(Estimate(np.zeros((size, 1)), np.full((size, 1), 0.5)))
    draws = np.abs(np.random.default_rng(10).normal(scale=0.5, size=(20_000, size))).max(axis=1)
    assert 0.94 < np.mean(draws <= width) < 0.96


def test_a_level_alone_stops_no_row_and_neither_does_one_that_disagrees_with_the_level_before():
    sure = Estimate(np.array([[1.0]]), np.array([[1e-3]]))
    assert not _may_stop(sure, None, 0.1)
    assert not _may_stop(sure, np.array([[1.2]]), 0.1)
    assert _may_stop(sure, np.array([[1.05]]), 0.1)
    assert not _may_stop(Estimate(sure.values, np.array([[0.1]])), sure.values, 0.1)


def test_tol_is_kept_by_games_that_are_fitted_by_themselves():
    def saturated(X):
        return 1.0 / (1.0 + np.exp(-(line(X) / 6.0 + X[:, 0] * X[:, 1] - X[:, 2] * X[:, 5])))

    X = rows(12, 20, seed=12)
    background = np.zeros((1, 12))
    truth = pellucid.explain(saturated, X, background=background, method="exact").values
    tol = 0.1 * float(np.median(np.abs(truth).max(axis=1)))
    found = pellucid.explain(saturated, X, background=background, method=Shapley("auto"), budget=1200, tol=tol)
    assert np.mean(np.abs(found.values - truth).max(axis=(1, 2)) <= tol) >= 0.9
