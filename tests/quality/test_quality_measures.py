"""Stability, faithfulness and agreement on subjects whose answer is known."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.datasets import load_wine
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor

import pellucid
from pellucid import Exact, InputError, Lime, Shapley, quality
from pellucid.quality.measures import measured, rank_correlation, ranks, sign_agreement, top_overlap


def additive(X):
    return X[:, 0] * 4 - X[:, 1] * 2 + X[:, 2]


@dataclass(frozen=True)
class Distorted:
    """An explainer whose values pass through a function."""

    inner: object
    change: object

    model = property(lambda self: self.inner.model)
    background = property(lambda self: self.inner.background)
    space = property(lambda self: self.inner.space)

    def __call__(self, X, y=None):
        found = self.inner(X, y)
        return replace(found, values=self.change(found.values))

    def with_background(self, background):
        return replace(self, inner=self.inner.with_background(background))


# --- comparisons ------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=9))
def test_rank_correlation_is_spearman_s(pairs):
    a, b = np.array(pairs, dtype=float).T
    np.testing.assert_array_equal(ranks(a) + 1, rankdata(a))
    np.testing.assert_array_equal(ranks(np.stack([a, b])) + 1, rankdata([a, b], axis=1))
    found = rank_correlation(a[None, :, None], b[None, :, None])[0]
    if np.ptp(a) > 0 and np.ptp(b) > 0:
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert found == float(np.ptp(a) == np.ptp(b) == 0)


def test_signs_count_by_size_and_tops_as_sets():
    a = np.array([[[3.0], [-1.0], [0.0]]])
    b = np.array([[[1.0], [5.0], [2.0]]])
    assert sign_agreement(a, b)[0] == 0.75
    assert sign_agreement(np.zeros_like(a), b)[0] == 1.0
    assert top_overlap(a, b, 2)[0] == 0.5
    assert top_overlap(a, b, 9)[0] == 1.0


def test_intervals_of_a_mean_over_rows_cover_it():
    rng = np.random.default_rng(0)
    covered = [(m := measured(rng.exponential(size=60), seed)).low <= 1.0 <= m.high for seed in range(200)]
    assert 0.87 <= np.mean(covered) <= 0.99


# --- stability --------------------------------------------------------------------------------------------------


def test_an_additive_model_far_from_its_background_is_stable():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 3)) * 0.01 + np.array([5.0, 3.0, 1.0])
    explainer = pellucid.Explainer(lambda X: additive(X) ** 2, np.zeros((20, 3)), method="exact")
    found = quality.stability(explainer, X, noise=0.1)
    assert found.background_rank.value == found.background_sign.value == 1.0
    assert found.input_rank.low > 0.7
    assert "when the background is resampled, of 1.00 [1.00, 1.00]." in found.sentence


def test_an_explanation_that_jumps_is_unstable():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(30, 6))

    def jumpy(X):
        return np.sin(1e4 * X).sum(axis=1)

    background = rng.normal(size=(50, 6))
    explainer = pellucid.Explainer(jumpy, background, method="exact")
    calm = pellucid.Explainer(lambda X: X @ np.arange(6.0), background, method="exact")
    assert quality.stability(explainer, X).input_rank.high < 0.5
    assert quality.stability(calm, X).input_rank.low > 0.9


def test_a_background_that_decides_everything_is_unstable():
    rng = np.random.default_rng(3)
    background = rng.normal(size=(3, 6)) * 100
    explainer = pellucid.Explainer(lambda X: X.sum(axis=1), background, method="exact")
    found = quality.stability(explainer, rng.normal(size=(10, 6)))
    assert found.background_rank.value < 0.9
    assert found.input_rank.value > found.background_rank.value


def test_methods_without_a_background_are_only_moved():
    X = np.random.default_rng(4).normal(size=(60, 3))
    model = DecisionTreeRegressor(max_depth=3).fit(X, additive(X))
    found = quality.stability(pellucid.Explainer(model), X[:10])
    assert found.background_rank is None
    assert found.sentence.endswith("over 10 rows.")


def test_moved_rows_keep_their_dtypes_categories_and_gaps():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "town": pd.Categorical(rng.choice(["a", "b"], 40)),
            "rooms": pd.array(np.where(rng.random(40) < 0.2, None, rng.integers(1, 6, 40)), dtype="Int64"),
            "size": np.where(rng.random(40) < 0.2, np.nan, rng.normal(size=40)),
        }
    )
    seen = []

    def model(given):
        seen.append(given)
        return given["size"].fillna(0.0) + given["rooms"].fillna(0).astype(float)

    explainer = pellucid.Explainer(model, frame, method="exact")
    seen.clear()

    def watch(values):
        return values

    found = quality.stability(Distorted(explainer, watch), frame.head(8), n_repeats=3)
    assert found.input_rank.n == 8
    for native in seen:
        assert native.dtypes.to_dict() == frame.dtypes.to_dict()


@pytest.mark.parametrize("options", [{"n_repeats": 0}, {"noise": 0.0}, {"noise": 1.5}])
def test_impossible_stability_is_refused(options):
    explainer = pellucid.Explainer(additive, np.zeros((2, 3)), method="exact")
    with pytest.raises(InputError, match=next(iter(options))):
        quality.stability(explainer, np.ones((4, 3)), **options)


# --- faithfulness -----------------------------------------------------------------------------------------------


def test_the_order_of_an_additive_model_is_faithful_and_its_reverse_is_not():
    X = np.random.default_rng(6).normal(size=(40, 6))

    def model(X):
        return X @ np.array([5.0, 3.0, 1.0, 0.5, 0.0, 0.0])

    explainer = pellucid.Explainer(model, X, method="exact")
    right = quality.faithfulness(explainer, X)
    wrong = quality.faithfulness(Distorted(explainer, np.negative), X)
    assert right.difference.low > 0
    assert "more than hiding at random" in right.sentence
    assert wrong.difference.high < 0
    assert "less than hiding at random" in wrong.sentence
    np.testing.assert_allclose(right.ordered_curve[-1], wrong.ordered_curve[-1], atol=1e-12)


def test_an_order_drawn_by_lot_cannot_be_told_from_chance():
    X = np.random.default_rng(7).normal(size=(60, 6))
    rng = np.random.default_rng(8)
    explainer = pellucid.Explainer(lambda X: X.sum(axis=1), X, method="exact")
    found = quality.faithfulness(Distorted(explainer, lambda v: rng.permuted(v, axis=1)), X)
    assert found.difference.low <= 0 <= found.difference.high
    assert "cannot be told" in found.sentence


def test_the_area_is_the_mean_fall_of_the_output():
    explainer = pellucid.Explainer(additive, np.zeros((1, 3)), method="exact")
    X = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]])
    found = quality.faithfulness(explainer, X, n_random=1)
    # Row 0 has values (4, -2, 1): falls 4, 5, 3. Row 1 has (4, 2) and a null player: falls of its two
    # players at thirds are 4, 6, 6.
    np.testing.assert_allclose(found.ordered_curve, [(4 + 4) / 2, (5 + 6) / 2, (3 + 6) / 2])
    assert found.ordered.value == pytest.approx((4 + 16 / 3) / 2)
    np.testing.assert_allclose(found.share_hidden, [1 / 3, 2 / 3, 1.0])


def test_faithfulness_works_with_lime_classes_and_chosen_outputs():
    X, y = load_wine(return_X_y=True, as_frame=True)
    model = GaussianNB().fit(X, y)
    explainer = pellucid.Explainer(model, X, method=Lime(n_samples=1024), space="probability", output=1)
    assert quality.faithfulness(explainer, X.head(6), n_random=3).difference.low > 0


def test_faithfulness_needs_something_to_hide_behind():
    X = np.random.default_rng(9).normal(size=(50, 3))
    explainer = pellucid.Explainer(DecisionTreeRegressor(max_depth=3).fit(X, additive(X)))
    with pytest.raises(InputError, match="pass background="):
        quality.faithfulness(explainer, X)
    assert quality.faithfulness(explainer, X, background=X).difference.low > 0
    with pytest.raises(InputError, match="n_random"):
        quality.faithfulness(explainer, X, background=X, n_random=0)


# --- agreement --------------------------------------------------------------------------------------------------


def explanations(function, X, one, two, **options):
    return [pellucid.explain(function, X, background=X, method=method, **options) for method in (one, two)]


def test_the_same_explanation_agrees_with_itself():
    X = np.random.default_rng(10).normal(size=(20, 3))
    found = quality.agreement(*explanations(additive, X, Exact(), Exact()))
    assert found.rank_correlation.value == found.sign_agreement.value == found.top_overlap.value == 1.0
    assert found.causes == ()
    assert "Shapley values (exact) and Shapley values (exact) agree on 20 rows" in found.sentence


def test_features_are_matched_by_name_and_rows_by_content():
    frame = pd.DataFrame(np.random.default_rng(11).normal(size=(9, 3)), columns=["a", "b", "c"])

    def by_name(frame):
        return frame["a"] * 3 - frame["b"]

    one = pellucid.explain(by_name, frame, background=frame, method="exact")
    two = pellucid.explain(by_name, frame[["c", "b", "a"]], background=frame[["c", "b", "a"]], method="exact")
    assert quality.agreement(one, two).rank_correlation.value == 1.0
    with pytest.raises(InputError, match="the rows of these two differ"):
        quality.agreement(one, pellucid.explain(by_name, frame[::-1], background=frame, method="exact"))
    with pytest.raises(InputError, match="same rows; got 9 and 8"):
        quality.agreement(one, one.take(rows=range(8)))
    with pytest.raises(InputError, match="only one explanation has 'c'"):
        quality.agreement(one, one.take(features=["a", "b"]))
    with pytest.raises(InputError, match="common output"):
        quality.agreement(one, replace(one, outputs=("other",)))
    with pytest.raises(InputError, match="at least 2 rows"):
        quality.agreement(one.take(rows=[0]), one.take(rows=[0]))
    with pytest.raises(InputError, match="top_k"):
        quality.agreement(one, two, top_k=0)


def test_a_crooked_model_is_named_as_the_cause():
    X = np.random.default_rng(12).normal(size=(20, 5))
    exact, lime = explanations(lambda X: np.sin(9 * X).sum(axis=1) + X.prod(axis=1), X, "exact", "lime")
    found = quality.agreement(exact, lime)
    assert found.rank_correlation.value < 0.8
    assert any("not linear around these rows" in cause for cause in found.causes)


def test_other_backgrounds_and_units_are_named_as_causes():
    rng = np.random.default_rng(13)
    X = rng.normal(size=(20, 5))
    one = pellucid.explain(lambda X: X.sum(axis=1), X, background=X, method="exact")
    two = pellucid.explain(lambda X: X.sum(axis=1), X, background=X + rng.normal(size=5) * 5, method="exact")
    assert any("hide features differently" in cause for cause in quality.agreement(one, two).causes)
    other_units = replace(two, space=pellucid.Space.LOG_ODDS)
    assert any("different units: raw and log_odds" in cause for cause in quality.agreement(one, other_units).causes)


def test_sampling_error_is_named_as_the_cause():
    X = np.random.default_rng(14).normal(size=(12, 14)) / 10

    def even(X):
        return np.sign(X[:, :7].sum(axis=1) * X[:, 7:].sum(axis=1))

    one, two = (
        pellucid.explain(even, X, background=X, method=Shapley(), budget=60, random_state=seed) for seed in (1, 2)
    )
    found = quality.agreement(one, two)
    assert found.rank_correlation.value < 0.8
    assert any("Sampling error alone" in cause for cause in found.causes)


def test_features_that_go_together_are_named():
    rng = np.random.default_rng(15)
    x = rng.normal(size=40)
    X = pd.DataFrame({"left": x, "right": x + 0.05 * rng.normal(size=40), "other": 0.01 * rng.normal(size=40)})
    one = pellucid.explain(lambda X: 3 * X["left"], X, background=X, method="exact")
    two = pellucid.explain(lambda X: 3 * X["right"], X, background=X, method="exact")
    found = quality.agreement(one, two)
    assert found.rank_correlation.value < 0.8
    assert any("‘left’ and ‘right’ have rank correlation" in cause for cause in found.causes)
