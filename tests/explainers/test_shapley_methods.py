"""Exact, Shapley and Permutation against the definition, and their errors against the truth."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import (
    AdditivityError,
    Exact,
    Lime,
    Model,
    ModelError,
    Permutation,
    Shapley,
    Space,
    Table,
    UnsupportedRequestError,
)
from pellucid.explainers.base import Question
from pellucid.explainers.coalitions import pair_design
from pellucid.explainers.exact import Enumeration
from pellucid.explainers.least_squares import PairedLeastSquares
from pellucid.explainers.permutation import AntitheticPermutations, coalitions_of
from pellucid.explainers.shapley import smallest_budget
from pellucid.testing.oracles import shapley_by_enumeration

from .random_games import random_game, table_game

SAMPLED = [Shapley(), Permutation()]
UNBIASED = [Shapley("least_squares"), Permutation()]


def wavy(X):
    """Not additive, and the same for a row alone and in a batch: only sums and products of columns."""
    total = np.zeros(len(X))
    for j in range(X.shape[1]):
        total = total + (j % 3 - 1.0) * X[:, j] + X[:, j] * X[:, (j + 1) % X.shape[1]] * X[:, (j * 5 + 2) % X.shape[1]]
    return total / (1.0 + total * total) + 0.1 * total


def solve(plan, game, level=0):
    known = [game(block) for lower in range(level + 1) for block in plan.blocks(lower)]
    n = known[0].shape[1] if not hasattr(plan, "n") else plan.n
    ends = game(np.array([[False] * n, [True] * n]))
    return plan.solve(level, np.concatenate(known), ends[0], ends[1])


# --- the definition ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_enumeration_is_the_definition_in_exact_rationals(n, seed):
    values = np.random.default_rng(seed).integers(-50, 50, size=(2**n, 2)).astype(float)
    exact = shapley_by_enumeration(lambda c: [Fraction(int(v)) for v in values[c]], n)
    found = solve(Enumeration(n), table_game(values)).values
    np.testing.assert_allclose(found, np.array(exact, dtype=float), atol=1e-12)


def test_exact_is_the_mean_over_all_orders_of_the_features():
    rng = np.random.default_rng(0)
    background, X = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    explanation = pellucid.explain(wavy, X, background=background, method="exact")
    for row in range(2):
        expected = np.zeros(4)
        for order in permutations(range(4)):
            mixed = background.copy()
            before = wavy(mixed).mean()
            for j in order:
                mixed[:, j] = X[row, j]
                after = wavy(mixed).mean()
                expected[j] += (after - before) / 24
                before = after
        np.testing.assert_allclose(explanation.values[row, :, 0], expected, atol=1e-14)
    assert explanation.std_error is None


def test_a_feature_the_model_ignores_gets_exactly_zero():
    X = np.random.default_rng(1).normal(size=(5, 6))
    for method in ("exact", "permutation"):
        explanation = pellucid.explain(lambda X: X[:, 0] * X[:, 1] + X[:, 4], X, background=X, method=method)
        np.testing.assert_array_equal(explanation.values[:, [2, 3, 5]], 0.0)


@pytest.mark.parametrize("method", [Exact(), *SAMPLED])
def test_a_feature_that_is_everywhere_the_same_gets_exactly_zero_and_no_error(method):
    X = np.random.default_rng(2).normal(size=(8, 14))
    X[:, 3] = 2.5
    X[:, 7] = np.nan
    X[0, 9] = X[1:, 9] = 1.0
    explanation = pellucid.explain(lambda X: wavy(np.nan_to_num(X)), X, background=X, method=method, budget=2**11)
    np.testing.assert_array_equal(explanation.values[:, [3, 7, 9]], 0.0)
    if explanation.std_error is not None:
        np.testing.assert_array_equal(explanation.std_error[:, [3, 7, 9]], 0.0)


def test_rows_with_different_null_players_keep_their_own_answer():
    X = np.random.default_rng(3).normal(size=(4, 13))
    background = np.repeat(np.random.default_rng(4).normal(size=(1, 13)), 2, axis=0)
    X[1, :5], X[2, 2:] = background[0, :5], background[0, 2:]
    X[3] = background[0]
    together = pellucid.explain(wavy, X, background=background, method="shapley", budget=200)
    for row in range(4):
        alone = pellucid.explain(wavy, X[[row]], background=background, method="shapley", budget=200)
        np.testing.assert_array_equal(alone.values[0], together.values[row])
    np.testing.assert_array_equal(together.values[3], 0.0)


# --- errors that mean what they say -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["triples", "saturated", "trees", "noise"])
@pytest.mark.parametrize(("n", "per_player"), [(8, 6), (10, 5), (12, 20), (12, 80)])
def test_intervals_of_least_squares_cover_the_truth(kind, n, per_player):
    rng = np.random.default_rng([n, per_player])
    covered = []
    for seed in range(30):
        game = table_game(random_game(n, rng, kind))
        truth = solve(Enumeration(n), game).values
        found = solve(_least_squares(n, per_player * n // 2, seed), game)
        covered.append(np.abs(found.values - truth) <= 1.96 * found.std_error)
    assert 0.85 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("kind", ["triples", "saturated", "trees", "noise"])
@pytest.mark.parametrize(("n", "pairs"), [(8, 4), (10, 8), (12, 30)])
def test_intervals_of_permutations_cover_the_truth(kind, n, pairs):
    rng = np.random.default_rng([n, pairs])
    covered = []
    for seed in range(40):
        game = table_game(random_game(n, rng, kind))
        truth = solve(Enumeration(n), game).values
        found = solve(AntitheticPermutations(n, pairs, seed), game)
        covered.append(np.abs(found.values - truth) <= 1.96 * found.std_error)
    assert 0.85 <= np.mean(covered) <= 0.99


def _least_squares(n, pairs, seed):
    plan = PairedLeastSquares(pair_design(n, pairs, seed), [pairs])
    plan.n = n
    return plan


@pytest.mark.parametrize("method", UNBIASED)
def test_the_mean_over_seeds_is_the_truth(method):
    rng = np.random.default_rng(5)
    X, background = rng.normal(size=(1, 12)), rng.normal(size=(3, 12))
    truth = pellucid.explain(wavy, X, background=background, method="exact").values
    runs = np.stack(
        [
            pellucid.explain(wavy, X, background=background, method=method, budget=150, random_state=seed).values
            for seed in range(60)
        ]
    )
    error = runs.std(axis=0, ddof=1) / np.sqrt(60)
    # 12 features, five standard errors of the mean: a false alarm once in 10^5 runs.
    assert np.all(np.abs(runs.mean(axis=0) - truth) <= 5 * error)


def test_more_budget_is_less_error():
    X = np.random.default_rng(6).normal(size=(6, 13))
    truth = pellucid.explain(wavy, X, background=X, method="exact").values
    for method in SAMPLED:
        errors = [
            np.abs(pellucid.explain(wavy, X, background=X, method=method, budget=b).values - truth).mean()
            for b in (60, 500, 4000)
        ]
        assert errors[0] > errors[1] > errors[2]


def test_a_budget_of_all_coalitions_is_exact():
    X = np.random.default_rng(7).normal(size=(3, 9))
    exact = pellucid.explain(wavy, X, background=X, method="exact")
    sampled = pellucid.explain(wavy, X, background=X, method="shapley", budget=2**9)
    np.testing.assert_array_equal(sampled.values, exact.values)
    assert sampled.std_error is None
    below = pellucid.explain(wavy, X, background=X, method="shapley", budget=2**9 - 1)
    assert below.std_error is not None


def test_least_squares_on_every_pair_is_exact_without_error():
    values = random_game(7, np.random.default_rng(8), "noise")
    found = solve(_least_squares(7, 2**6 - 1, 0), table_game(values))
    np.testing.assert_allclose(found.values, solve(Enumeration(7), table_game(values)).values, atol=1e-12)
    np.testing.assert_allclose(found.std_error, 0.0, atol=1e-12)


@pytest.mark.parametrize("method", SAMPLED)
def test_values_add_up_whatever_the_budget(method):
    X = np.random.default_rng(9).normal(size=(5, 20))
    explanation = pellucid.explain(wavy, X, background=X, method=method, budget=100)
    np.testing.assert_allclose(explanation.prediction[:, 0], wavy(X), atol=1e-13)
    np.testing.assert_allclose(explanation.base_values[:, 0], wavy(X).mean(), atol=1e-13)


@pytest.mark.parametrize("method", SAMPLED)
def test_an_additive_model_is_explained_without_error(method):
    X = np.random.default_rng(10).normal(size=(4, 30))
    slopes = np.arange(30) - 10.0
    explanation = pellucid.explain(lambda X: X @ slopes, X, background=X, method=method, budget=150)
    np.testing.assert_allclose(explanation.values[:, :, 0], (X - X.mean(axis=0)) * slopes, atol=1e-10)
    np.testing.assert_allclose(explanation.std_error, 0.0, atol=1e-10)


# --- stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", SAMPLED)
def test_tol_stops_early_and_keeps_its_word(method):
    X = np.random.default_rng(11).normal(size=(6, 14))
    loose = pellucid.explain(wavy, X, background=X, method=method, budget=8000, tol=0.05)
    full = pellucid.explain(wavy, X, background=X, method=method, budget=8000)
    assert 1.96 * loose.std_error.max() <= 0.05
    assert loose.quality.evaluations.model_rows < full.quality.evaluations.model_rows / 2
    assert loose.quality.warnings == ()


@pytest.mark.parametrize("method", SAMPLED)
def test_tol_out_of_reach_spends_the_budget_and_says_so(method):
    X = np.random.default_rng(12).normal(size=(2, 14))
    tight = pellucid.explain(wavy, X, background=X, method=method, budget=300, tol=1e-9)
    full = pellucid.explain(wavy, X, background=X, method=method, budget=300)
    np.testing.assert_array_equal(tight.values, full.values)
    assert "was not reached for 2 of 2 rows" in tight.quality.warnings[0]


@pytest.mark.parametrize("method", SAMPLED)
def test_stopping_is_each_row_s_own(method):
    X = np.random.default_rng(13).normal(size=(6, 14)) * np.array([[0.1], [1.0], [0.2], [3.0], [0.5], [1.0]])
    explainer = pellucid.Explainer(wavy, X, method=method, budget=4000, tol=0.03)
    together = explainer(X)
    for row in range(6):
        np.testing.assert_array_equal(explainer(X[[row]]).values[0], together.values[row])


# --- what is refused --------------------------------------------------------------------------------------------


def test_too_small_a_budget_names_the_smallest_that_works():
    X = np.random.default_rng(14).normal(size=(2, 20))
    for method, smallest in (("shapley", smallest_budget(20)), ("permutation", coalitions_of(20, 2))):
        with pytest.raises(UnsupportedRequestError, match=f"budget={smallest} or more"):
            pellucid.explain(wavy, X, background=X, method=method, budget=smallest - 1)
        explanation = pellucid.explain(wavy, X, background=X, method=method, budget=smallest)
        assert np.isfinite(explanation.std_error).all()


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("method", ["shapley", "permutation"])
def test_the_smallest_budget_works_for_few_features(n, method):
    X = np.random.default_rng(n).normal(size=(3, n))
    smallest = smallest_budget(n) if method == "shapley" else coalitions_of(n, 2)
    explanation = pellucid.explain(wavy, X, background=X, method=method, budget=smallest)
    np.testing.assert_allclose(explanation.prediction[:, 0], wavy(X), atol=1e-13)


def test_too_many_features_for_enumeration_name_the_budget_and_the_way_out():
    X = np.random.default_rng(15).normal(size=(2, 18))
    with pytest.raises(UnsupportedRequestError, match=r"Pass budget=262144 .* method='shapley'"):
        pellucid.explain(wavy, X, background=X, method="exact")
    with pytest.raises(UnsupportedRequestError, match=r"2\^30"):
        pellucid.explain(wavy, np.ones((1, 30)), background=np.zeros((1, 30)), method="exact", budget=2**40)


@pytest.mark.parametrize("method", ["exact", "shapley", "permutation", "lime"])
def test_no_background_is_refused(method):
    model = Model(label="f", outputs=("y",), raw=lambda t: wavy(t.as_array()), features=("a", "b"))
    with pytest.raises(UnsupportedRequestError, match="pass background="):
        pellucid.explain(model, np.ones((1, 2)), method=method)


# --- bad functions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Exact(), *SAMPLED, Lime()])
def test_a_function_that_spoils_its_input_spoils_nothing(method):
    X = np.random.default_rng(16).normal(size=(6, 4))
    kept = X.copy()

    def spoil(table):
        values = wavy(table.as_array())
        table.native[:] = 1e9
        return values

    def explain(function):
        model = Model(label="f", outputs=("y",), raw=function)
        question = Question(model=model, background=Table.of(X), space=Space.RAW)
        return method.bind(question).explain(Table.of(X))

    spoiled = explain(spoil)
    np.testing.assert_array_equal(X, kept)
    np.testing.assert_array_equal(spoiled.values, explain(lambda table: wavy(table.as_array())).values)


@pytest.mark.parametrize("frame", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_the_user_s_own_rows_are_never_the_function_s_to_spoil(frame):
    X = frame(np.random.default_rng(28).normal(size=(4, 3)))
    kept = np.array(X)

    def spoil(X):
        total = np.array(X).sum(axis=1)
        if isinstance(X, pl.DataFrame):
            X[0, 0] = 1e9
        else:
            X[:] = 1e9
        return total

    pellucid.explain(spoil, X, background=X, method="exact")
    np.testing.assert_array_equal(np.array(X), kept)


@pytest.mark.parametrize("method", ["exact", "shapley", "permutation"])
def test_a_function_that_is_not_deterministic_is_found_out(method):
    rng = np.random.default_rng(17)
    X = rng.normal(size=(6, 4))
    with pytest.raises(AdditivityError, match="not deterministic"):
        pellucid.explain(lambda X: wavy(X) + rng.normal(size=len(X)), X, background=X, method=method)


@pytest.mark.parametrize("method", ["exact", "shapley", "permutation", "lime"])
def test_a_function_that_turns_bad_later_is_named(method):
    X = np.random.default_rng(18).normal(size=(6, 4))
    calls = []

    def fail_later(X):
        calls.append(len(X))
        return wavy(X) if len(calls) < 3 else np.full(len(X), np.nan)

    def explain_twice():
        for _ in range(2):
            pellucid.explain(fail_later, X, background=X, method=method)

    with pytest.raises(ModelError, match="NaN, infinity"):
        explain_twice()


def test_the_user_s_own_exception_comes_through_with_its_message():
    def broken(X):
        if len(X) > 2:
            raise RuntimeError("the database is gone")
        return wavy(X)

    X = np.random.default_rng(19).normal(size=(2, 4))
    with pytest.raises((ModelError, RuntimeError), match="the database is gone"):
        pellucid.explain(broken, X, background=X, method="exact")


# --- one answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Exact(), *SAMPLED])
def test_threads_batches_and_order_change_no_bit(method):
    X = np.random.default_rng(20).normal(size=(7, 11))
    explain = {
        n_jobs: pellucid.Explainer(wavy, X, method=method, budget=2**11 if method == Exact() else 300, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    }
    base = explain[None](X)
    np.testing.assert_array_equal(explain[2](X).values, base.values)
    np.testing.assert_array_equal(explain[None](X[::-1]).values[::-1], base.values)
    for row in (0, 6):
        alone = explain[2](X[[row]])
        np.testing.assert_array_equal(alone.values[0], base.values[row])
        if base.std_error is not None:
            np.testing.assert_array_equal(alone.std_error[0], base.std_error[row])


@pytest.mark.parametrize("method", SAMPLED)
def test_seeds_differ_and_repeat(method):
    X = np.random.default_rng(21).normal(size=(2, 14))
    one, again, other = (
        pellucid.explain(wavy, X, background=X, method=method, budget=200, random_state=seed).values
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0


def test_several_outputs_are_each_explained_as_if_alone():
    X = np.random.default_rng(22).normal(size=(3, 12))
    functions = [wavy, lambda X: -3.0 * wavy(X) ** 2]

    def explain(function, estimator):
        return pellucid.explain(function, X, background=X, method=Shapley(estimator), budget=300)

    for estimator in ("least_squares", "odd_gp"):
        both = explain(lambda X: np.stack([function(X) for function in functions], axis=1), estimator)
        for k, function in enumerate(functions):
            one = explain(function, estimator)
            # The process is fitted to all outputs at once, so it agrees within its errors only.
            allowed = 1e-13 if estimator == "least_squares" else 4 * (one.std_error[:, :, 0] + both.std_error[:, :, k])
            assert np.all(np.abs(both.values[:, :, k] - one.values[:, :, 0]) <= allowed)


def test_mixed_frames_with_missing_values_are_explained():
    rng = np.random.default_rng(23)
    frame = pd.DataFrame(
        {
            "town": pd.Categorical(rng.choice(["a", "b", "c"], 40)),
            "size": np.where(rng.random(40) < 0.3, np.nan, rng.normal(size=40)),
            "rooms": pd.array(rng.integers(1, 5, 40), dtype="Int64"),
            "name": rng.choice(["x", "y"], 40),
        }
    )

    def price(frame):
        return frame["size"].fillna(3.0) * frame["rooms"].astype(float) + 10.0 * (frame["town"] == "a")

    explanation = pellucid.explain(price, frame.head(5), background=frame, method="exact")
    np.testing.assert_array_equal(explanation.values[:, 3], 0.0)
    np.testing.assert_allclose(explanation.prediction[:, 0], price(frame.head(5)), atol=1e-12)


def test_wide_rows_are_explained_by_permutations():
    X = np.random.default_rng(24).normal(size=(2, 2000))
    explanation = pellucid.explain(
        lambda X: X[:, 0] * X[:, 1999] + X[:, 7], X[:1], background=X[1:], method="permutation", budget=9000
    )
    np.testing.assert_allclose(explanation.values[0, 7, 0], X[0, 7] - X[1, 7], atol=1e-12)
    assert np.count_nonzero(explanation.values) == 3


def test_rounding_of_float32_models_is_allowed_and_of_float64_models_is_not():
    X = np.random.default_rng(25).normal(size=(4, 5))
    single = pellucid.explain(lambda X: wavy(X).astype(np.float32), X, background=X, method="exact")
    double = pellucid.explain(wavy, X, background=X, method="exact")
    assert 1e-7 < single.quality.bound < 1e-4
    assert double.quality.bound < 1e-12


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("method", ["shapley", "lime"])
def test_progress_is_told_to_its_end(method, n_jobs):
    X = np.random.default_rng(27).normal(size=(30, 12))
    told = []
    pellucid.explain(
        wavy,
        X,
        background=X,
        method=method,
        n_jobs=n_jobs,
        progress=lambda task, done, total: told.append((done, total)),
    )
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))


def test_games_of_the_house_accept_a_model_directly():
    model = Model(label="f", outputs=("y",), raw=lambda t: wavy(t.as_array()))
    X = np.random.default_rng(26).normal(size=(2, 3))
    assert pellucid.explain(model, X, background=Table.of(X), method=Exact()).outputs == ("y",)
