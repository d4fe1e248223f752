"""Who answers: the odd Gaussian process or least squares, on models and on games that are fitted by themselves."""

import numpy as np
import pytest

import pellucid
from pellucid import InputError, Shapley
from pellucid.explainers.chain import Chain
from pellucid.explainers.coalitions import pair_design, pairs_of_two
from pellucid.explainers.least_squares import PairedLeastSquares
from pellucid.explainers.odd_gp import Prior
from pellucid.explainers.odd_gp_design import best_pairs, complete_after

from .random_games import line, products, rows


def test_the_process_is_more_precise_than_least_squares_where_few_interact():
    def few(X):
        return line(X) + 5.0 * X[:, 0] * X[:, 1] * X[:, 2]

    X = rows(13)
    truth = pellucid.explain(few, X[:6], background=X, method="exact").values
    error = {}
    for name in ("auto", "odd_gp", "least_squares"):
        found = pellucid.explain(few, X[:6], background=X, method=Shapley(name), budget=260)
        error[name] = np.mean((found.values - truth) ** 2)
    assert error["odd_gp"] < error["least_squares"] / 10
    assert error["auto"] < error["least_squares"] / 10


def test_what_was_chosen_is_said():
    X = rows(13)
    chosen = pellucid.explain(products, X[:6], background=X, method=Shapley("auto"), budget=260).provenance.reason
    assert "Estimators of 6 answers, by leave-one-out error: odd_gp for 6." in chosen


def test_least_squares_answers_where_the_process_errs_more_on_left_out_pairs():
    n, slopes = 8, np.arange(1.0, 9.0)[:, None]
    base = PairedLeastSquares(pair_design(n, 40, 0), [40])
    misled = Prior(np.full(n, 2.0), 1e-6, 1.0, 1.0, 1.0)  # it believes in no additive part, and there is no other
    shown = np.concatenate(list(base.blocks(0)))
    found = Chain(base, [misled] * 5, choose=True).solve(0, shown @ slopes, np.zeros(1), slopes.sum(axis=0))
    assert found.methods == ("least_squares",)
    np.testing.assert_allclose(found.values, slopes, atol=1e-12)
    assert (
        Chain(base, [misled] * 5, choose=False).solve(0, shown @ slopes, np.zeros(1), slopes.sum(axis=0)).methods == ()
    )


def test_without_a_background_to_learn_from_every_game_is_fitted_by_itself():
    X = rows(14)
    truth = pellucid.explain(products, X[:3], background=X[3:4], method="exact").values
    error = {}
    for name in ("auto", "least_squares"):
        found = pellucid.explain(products, X[:3], background=X[3:4], method=Shapley(name), budget=300)
        error[name] = np.mean((found.values - truth) ** 2)
    assert error["auto"] < error["least_squares"] / 4
    same = pellucid.explain(lambda X: 0.0 * X[:, 0], X[:3], background=X[3:4], method=Shapley("auto"), budget=300)
    np.testing.assert_array_equal(same.values, 0.0)


def test_least_squares_answers_in_the_loss_space():
    X = rows(14)
    options = {"background": X, "budget": 300, "space": "loss", "y": np.zeros(3)}
    one, other = (
        pellucid.explain(products, X[:3], method=Shapley(name), **options).values for name in ("auto", "least_squares")
    )
    np.testing.assert_array_equal(one, other)


def test_rows_in_which_other_features_matter_are_answered_too():
    X = rows(14)
    background = X.copy()
    background[:, 2] = 1.0
    explanation = pellucid.explain(products, X[:3], background=background, method=Shapley("auto"), budget=400)
    np.testing.assert_allclose(explanation.prediction[:, 0], products(X[:3]), atol=1e-12)
    assert np.all(explanation.values[:, 2] != 0.0)


def test_the_fit_is_counted():
    X = rows(13)
    fitted = pellucid.explain(products, X[:1], background=X, method=Shapley("auto"), budget=260)
    plain = pellucid.explain(products, X[:1], background=X, method=Shapley("least_squares"), budget=260)
    # Four background rows on 128 + 13 pairs each, and their own outputs.
    assert fitted.quality.evaluations.model_rows == plain.quality.evaluations.model_rows + 4 * 2 * (128 + 13) * 12 + 4


def test_repeated_background_rows_do_not_change_the_fit():
    X = np.round(rows(13) * 4) / 4
    once = pellucid.explain(products, X[:3], background=X, method=Shapley("auto"), budget=260)
    twice = pellucid.explain(products, X[:3], background=np.repeat(X, 2, axis=0), method=Shapley("auto"), budget=260)
    np.testing.assert_allclose(twice.values, once.values, atol=1e-9)


def test_intervals_of_the_chain_cover_the_truth():
    X = rows(12)
    truth = pellucid.explain(products, X, background=X, method="exact").values
    covered = []
    for seed in range(4):
        for budget in (120, 300):
            found = pellucid.explain(
                products, X, background=X, method=Shapley("auto"), budget=budget, random_state=seed
            )
            covered.append(np.abs(found.values - truth) <= 1.96 * found.std_error)
    assert 0.9 <= np.mean(covered) <= 0.995


def test_tol_is_kept_in_nine_rows_of_ten():
    X = rows(13, 20)
    truth = pellucid.explain(products, X, background=X, method="exact").values
    found = pellucid.explain(products, X, background=X, method=Shapley("auto"), budget=2000, tol=0.05)
    assert found.quality.warnings == ()
    assert np.mean(np.abs(found.values - truth).max(axis=(1, 2)) <= 0.05) >= 0.9


def test_an_unknown_estimator_is_named():
    with pytest.raises(InputError, match="estimator must be one of"):
        Shapley(estimator="gp")


@pytest.mark.parametrize(("n", "pairs"), [(9, 45), (16, 159), (16, 399), (12, 119)])
def test_the_two_designs_of_a_lone_game_begin_alike_and_the_other_one_is_complete(n, pairs):
    design = best_pairs(n, pairs, 3)
    complete, common = complete_after(design)
    np.testing.assert_array_equal(complete.shown[:common], design.shown[:common])
    assert complete.shown.shape == (pairs, n)
    assert len(np.unique(complete.shown, axis=0)) == pairs
    np.testing.assert_array_equal(complete.shown.sum(axis=1), complete.size)
    assert np.sum(complete.size == 1) == n
    assert np.sum(complete.size <= 2) == pairs_of_two(n)


def test_a_lone_game_takes_the_design_that_suits_it():
    def smooth(X):
        return np.exp(0.02 * line(X))

    def wild(X):
        return np.sin(2.0 * X.sum(axis=1))

    X, error = np.ones((1, 14)), {}
    for model in (smooth, wild):
        truth = pellucid.explain(model, X, background=0.0 * X, method="exact").values
        found = pellucid.explain(model, X, background=0.0 * X, method=Shapley("odd_gp"), budget=280)
        error[model] = np.sum((found.values - truth) ** 2) / np.sum(truth**2)
        assert found.quality.evaluations.coalitions == 280
    assert error[smooth] < 5e-8  # what it has of order five; the other design leaves three times as much
    assert error[wild] < 1.0


@pytest.mark.parametrize("estimator", ["auto", "odd_gp", "least_squares"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_rows_solved_side_by_side_have_the_bits_of_rows_alone(estimator, outputs):
    def model(X):
        mixed = X[:, 0] * X[:, 1] + X[:, 2]
        found = mixed / (1.0 + mixed * mixed) + X[:, 3] * X[:, 4] + 0.1 * X[:, 5]
        return np.stack([found + k * X[:, 6] ** 2 for k in range(outputs)], axis=1)

    X = rows(13)
    ask = {"background": X, "method": Shapley(estimator), "budget": 260}
    together = pellucid.explain(model, X, **ask)
    for row in (0, 5, 11):
        alone = pellucid.explain(model, X[[row]], **ask)
        np.testing.assert_array_equal(alone.values[0], together.values[row])
        np.testing.assert_array_equal(alone.std_error[0], together.std_error[row])
