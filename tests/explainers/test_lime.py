"""LIME against a slow least squares, a plain Monte-Carlo version of itself, and its own promises."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import pellucid
from pellucid import InputError, Lime, Model, Space, Table, UnsupportedRequestError
from pellucid.explainers.base import Question
from pellucid.explainers.neighbourhood import MISSING, Neighbourhood
from pellucid.explainers.products import solve, times
from pellucid.explainers.surrogate import RIDGE, covariances, fit_exchangeable, fit_independent


def bumpy(X):
    """Without sums over columns by BLAS, so a row's output does not depend on its batch."""
    total = np.zeros(len(X))
    for j in range(X.shape[1]):
        total = total + (1.0 - 0.3 * j) * X[:, j] + 0.2 * X[:, j] * X[:, (j + 1) % X.shape[1]]
    return total


def in_bins(values, background, n_bins=4):
    edges = np.unique(np.percentile(background, np.linspace(0, 100, n_bins + 1)[1:-1]))
    return (values[:, None] > edges).sum(axis=1)


def ridge_in_longdouble(z, y, weight):
    """Gaussian elimination on the normal equations in 80-bit floats; the intercept is not penalised."""
    z = np.column_stack([np.ones(len(z)), z]).astype(np.longdouble)
    left = (z * weight[:, None]).T @ z
    left[np.arange(1, len(left)), np.arange(1, len(left))] += np.longdouble(RIDGE)
    right = (z * weight[:, None]).T @ y.astype(np.longdouble)
    for pivot in range(len(left)):
        for row in range(len(left)):
            if row != pivot:
                factor = left[row, pivot] / left[pivot, pivot]
                left[row] -= factor * left[pivot]
                right[row] -= factor * right[pivot]
    return right / np.diag(left)


@pytest.mark.parametrize("d", [6, 150])
def test_the_solver_is_weighted_ridge_with_a_free_intercept(d):
    rng = np.random.default_rng(0)
    same, y = rng.random((300, d)) < 0.3, rng.normal(size=(300, 1)) + 7.0
    weight = rng.random(300)
    cross = covariances(same.T, weight)
    found = fit_exchangeable(same.T, cross, y, weight, top_k=3, draws=rng.normal(size=(10, d)))
    expected = ridge_in_longdouble(same.astype(float), y[:, 0], weight).astype(float)
    np.testing.assert_allclose(found.intercept[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(found.coefficients[:, 0], expected[1:], atol=1e-12)


def test_independent_features_get_the_ridge_over_their_joint_distribution():
    """Where every combination has its product of chances, the covariances are 0 and both fits are the same."""
    rng = np.random.default_rng(20)
    chance = np.array([0.2, 0.5, 0.7])
    same = (np.arange(8)[:, None] >> np.arange(3)) & 1 == 1
    weight = 400.0 * np.where(same, chance, 1 - chance).prod(axis=1)
    y, draws = rng.normal(size=(8, 2)), rng.normal(size=(10, 3))
    found = fit_independent(same.T, y, weight, top_k=2, draws=draws)
    expected = fit_exchangeable(same.T, covariances(same.T, weight), y, weight, top_k=2, draws=draws)
    np.testing.assert_allclose(found.coefficients, expected.coefficients, atol=1e-12)
    np.testing.assert_allclose(found.intercept, expected.intercept, atol=1e-12)
    np.testing.assert_allclose(found.r2, expected.r2, atol=1e-12)


@pytest.mark.parametrize("method", [Lime(), pellucid.MaskedLime()])
def test_the_number_of_blas_threads_changes_no_bit(method):
    from threadpoolctl import threadpool_limits

    X = np.random.default_rng(21).normal(size=(60, 150))
    answers = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            answers.append(pellucid.explain(bumpy, X[:2], background=X, method=method, budget=1000))
    np.testing.assert_array_equal(answers[0].values, answers[1].values)
    np.testing.assert_array_equal(answers[0].std_error, answers[1].std_error)
    np.testing.assert_array_equal(answers[0].quality.local_r2, answers[1].quality.local_r2)


def test_the_number_of_blas_threads_changes_no_bit_of_products_and_solutions():
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(23)
    a, b = rng.normal(size=(300, 5000)), rng.normal(size=(5000, 1))
    matrix, answers = a @ a.T, []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            answers.append((times(a, b), times(a, a.T), solve(matrix, a[:, :5])))
    for one, two in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, two)


def test_products_and_solutions_in_pieces():
    rng = np.random.default_rng(22)
    for m, k, n in ((3, 5000, 2), (300, 301, 299), (1, 700, 900), (70, 40, 1), (0, 3, 2), (3, 0, 2)):
        a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))
        np.testing.assert_allclose(times(a, b), a @ b, atol=1e-10)
        np.testing.assert_allclose(times(a > 0, b), (a > 0) @ b, atol=1e-10)
    root = rng.normal(size=(400, 400))
    matrix, right = root @ root.T + 50 * np.eye(400), rng.normal(size=(400, 3))
    np.testing.assert_allclose(solve(matrix, right), np.linalg.solve(matrix, right), atol=1e-12)


def test_r2_is_the_weighted_share_of_explained_variance():
    rng = np.random.default_rng(1)
    same, weight = rng.random((200, 4)) < 0.4, rng.random(200)
    y = same @ np.array([1.0, -2.0, 0.5, 0.0]) + rng.normal(size=200)
    cross = covariances(same.T, weight)
    found = fit_exchangeable(same.T, cross, y[:, None], weight, top_k=2, draws=rng.normal(size=(10, 4)))
    fitted = found.intercept[0] + same @ found.coefficients[:, 0]
    mean = np.average(y, weights=weight)
    expected = 1 - np.average((y - fitted) ** 2, weights=weight) / np.average((y - mean) ** 2, weights=weight)
    assert found.r2[0] == pytest.approx(expected, abs=1e-12)


def test_the_sandwich_is_the_spread_over_independent_samples():
    rng = np.random.default_rng(18)
    fits = []
    for _ in range(300):
        same = rng.random((500, 4)) < np.array([0.2, 0.3, 0.4, 0.5])
        y = 2.0 * (same[:, 0] - 0.3) * (same[:, 1] - 0.4) + (1 + same[:, 2]) * rng.normal(size=500)
        weight = np.exp(-(~same).sum(axis=1) / 4.0)
        fits.append(fit_independent(same.T, y[:, None], weight, top_k=2, draws=rng.normal(size=(10, 4))))
    spread = np.std([fit.coefficients for fit in fits], axis=0, ddof=1)
    np.testing.assert_allclose(np.mean([fit.std_error for fit in fits], axis=0), spread, rtol=0.15)


def plain_lime(function, background, row, *, n, rng, width):
    """LIME one row at a time by plain random draws, through scikit-learn's Ridge."""
    d = background.shape[1]
    sample = np.column_stack([rng.choice(background[:, j], n) for j in range(d)])
    same = np.column_stack(
        [in_bins(sample[:, j], background[:, j]) == in_bins(row[[j]], background[:, j]) for j in range(d)]
    )
    weight = np.sqrt(np.exp(-((~same).sum(axis=1)) / width**2))
    return Ridge(alpha=1.0).fit(same, function(sample), sample_weight=weight).coef_


def test_the_estimand_is_that_of_plain_lime():
    rng = np.random.default_rng(2)
    background = rng.normal(size=(150, 5)) ** 3
    X = background[:3]
    explanation = pellucid.explain(bumpy, X, background=background, method=Lime(n_samples=2**14))
    for row in range(3):
        runs = np.array(
            [plain_lime(bumpy, background, X[row], n=4000, rng=rng, width=0.75 * np.sqrt(5)) for _ in range(20)]
        )
        error = np.hypot(runs.std(axis=0, ddof=1) / np.sqrt(20), explanation.std_error[row, :, 0])
        assert np.all(np.abs(explanation.values[row, :, 0] - runs.mean(axis=0)) <= 5 * error)


def test_a_model_that_is_linear_in_the_bins_is_found():
    rng = np.random.default_rng(3)
    background = rng.normal(size=(400, 4))
    X = background[:2]
    own = [in_bins(background[:, j], background[:, j]) for j in range(4)]
    slopes = np.array([2.0, -1.0, 0.5, 0.0])

    def additive(Z):
        return 3.0 + sum(slope * (in_bins(Z[:, j], background[:, j]) == own[j][0]) for j, slope in enumerate(slopes))

    explanation = pellucid.explain(additive, X[:1], background=background, method=Lime(n_samples=2**13))
    # The penalty of 1 beside some 1,000 weighed samples takes about a thousandth off.
    np.testing.assert_allclose(explanation.values[0, :, 0], slopes, rtol=2e-3, atol=2e-3)
    assert explanation.base_values[0, 0] == pytest.approx(3.0, abs=5e-3)
    assert explanation.quality.local_r2[0, 0] == pytest.approx(1.0, abs=1e-4)
    assert explanation.quality.warnings == ()


def test_errors_are_not_too_small():
    rng = np.random.default_rng(4)
    background = rng.normal(size=(100, 6))
    runs = [
        pellucid.explain(bumpy, background[:2], background=background, method=Lime(n_samples=512), random_state=seed)
        for seed in range(40)
    ]
    spread = np.std([run.values for run in runs], axis=0, ddof=1)
    said = np.mean([run.std_error for run in runs], axis=0)
    assert np.all(spread <= 1.25 * said)
    assert np.all(said <= 20 * spread)


def test_one_sample_and_one_pass_serve_every_row():
    X = np.random.default_rng(5).normal(size=(40, 5))
    explainer = pellucid.Explainer(bumpy, X, method="lime")
    assert explainer(X).quality.evaluations == explainer(X[:1]).quality.evaluations
    assert explainer(X).quality.evaluations.model_rows == 8192


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_alone_in_a_batch_and_in_threads_the_bits_are_the_same(n_jobs):
    X = np.random.default_rng(6).normal(size=(30, 9))
    whole = pellucid.explain(bumpy, X, background=X, method="lime")
    explainer = pellucid.Explainer(bumpy, X, method="lime", n_jobs=n_jobs)
    np.testing.assert_array_equal(explainer(X[::-1]).values[::-1], whole.values)
    for row in (0, 17):
        alone = explainer(X[[row]])
        np.testing.assert_array_equal(alone.values[0], whole.values[row])
        np.testing.assert_array_equal(alone.std_error[0], whole.std_error[row])
        np.testing.assert_array_equal(alone.quality.top_stability[0], whole.quality.top_stability[row])


def test_constant_missing_and_unseen_cells():
    rng = np.random.default_rng(7)
    background = pd.DataFrame(
        {
            "constant": np.full(80, 4.0),
            "gappy": np.where(rng.random(80) < 0.4, np.nan, rng.normal(size=80)),
            "town": pd.Categorical(rng.choice(["a", "b"], 80), categories=["a", "b", "z"]),
            "empty": np.full(80, np.nan),
        }
    )
    X = background.head(2).copy()
    X.loc[0, "gappy"] = np.nan
    X.loc[1, "town"] = "z"

    def model(frame):
        return 5.0 * frame["gappy"].isna() + 2.0 * (frame["town"] == "a").astype(float)

    values = pellucid.explain(model, X, background=background, method="lime").values[:, :, 0]
    np.testing.assert_array_equal(values[:, [0, 3]], 0.0)
    assert values[0, 1] == pytest.approx(5.0, rel=0.01)
    assert values[1, 2] == 0.0


def test_the_sample_is_made_of_background_values_in_background_proportions():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "town": pd.Categorical(rng.choice(["a", "b", "c"], 200, p=[0.7, 0.2, 0.1])),
            "rooms": pd.array(rng.integers(1, 6, 200), dtype="Int64"),
            "size": np.where(rng.random(200) < 0.25, np.nan, rng.normal(size=200)),
        }
    )
    near = Neighbourhood.draw(Table.of(frame), n_samples=4096, n_bins=4, random_state=0)
    sample = Table.of(frame).gather(near.index).native
    assert sample.dtypes.to_dict() == frame.dtypes.to_dict()
    for name in ("town", "rooms"):
        ours, theirs = (one[name].value_counts(normalize=True) for one in (sample, frame))
        assert (ours - theirs).abs().max() < 0.005
    assert set(sample["size"].dropna()) <= set(frame["size"].dropna())
    assert (near.bins[2] == MISSING).mean() == pytest.approx(frame["size"].isna().mean(), abs=0.005)
    theirs = np.bincount(in_bins(frame["size"].dropna().to_numpy(), frame["size"].dropna())) / 200
    ours = np.bincount(near.bins[2, near.bins[2] > MISSING] - 1) / 4096
    np.testing.assert_allclose(ours, theirs, atol=0.005)


def test_loss_is_explained_with_every_row_s_own_target():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(60, 3))
    y = bumpy(X) + rng.normal(size=60)
    explanation = pellucid.explain(bumpy, X[:2], background=X, method="lime", space="loss", y=y[:2])
    for row in range(2):
        direct = pellucid.explain(lambda Z, row=row: (bumpy(Z) - y[row]) ** 2, X[[row]], background=X, method="lime")
        np.testing.assert_allclose(explanation.values[row], direct.values[0], atol=1e-12)
    assert explanation.outputs == ("loss",)


def test_top_features_that_cannot_be_confused_are_stable_and_twins_are_not():
    X = np.random.default_rng(10).normal(size=(300, 8))
    clear = pellucid.explain(lambda Z: Z[:, 0] + 2 * Z[:, 1], X[:5], background=X, method=Lime(top_k=2))
    twins = pellucid.explain(lambda Z: Z.sum(axis=1), X[:5], background=X, method=Lime(top_k=2, n_samples=128))
    assert clear.quality.top_stability.min() > 0.9
    assert twins.quality.top_stability.mean() < 0.9
    every = pellucid.explain(bumpy, X[:2], background=X, method=Lime(top_k=8))
    np.testing.assert_array_equal(every.quality.top_stability, 1.0)


def test_a_poor_surrogate_is_said_to_be_one():
    X = np.random.default_rng(11).normal(size=(100, 4))
    explanation = pellucid.explain(lambda Z: np.sign(Z.prod(axis=1)), X[:4], background=X, method="lime")
    assert explanation.quality.local_r2.max() < 0.5
    assert "less than 50% of the local variance of 4 of 4 rows" in explanation.quality.warnings[0]


def test_a_constant_model_has_nothing_to_explain():
    X = np.random.default_rng(12).normal(size=(20, 3))
    explanation = pellucid.explain(lambda Z: np.full(len(Z), 2.5), X, background=X, method="lime")
    np.testing.assert_array_equal(explanation.values, 0.0)
    np.testing.assert_array_equal(explanation.base_values, 2.5)
    np.testing.assert_array_equal(explanation.quality.local_r2, 1.0)


def test_kernel_width_and_budget_are_obeyed():
    X = np.random.default_rng(13).normal(size=(50, 4))
    narrow, usual, wide = (
        pellucid.explain(bumpy, X[:3], background=X, method=Lime(kernel_width=width)).values
        for width in (0.5, 1.5, 50.0)
    )
    np.testing.assert_array_equal(usual, pellucid.explain(bumpy, X[:3], background=X, method="lime").values)
    assert np.abs(narrow - usual).max() > 0.01
    assert np.abs(wide - usual).max() > 0.01
    assert (
        pellucid.explain(bumpy, X[:3], background=X, method="lime", budget=1000).quality.evaluations.model_rows == 1000
    )


@pytest.mark.parametrize("options", [{"kernel_width": 0.0}, {"n_samples": 1}, {"top_k": 0}, {"discretizer": "median"}])
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Lime(**options)


def test_impossible_requests_are_refused():
    X = np.random.default_rng(14).normal(size=(10, 4))
    with pytest.raises(UnsupportedRequestError, match="budget=6 or more"):
        pellucid.explain(bumpy, X, background=X, method="lime", budget=5)
    wide = Model(label="f", outputs=("y",), raw=lambda t: np.zeros(len(t)))
    question = Question(model=wide, background=Table.of(np.zeros((1, 21_202))), space=Space.RAW, budget=30_000)
    with pytest.raises(UnsupportedRequestError, match="at most 21201"):
        Lime().bind(question)


def test_tol_out_of_reach_is_said():
    X = np.random.default_rng(15).normal(size=(30, 4))
    explanation = pellucid.explain(bumpy, X[:2], background=X, method="lime", tol=1e-6)
    assert any("tol=1e-06 was not reached" in warning for warning in explanation.quality.warnings)


def test_repeated_and_hopeless_columns_break_nothing():
    rng = np.random.default_rng(17)
    x = rng.normal(size=60)
    X = np.column_stack([x, x, x > 0, np.full(60, np.nan), np.where(rng.random(60) < 0.02, 1e300, 0.0)])

    def at(scale):
        return pellucid.explain(lambda Z: scale * np.tanh(Z[:, 0]), X[:4], background=X, method=Lime(top_k=2))

    plain = at(1.0)
    for scale in (1e-300, 1e-160, 1e-3, 1e150, 1e300):
        found = at(scale)
        np.testing.assert_allclose(found.values / scale, plain.values, atol=1e-9)
        np.testing.assert_allclose(found.std_error / scale, plain.std_error, rtol=1e-3, atol=1e-9)
        np.testing.assert_allclose(found.quality.local_r2, plain.quality.local_r2, atol=1e-9)
        assert np.isfinite(found.quality.top_stability).all()


def test_infinite_cells_and_dates_have_bins():
    rng = np.random.default_rng(19)
    days = pd.date_range("2020-01-01", periods=80, freq="D")
    background = pd.DataFrame({"day": days, "n": np.where(rng.random(80) < 0.1, np.inf, rng.normal(size=80))})
    X = pd.DataFrame({"day": [days[3], pd.Timestamp("1999-12-31"), pd.NaT], "n": [np.inf, -np.inf, 0.0]})

    def model(frame):
        return 3.0 * (frame["day"] <= days[19]) + 1.0 * np.isposinf(frame["n"])

    values = pellucid.explain(model, X, background=background, method="lime").values[:, :, 0]
    assert values[0, 0] == pytest.approx(3.0, rel=0.05)
    np.testing.assert_array_equal(values[1:, 0], 0.0)
    assert np.isfinite(values).all()


def test_deciles_are_ten_bins():
    X = np.random.default_rng(16).normal(size=(1000, 1))
    near = Neighbourhood.draw(Table.of(X), n_samples=2**12, n_bins=10, random_state=0)
    assert np.unique(near.bins).tolist() == list(range(1, 11))
