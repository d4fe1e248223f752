import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from pellucid._base.statistics import wilson
from pellucid.fairness import intervals
from pellucid.fairness.calibration_error import PARTING, CalibrationError, _debiased, _nearest
from pellucid.fairness.metrics import Outcomes

Z = 1.959963984540054


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_published_intervals(hits, n, low, high):
    assert wilson(hits / n, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10.
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_newcombe_agrees_with_published_intervals(first, second, low, high):
    parts = [(h / n, *wilson(h / n, n)) for h, n in (first, second)]
    found = intervals.difference_of(*parts)
    assert found == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_wilson_bounds_solve_the_score_equation(n, data):
    hits = data.draw(st.integers(0, n))
    p = hits / n
    low, high = wilson(p, n)
    assert 0 <= low <= p <= high <= 1
    for bound in (low, high):
        assert (p - bound) ** 2 == pytest.approx(Z**2 * bound * (1 - bound) / n, abs=1e-12)


def test_log_ratio_is_the_one_of_the_mortgage_data():
    low, high = intervals.log_ratio((243 / 339, 339), (1852 / 2041, 2041))
    half = Z * math.sqrt(1 / 243 - 1 / 339 + 1 / 1852 - 1 / 2041)
    ratio = float(Fraction(243, 339) / Fraction(1852, 2041))
    assert low == pytest.approx(ratio * math.exp(-half), rel=1e-12)
    assert high == pytest.approx(ratio * math.exp(half), rel=1e-12)
    assert (round(ratio, 3), round(low, 3), round(high, 3)) == (0.790, 0.738, 0.846)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_auc_counts_pairs(positive, negative):
    pairs = [(p > n) + Fraction(int(p == n), 2) for p in positive for n in negative]
    found = intervals.auc(np.array(positive, dtype=float), np.array(negative, dtype=float))
    assert found == pytest.approx(float(sum(pairs, Fraction(0)) / len(pairs)), abs=1e-15)


def test_delong_variance_equals_the_pairwise_definition():
    rng = np.random.default_rng(3)
    positive, negative = rng.integers(0, 8, 23).astype(float) + 1, rng.integers(0, 8, 31).astype(float)
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(axis=1).var(ddof=1) / 23 + wins.mean(axis=0).var(ddof=1) / 31
    low, high = intervals.auc_interval(positive, negative)
    assert (high - low) / 2 == pytest.approx(Z * math.sqrt(variance), rel=1e-12)
    assert (high + low) / 2 == pytest.approx(wins.mean(), rel=1e-12)


def test_auc_interval_stays_open_where_all_pairs_agree():
    low, high = intervals.auc_interval(np.array([3.0, 4, 5]), np.array([0.0, 1, 2]))
    assert high == 1.0
    assert 0.5 <= low < 0.9
    assert intervals.auc_interval(np.array([0.0, 1, 2]), np.array([3.0, 4, 5])) == pytest.approx((0.0, 1 - low))
    larger, _ = intervals.auc_interval(np.arange(100.0) + 100, np.arange(100.0))
    assert larger > 0.97


def test_bootstrap_means_repeat_and_centre():
    values = np.random.default_rng(0).normal(size=(200, 2))
    first = intervals.bootstrap_means(values, random_state=1, purpose="a")
    np.testing.assert_array_equal(first, intervals.bootstrap_means(values, random_state=1, purpose="a"))
    assert not np.array_equal(first, intervals.bootstrap_means(values, random_state=2, purpose="a"))
    assert first.std(axis=0) == pytest.approx(values.std(axis=0) / math.sqrt(200), rel=0.1)
    assert first.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.02)


def coverage(covers, repeats=2000):
    rng = np.random.default_rng(20)
    return np.mean([covers(rng) for _ in range(repeats)])


def test_coverage_of_the_intervals_for_proportions():
    p, q, n, m = 0.9, 0.75, 60, 45

    def one(rng):
        a, b = rng.binomial(n, p) / n, rng.binomial(m, q) / m
        low, high = wilson(a, n)
        d_low, d_high = intervals.difference_of((a, low, high), (b, *wilson(b, m)))
        r_low, r_high = intervals.log_ratio((b, m), (a, n))
        return low <= p <= high, d_low <= p - q <= d_high, r_low <= q / p <= r_high

    of_share, newcombe, ratio = coverage(one_column(one, 0)), coverage(one_column(one, 1)), coverage(one_column(one, 2))
    for share in (of_share, newcombe, ratio):
        assert 0.93 < share < 0.975


def one_column(one, position):
    return lambda rng: one(rng)[position]


def test_coverage_of_the_interval_for_areas():
    truth = 0.5 * (1 + math.erf(1 / 2))  # P(N(1, 1) > N(0, 1)) = Φ(1/√2)

    def covers(rng):
        low, high = intervals.auc_interval(rng.normal(1, 1, 30), rng.normal(0, 1, 50))
        return low <= truth <= high

    assert 0.92 < coverage(covers, 1000) < 0.975


def test_bonferroni_level_widens():
    assert wilson(0.3, 50, 0.99)[0] < wilson(0.3, 50, 0.95)[0]
    assert intervals.normal_quantile(0.95) == pytest.approx(Z, abs=1e-12)


def calibration_of(seed, n, lean):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    truth = (rng.random(n) < score * (1 - lean)).astype(float)
    return CalibrationError(score=score, truth=truth, purpose="test", random_state=seed)


def test_the_interval_of_a_calibration_error_lies_around_the_truth_and_reaches_zero_where_there_is_none():
    held, zero = 0, 0
    for seed in range(15):
        low, high = calibration_of(seed, 300, 0.3).interval(0.95)
        held += low <= 0.15 <= high
        right = calibration_of(seed, 300, 0.0)
        low, high = right.interval(0.95)
        zero += low == 0
        assert low <= right.value <= high
    assert held >= 13
    assert zero >= 13


def test_the_ends_are_where_the_sample_begins_to_speak_against_a_candidate():
    found = calibration_of(3, 400, 0.3)
    low, high = found.interval(0.95)
    sides = [found.speaks_against(value, 0.95) for value in (low - 0.002, low + 0.002, high - 0.002, high + 0.002)]
    assert sides == [1, 0, 0, -1]


def test_bins_are_moved_to_a_total_without_a_change_of_sign():
    bins = calibration_of(4, 500, 0.2).bins
    for total in (0.0, 0.03, np.abs(bins.distances).sum(), 0.2):
        moved = bins.moved(total).distances
        assert np.abs(moved).sum() == pytest.approx(total, abs=1e-12)
        assert (moved * bins.distances >= 0).all()
    np.testing.assert_allclose(bins.moved(np.abs(bins.distances).sum()).distances, bins.distances, atol=1e-12)


def test_the_nearest_bins_are_those_a_solver_finds():
    rng = np.random.default_rng(0)
    size, variance = rng.uniform(0, 1, 6), rng.uniform(0.1, 1, 6)
    for total in (0.5, 1.5, 5.0):
        found = minimize(
            lambda x: ((x - size) ** 2 / variance).sum(), size, bounds=[(0, None)] * 6, tol=1e-14,
            constraints={"type": "eq", "fun": lambda x, total=total: x.sum() - total},
        ).x  # fmt: skip
        np.testing.assert_allclose(_nearest(size, variance, total), found, atol=1e-5)


def test_the_debiased_sum_is_the_mean_over_ways_to_part_the_noise():
    """The sign from d + √g σz, the distance from d − σz/√g: by simulation."""
    distances, variances = np.array([[0.3, -0.1, 0.0]]), np.array([[0.04, 0.09, 0.01]])
    z = np.random.default_rng(0).normal(size=(400_000, 3)) * np.sqrt(variances)
    parted = np.sign(distances + np.sqrt(PARTING) * z) * (distances - z / np.sqrt(PARTING))
    assert _debiased(distances, variances)[0] == pytest.approx(parted.sum(axis=1).mean(), abs=4e-3)


def test_equal_weights_change_no_interval_of_a_calibration_error():
    plain = calibration_of(5, 200, 0.2)
    equal = CalibrationError(
        score=plain.score, truth=plain.truth, weights=np.full(200, 2.5), purpose="test", random_state=5
    )
    assert equal.value == pytest.approx(plain.value, abs=1e-12)
    assert equal.interval(0.95) == pytest.approx(plain.interval(0.95), abs=1e-3)


def test_a_difference_is_made_around_the_middle_and_not_around_the_excess_of_the_sample():
    right = next(found for seed in range(9) if (found := calibration_of(seed, 150, 0.0)).interval(0.95)[0] == 0)
    middle, low, high = right.around(0.95)
    assert middle < right.value
    assert middle - low == pytest.approx(high - middle)
    off = calibration_of(0, 2000, 0.3)
    middle, low, high = off.around(0.95)
    assert (low, high) == off.interval(0.95)
    assert low < middle < high


@pytest.mark.parametrize(("share", "weights", "defined"), [
    (0.101, None, True), (0.099, None, False), (0.899, None, True), (0.902, None, False),
    (0.101, np.full(100, 3.0), True), (0.101, np.repeat([1.0, 9.0], 50), False),
])  # fmt: skip
def test_a_calibration_error_needs_ten_expected_outcomes_of_each_kind(share, weights, defined):
    outcomes = Outcomes(
        truth=np.arange(100) % 2 == 0,
        predicted=np.ones(100, dtype=bool),
        correct=np.ones(100, dtype=bool),
        score=np.full(100, share),
        weights=weights,
    )
    found = outcomes.calibration_error()
    assert isinstance(found, CalibrationError) == defined
    if not defined:
        assert found == "undefined, because the score expects fewer than 10 outcomes of one kind"
