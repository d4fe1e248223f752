"""How often the 95 % intervals hold the truth, over simulated draws: every metric, in a group and between two."""

import numpy as np
import pytest
from scipy.stats import beta, norm

from pellucid.fairness import group_metrics, metrics
from pellucid.fairness.calibration_error import FEWEST_EXPECTED, CalibrationError, fewest_expected
from pellucid.fairness.estimates import difference

SIZES = {"a": 260, "b": 240}
P_TRUE, P_FALSE, BASE = {"a": 0.8, "b": 0.65}, {"a": 0.3, "b": 0.2}, {"a": 0.55, "b": 0.45}


def rates(group):
    hit, alarm, base = P_TRUE[group], P_FALSE[group], BASE[group]
    chosen = hit * base + alarm * (1 - base)
    return {
        "selection_rate": chosen,
        "base_rate": base,
        "accuracy": hit * base + (1 - alarm) * (1 - base),
        "true_positive_rate": hit,
        "false_positive_rate": alarm,
        "false_negative_rate": 1 - hit,
        "positive_predictive_value": hit * base / chosen,
    }


def shares_of(draws, truths, found_of, *, ratios=True):
    """Share of draws whose interval holds the truth: of group a, and of the pair in the order that was reported."""
    held = {}
    for draw in range(draws):
        found = found_of(np.random.default_rng(draw))
        for name, value in truths["a"].items():
            checks = [("a", found.by_group["group"]["a"][name], value)]
            pair = found.difference["group"][name]
            one, other = (truths[label][name] for label in pair.between)
            checks.append(("difference", pair, one - other))
            if ratios:
                pair = found.ratio["group"][name]
                one, other = (truths[label][name] for label in pair.between)
                checks.append(("ratio", pair, one / other))
            for kind, estimate, truth in checks:
                held.setdefault(f"{kind} | {name}", []).append(estimate.low <= truth <= estimate.high)
    return {name: float(np.mean(covered)) for name, covered in held.items()}


def outside(found, draws):
    for name, share in found.items():
        print(f"{name}, {draws} draws: {share:.3f}")  # noqa: T201 - to be read with pytest -s
    return {name: share for name, share in found.items() if not 0.93 <= share <= 0.97}


@pytest.mark.heavy
def test_intervals_of_rates_cover():
    group = np.repeat(list(SIZES), list(SIZES.values()))
    chance = {name: np.array([table[g] for g in group]) for name, table in
              (("base", BASE), ("hit", P_TRUE), ("alarm", P_FALSE))}  # fmt: skip

    def draw(rng):
        truth = rng.random(len(group)) < chance["base"]
        predicted = rng.random(len(group)) < np.where(truth, chance["hit"], chance["alarm"])
        return group_metrics(truth, predicted, sensitive_features=group, favorable=True)

    found = shares_of(2000, {label: rates(label) for label in "ab"}, draw)
    assert outside(found, 2000) == {}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("names", "draws"),
    [
        (("mean_score", "calibration_gap", "expected_calibration_error"), 500),
        (("auc", "score_p10", "score_p50", "score_p90"), 2000),
    ],
)
def test_intervals_of_scores_cover(names, draws, monkeypatch):
    """Scores are uniform and outcomes lean away from them by 0.15 in one group and 0.3 in the other."""
    monkeypatch.setattr(metrics, "SCORE", {name: metrics.SCORE[name] for name in names})
    group = np.repeat(["a", "b"], [300, 280])
    lean = np.where(group == "a", 0.15, 0.3)

    def truths(shift):
        score = (np.arange(200_000) + 0.5) / 200_000
        chance = score * (1 - shift)
        pairs = np.cumsum(1 - chance) - (1 - chance) / 2
        area = (chance * pairs).sum() / (chance.sum() * (1 - chance).sum())
        every = {
            "mean_score": 0.5, "calibration_gap": 0.5 * shift, "expected_calibration_error": 0.5 * shift, "auc": area,
            "score_p10": 0.1, "score_p50": 0.5, "score_p90": 0.9,
        }  # fmt: skip
        return {name: every[name] for name in names}

    def draw(rng):
        score = rng.random(len(group))
        truth = rng.random(len(group)) < score * (1 - lean)
        return group_metrics(truth, score > 0.5, sensitive_features=group, favorable=True, score=score)

    found = shares_of(draws, {"a": truths(0.15), "b": truths(0.3)}, draw, ratios=False)
    assert outside(found, draws) == {}


@pytest.mark.heavy
def test_intervals_of_regression_cover():
    group = np.repeat(["a", "b"], [220, 200])
    centre, spread = np.where(group == "a", 0.3, 1.0), np.where(group == "a", 1.0, 1.5)

    def folded(mean, sd):
        return sd * np.sqrt(2 / np.pi) * np.exp(-(mean**2) / (2 * sd**2)) + mean * (1 - 2 * norm.cdf(-mean / sd))

    def truths(mean, sd):
        return {
            "mean_outcome": 0.0,
            "mean_prediction": mean,
            "mean_error": mean,
            "mean_absolute_error": folded(mean, sd),
        }

    def draw(rng):
        truth = rng.normal(size=len(group))
        predicted = truth + centre + spread * rng.normal(size=len(group))
        return group_metrics(truth, predicted, sensitive_features=group)

    found = shares_of(500, {"a": truths(0.3, 1.0), "b": truths(1.0, 1.5)}, draw, ratios=False)
    assert outside(found, 500) == {}


def log_odds(p):
    return np.log(p) - np.log1p(-p)


def flatter(score):
    return 1 / (1 + np.exp(-0.6 * log_odds(score)))


CALIBRATION = {
    "right": ((1, 1), lambda score: score),
    "right, low scores": ((2, 8), lambda score: score),
    "right, at both ends": ((0.4, 0.4), lambda score: score),
    "a little too high": ((1, 1), lambda score: 0.92 * score),
    "too high": ((1, 1), lambda score: 0.7 * score),
    "too sure": ((1, 1), lambda score: 0.5 + 0.8 * (score - 0.5)),
    "too sure, low scores": ((2, 8), flatter),
    "one bin off": ((1, 1), lambda score: score - 0.2 * ((score > 0.6) & (score < 0.7))),
    "right, few outcomes": ((1.5, 10), lambda score: score),
    "too high, few outcomes": ((1.5, 10), lambda score: 0.7 * score),
    "right, very few outcomes": ((1, 25), lambda score: score),
    "right, few rows": ((0.3, 0.5), lambda score: score),
}
"""Shape of the scores (a beta distribution) and chance of the favourable outcome at each score."""


FEW = {
    "right, few outcomes": 100,
    "too high, few outcomes": 150,
    "right, very few outcomes": 300,
    "right, few rows": 30,
}
"""Rows of the settings in which the score expects hardly ten outcomes of a kind; samples with fewer are left out."""


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "n"), [*((kind, n) for kind in CALIBRATION if kind not in FEW for n in (100, 500, 3000)), *FEW.items()]
)
def test_intervals_of_calibration_errors_cover(kind, n):
    shape, chance = CALIBRATION[kind]
    scores = np.clip(beta.ppf((np.arange(200_000) + 0.5) / 200_000, *shape), 1e-12, 1 - 1e-12)
    bins = np.minimum((scores * 10).astype(int), 9)
    truth = np.abs(np.bincount(bins, scores - chance(scores))).sum() / len(scores)
    rng, held = np.random.default_rng(1), []
    for draw in range(2000):
        score = rng.choice(scores, n)
        outcome = (rng.random(n) < chance(score)).astype(float)
        if fewest_expected(score, None) < FEWEST_EXPECTED:
            continue
        found = CalibrationError(score=score, truth=outcome, purpose="test", random_state=draw)
        held.append(found.speaks_against(truth, 0.95) == 0)
    share = np.mean(held)
    print(f"{kind}, {n} rows, {len(held)} draws: {share:.3f}")  # noqa: T201 - the figures that the documentation states
    assert 0.93 <= share <= (0.99 if kind in FEW else 0.98)


@pytest.mark.heavy
@pytest.mark.parametrize(("n", "m", "lean"), [(150, 600, 0.3), (100, 800, 0.0)])
def test_the_difference_of_calibration_errors_covers_where_one_of_them_is_zero(n, m, lean):
    rng, held = np.random.default_rng(5), []
    for draw in range(200):
        pair = []
        for label, size, shift in (("a", n, 0.0), ("b", m, lean)):
            score = rng.random(size)
            outcome = (rng.random(size) < score * (1 - shift)).astype(float)
            pair.append((label, CalibrationError(score=score, truth=outcome, purpose=label, random_state=draw)))
        found = difference(*pair, level=0.95, floor=10)
        held.append(found.low <= -0.5 * lean <= found.high)
    assert 0.92 <= np.mean(held) <= 0.98  # 95 % give or take two standard errors of 200 draws
