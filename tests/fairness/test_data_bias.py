"""Labels that mean different things in different groups, and gaps at equal merit."""

from fractions import Fraction

import numpy as np
import pytest

from pellucid._base.errors import InputError
from pellucid.datasets import load_nhanes
from pellucid.fairness import contradicted_labels, gap_at_equal_merit, joint_proxies, label_noise


def test_the_labels_of_the_health_survey():
    """Of adults told "no diabetes", HbA1c is 6.5 or more in 1.3 % of white and 4.4 to 5.2 % of the other groups."""
    frame = load_nhanes().frame
    known = frame["DoctorToldYouHaveDiabetes"].isin(["0", "1"])
    frame = frame[known]
    (found,) = contradicted_labels(
        frame["DoctorToldYouHaveDiabetes"],
        frame["Glycohemoglobin"] >= 6.5,
        sensitive_features=frame["RacehispanicOriginWNhAsian"],
        label="0",
    )
    shares = {group: round(100 * rate.value, 1) for group, rate in found.rates.items()}
    assert shares.pop("Non-Hispanic White") == 1.3
    assert (min(shares.values()), max(shares.values())) == (4.4, 5.2)
    assert found.difference.evidence == "clear"
    assert found.difference.low > 0
    assert "Non-Hispanic White" in found.sentence


def noisy(seed, share, *, n=4000):
    rng = np.random.default_rng(seed)
    score, group = rng.random(n), rng.choice(["a", "b"], n, p=[0.6, 0.4])
    y = rng.random(n) < score
    return y ^ ((group == "b") & (rng.random(n) < share)), score, group


def test_turned_labels_are_measured():
    found = [label_noise(*noisy(seed, 0.2)[:2], sensitive_features=noisy(seed, 0.2)[2], favorable=True)[0]
             for seed in range(60)]  # fmt: skip
    assert np.mean([each.value for each in found]) == pytest.approx(0.2, abs=0.01)
    assert sum(each.low <= 0.2 <= each.high for each in found) >= 52
    assert all(each.evident for each in found)
    assert "as if labels were turned round" in found[0].sentence


def test_a_group_that_merely_fares_better_has_no_turned_labels():
    rng = np.random.default_rng(1)
    score, group = rng.random(4000), rng.choice(["a", "b"], 4000)
    y = rng.random(4000) < np.clip(score + 0.15 * (group == "b"), 0, 1)
    (found,) = label_noise(y, score, sensitive_features=group, favorable=True)
    assert not found.evident


def test_no_noise_is_seldom_called_evident():
    evident = [label_noise(*noisy(seed, 0.0, n=1000)[:2], sensitive_features=noisy(seed, 0.0, n=1000)[2],
                           favorable=True)[0].evident for seed in range(100)]  # fmt: skip
    assert sum(evident) <= 5


def test_the_gap_at_equal_merit_is_the_weighted_mean_over_the_strata():
    cells = {("a", 1): (60, 48), ("b", 1): (30, 20), ("a", 0): (40, 8), ("b", 0): (70, 10)}
    rows = [(g, merit, i < hits) for (g, merit), (n, hits) in cells.items() for i in range(n)]
    group, merit, chosen = zip(*rows, strict=True)
    (found,) = gap_at_equal_merit(chosen, merit, sensitive_features=group, favorable=True)
    assert (found.group, found.reference) == ("a", "b")
    weights = {m: Fraction(cells["a", m][0] * cells["b", m][0], cells["a", m][0] + cells["b", m][0]) for m in (0, 1)}
    steps = {m: Fraction(*cells["a", m][::-1]) - Fraction(*cells["b", m][::-1]) for m in (0, 1)}
    expected = sum(weights[m] * steps[m] for m in (0, 1)) / sum(weights.values())
    assert found.equal_merit.value == pytest.approx(float(expected), rel=1e-12)
    assert found.plain.value == pytest.approx(float(Fraction(56, 100) - Fraction(30, 100)), rel=1e-12)


def test_the_interval_at_equal_merit_covers():
    rng, covered = np.random.default_rng(3), 0
    for _ in range(1000):
        merit = rng.integers(0, 4, 400)
        group = np.where(rng.random(400) < 0.2 + 0.15 * merit, "a", "b")
        chosen = rng.random(400) < 0.2 + 0.15 * merit + 0.1 * (group == "a")
        (found,) = gap_at_equal_merit(chosen, merit, sensitive_features=group, favorable=True)
        sign = 1 if found.group == "a" else -1
        covered += found.equal_merit.low <= 0.1 * sign <= found.equal_merit.high
    assert 930 <= covered <= 970


def test_merit_that_separates_the_groups_is_undefined():
    (found,) = gap_at_equal_merit([1, 0] * 20, ["x"] * 20 + ["y"] * 20, sensitive_features=["a"] * 20 + ["b"] * 20,
                                  favorable=1)  # fmt: skip
    assert found.equal_merit.reason.startswith("undefined, because no stratum")


def test_all_features_together_tell_a_group_that_none_tells_alone():
    rng = np.random.default_rng(4)
    X = {"a": rng.normal(size=1500), "b": rng.normal(size=1500)}
    (found,) = joint_proxies(X, np.where(X["a"] * X["b"] > 0, "same", "other"))
    assert found.auc > 0.95
    (chance,) = joint_proxies(X, rng.choice(["x", "y"], 1500))
    assert chance.low < 0.5 < chance.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: contradicted_labels([1, 0], [True], sensitive_features=["a", "b"], label=1), "same length"),
        (lambda: contradicted_labels([1, 0], [0.5, 2], sensitive_features=["a", "b"], label=1), "True or False"),
        (lambda: contradicted_labels([1, 0], [True, False], sensitive_features=["a", "b"], label=2), "not among"),
        (lambda: gap_at_equal_merit([1, 0], [1], sensitive_features=["a", "b"], favorable=1), "one value per row"),
        (lambda: label_noise([1, 0], [0.1], sensitive_features=["a", "b"], favorable=1), "one value per row"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_no_gap_at_equal_merit_is_seldom_seen_in_two_strata():
    rng, covered = np.random.default_rng(12), 0
    for _ in range(1000):
        score, group = rng.normal(size=300), np.where(rng.random(300) < 0.4, "m", "o")
        merit = rng.random(300) < 1 / (1 + np.exp(-2.5 * score))
        (found,) = gap_at_equal_merit(score > 0, merit, sensitive_features=group, favorable=True)
        covered += found.equal_merit.low <= 0 <= found.equal_merit.high
    assert 930 <= covered <= 970
