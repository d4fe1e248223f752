from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, mean_absolute_error, precision_score, roc_auc_score

from pellucid._base.errors import InputError
from pellucid._base.statistics import wilson
from pellucid.datasets import load_hmda
from pellucid.fairness import group_metrics
from pellucid.fairness.intervals import difference_of, log_ratio

CELLS = {"a": (30, 7, 5, 18), "b": (11, 9, 13, 20)}
"""Hand-made tables: true positives, false positives, false negatives, true negatives."""


def rows_of(cells):
    truth, predicted, group = [], [], []
    for name, (tp, fp, fn, tn) in cells.items():
        truth += [1] * tp + [0] * fp + [1] * fn + [0] * tn
        predicted += [1] * (tp + fp) + [0] * (fn + tn)
        group += [name] * (tp + fp + fn + tn)
    return truth, predicted, group


def by_hand(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    return {
        "selection_rate": Fraction(tp + fp, n),
        "base_rate": Fraction(tp + fn, n),
        "accuracy": Fraction(tp + tn, n),
        "true_positive_rate": Fraction(tp, tp + fn),
        "false_positive_rate": Fraction(fp, fp + tn),
        "false_negative_rate": Fraction(fn, tp + fn),
        "positive_predictive_value": Fraction(tp, tp + fp),
    }


def test_every_rate_equals_its_fraction():
    truth, predicted, group = rows_of(CELLS)
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    whole = [sum(part) for part in zip(*CELLS.values(), strict=True)]
    for name, expected in by_hand(*whole).items():
        assert found.overall[name].value == float(expected)
    for label, cells in CELLS.items():
        for name, expected in by_hand(*cells).items():
            cell = found.by_group["group"][label][name]
            assert (cell.value, cell.n) == (float(expected), {**denominators(*cells)}[name])
            assert (cell.low, cell.high) == wilson(float(expected), cell.n)


def denominators(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    return {
        "selection_rate": n,
        "base_rate": n,
        "accuracy": n,
        "true_positive_rate": tp + fn,
        "false_positive_rate": fp + tn,
        "false_negative_rate": tp + fn,
        "positive_predictive_value": tp + fp,
    }


def test_difference_and_ratio_with_their_intervals():
    truth, predicted, group = rows_of(CELLS)
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    a, b = Fraction(37, 60), Fraction(20, 53)
    difference = found.difference["group"]["selection_rate"]
    assert difference.between == ("a", "b")
    assert difference.value == float(a) - float(b)
    parts = [(float(p), *wilson(float(p), n)) for p, n in ((a, 60), (b, 53))]
    assert (difference.low, difference.high) == difference_of(*parts)
    ratio = found.ratio["group"]["selection_rate"]
    assert ratio.between == ("b", "a")
    assert ratio.value == pytest.approx(float(b / a), rel=1e-15)
    assert (ratio.low, ratio.high) == log_ratio((float(b), 53), (float(a), 60))
    assert difference.evidence == "clear"


def test_more_than_two_groups_widen_the_interval():
    truth, predicted, group = rows_of({**CELLS, "c": (15, 8, 10, 20)})
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1).difference["group"]["selection_rate"]
    level = 1 - 0.05 / 3
    parts = [(37 / 60, *wilson(37 / 60, 60, level)), (20 / 53, *wilson(20 / 53, 53, level))]
    assert (found.low, found.high) == difference_of(*parts)


def test_mortgage_data():
    hmda = load_hmda()
    found = group_metrics(hmda.y, hmda.y, sensitive_features=hmda.X["afam"], favorable="no")
    ratio = found.ratio["afam"]["selection_rate"]
    assert ratio.value == pytest.approx((243 / 339) / (1852 / 2041), rel=1e-15)
    assert (round(ratio.low, 3), round(ratio.high, 3)) == (0.738, 0.846)
    assert found.by_group["afam"]["no"]["selection_rate"].n == 2041


PEERS = {
    "selection_rate": selection_rate,
    "base_rate": lambda y_true, y_pred: selection_rate(y_pred, y_true),
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "false_negative_rate": false_negative_rate,
    "accuracy": accuracy_score,
    "positive_predictive_value": lambda y_true, y_pred: precision_score(y_true, y_pred, zero_division=0.0),
}


@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 230), marks=pytest.mark.heavy)], ids=len)
def test_agrees_with_fairlearn_where_a_rate_is_defined(seeds):
    undefined = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        group = np.array([f"g{i}" for i in rng.integers(0, rng.integers(2, 6), rng.integers(12, 200))])
        truth, predicted = (rng.random((2, len(group))) < rng.uniform(0.1, 0.9)).astype(int)
        ours = group_metrics(truth, predicted, sensitive_features=group, favorable=1, floor=1)
        frame = MetricFrame(metrics=PEERS, y_true=truth, y_pred=predicted, sensitive_features=group)
        for name in PEERS:
            cells = {g: ours.by_group["group"][g][name] for g in np.unique(group)}
            known = {g: cell.value for g, cell in cells.items() if cell.value is not None}
            assert known == pytest.approx({g: frame.by_group[name][g] for g in known}, abs=1e-12)
            for g in set(cells) - set(known):
                assert denominators(*counts_of(truth[group == g], predicted[group == g]))[name] == 0
                undefined += 1
            if ours.overall[name].value is not None:
                assert ours.overall[name].value == pytest.approx(frame.overall[name], abs=1e-12)
            if len(known) == len(cells) > 1:
                assert ours.difference["group"][name].value == pytest.approx(frame.difference()[name], abs=1e-12)
                if frame.by_group[name].max() > 0:
                    assert ours.ratio["group"][name].value == pytest.approx(frame.ratio()[name], abs=1e-12)
    assert undefined > 3


def counts_of(truth, predicted):
    return [int(((predicted == p) & (truth == t)).sum()) for p, t in ((1, 1), (1, 0), (0, 1), (0, 0))]


def test_weights_agree_with_fairlearn_and_widen_nothing_when_equal():
    rng = np.random.default_rng(5)
    truth, predicted = rng.integers(0, 2, 120), rng.integers(0, 2, 120)
    group, weight = np.array(["a", "b"] * 60), rng.uniform(0.1, 3, 120)
    ours = group_metrics(truth, predicted, sensitive_features=group, favorable=1, sample_weight=weight)
    frame = MetricFrame(
        metrics=accuracy_score, y_true=truth, y_pred=predicted, sensitive_features=group,
        sample_params={"sample_weight": weight},
    )  # fmt: skip
    for g in "ab":
        assert ours.by_group["group"][g]["accuracy"].value == pytest.approx(frame.by_group[g], abs=1e-12)
    plain = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    equal = group_metrics(truth, predicted, sensitive_features=group, favorable=1, sample_weight=np.full(120, 2.5))
    for name, cell in plain.by_group["group"]["a"].items():
        same = equal.by_group["group"]["a"][name]
        assert (same.value, same.low, same.high) == pytest.approx((cell.value, cell.low, cell.high), abs=1e-12)
    weighted = ours.by_group["group"]["a"]["accuracy"]
    assert weighted.high - weighted.low > 0
    assert weighted.n == 60


def test_scores_add_calibration_and_area():
    rng = np.random.default_rng(1)
    truth, score = rng.integers(0, 2, 200), rng.uniform(size=200)
    group = np.array(["a"] * 120 + ["b"] * 80)
    found = group_metrics(truth, (score > 0.5).astype(int), sensitive_features=group, favorable=1, score=score)
    for g in "ab":
        rows = group == g
        cells = found.by_group["group"][g]
        assert cells["calibration_gap"].value == pytest.approx(score[rows].mean() - truth[rows].mean(), abs=1e-12)
        assert cells["calibration_gap"].low < cells["calibration_gap"].value < cells["calibration_gap"].high
        assert cells["auc"].value == pytest.approx(roc_auc_score(truth[rows], score[rows]), abs=1e-12)
        assert cells["mean_score"].value == pytest.approx(score[rows].mean(), abs=1e-12)
    assert found.ratio["group"]["auc"].reason.startswith("undefined, because")
    assert found.ratio["group"]["calibration_gap"].reason.startswith("undefined, because")


def test_regression():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=100)
    predicted = truth + rng.normal(0.3, 0.5, size=100)
    group = np.array(["a"] * 55 + ["b"] * 45)
    found = group_metrics(truth, predicted, sensitive_features=group)
    for g in "ab":
        rows = group == g
        cells = found.by_group["group"][g]
        assert cells["mean_error"].value == pytest.approx((predicted - truth)[rows].mean(), abs=1e-12)
        mae = mean_absolute_error(truth[rows], predicted[rows])
        assert cells["mean_absolute_error"].value == pytest.approx(mae, abs=1e-12)
        assert cells["mean_absolute_error"].low < mae < cells["mean_absolute_error"].high
    ratio = found.ratio["group"]["mean_absolute_error"]
    assert ratio.low < ratio.value < ratio.high
    assert found.ratio["group"]["mean_error"].evidence == "undefined"


def test_several_classes_count_the_favourable_ones_together():
    truth, predicted = ["a", "b", "c", "c"] * 10, ["a", "c", "c", "b"] * 10
    found = group_metrics(truth, predicted, sensitive_features=["x", "y"] * 20, favorable=["a", "b"])
    assert found.overall["selection_rate"].value == 0.5
    assert found.overall["base_rate"].value == 0.5
    assert found.overall["accuracy"].value == 0.5


def test_missing_group_labels_are_a_group():
    truth, predicted, group = rows_of(CELLS)
    group = [None if i % 4 == 0 else label for i, label in enumerate(group)]
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    assert set(found.by_group["group"]) == {"(missing)", "a", "b"}
    assert sum(found.sizes["group"].values()) == len(truth)


def test_degenerate_tables_say_why():
    group = ["a"] * 15 + ["b"] * 15
    truth = [0] * 15 + [1] * 15
    predicted = [0] * 30
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    cells = found.by_group["group"]
    assert cells["a"]["true_positive_rate"].reason == "undefined, because nobody’s true outcome is favourable"
    assert cells["b"]["false_positive_rate"].reason == "undefined, because everybody’s true outcome is favourable"
    assert cells["b"]["positive_predictive_value"].value is None
    assert found.ratio["group"]["selection_rate"].reason.startswith(
        "undefined, because the number of group ‘b’ is zero"
    )
    assert found.difference["group"]["true_positive_rate"].reason.startswith("undefined, because of 2 groups only 1")
    one = group_metrics(truth, predicted, sensitive_features=["a"] * 30, favorable=1)
    assert one.difference["group"]["accuracy"].reason == "undefined, because there is only one group"


def test_a_group_of_one_person_is_not_shown_and_cannot_be_computed():
    truth, predicted, group = rows_of({**CELLS, "c": (1, 0, 0, 0)})
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    for label in ("b", "c"):
        assert found.sizes["group"][label] is None
        for cell in found.by_group["group"][label].values():
            assert (cell.value, cell.low, cell.high, cell.n) == (None, None, None, None)
            assert cell.reason.startswith("withheld")
    assert found.by_group["group"]["a"]["accuracy"].value is not None


def test_too_little_evidence_is_said():
    truth, predicted, group = rows_of({"a": (10, 10, 10, 10), "b": (10, 11, 10, 9)})
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    assert found.difference["group"]["selection_rate"].evidence == "insufficient"
    assert "includes 0" in found.difference["group"]["selection_rate"].reason
    truth, predicted, group = rows_of({"a": (40, 0, 0, 40), "b": (0, 40, 3, 40)})
    found = group_metrics(truth, predicted, sensitive_features=group, favorable=1)
    assert found.difference["group"]["true_positive_rate"].evidence == "insufficient"
    assert "3 rows, fewer than 10" in found.difference["group"]["true_positive_rate"].reason


def test_the_frame_has_every_cell():
    truth, predicted, group = rows_of(CELLS)
    frame = group_metrics(truth, predicted, sensitive_features=group, favorable=1).to_frame()
    assert len(frame) == 7 * 3
    row = frame[(frame["group"] == "a") & (frame["metric"] == "accuracy")].iloc[0]
    assert row["value"] == 48 / 60


def test_order_of_rows_and_other_columns_change_nothing():
    rng = np.random.default_rng(8)
    truth = rng.normal(size=80)
    predicted, group = truth + 0.1, np.array(["a", "b"] * 40)
    alone = group_metrics(truth, predicted, sensitive_features={"g": group})
    beside = group_metrics(truth, predicted, sensitive_features={"other": ["z"] * 80, "g": group})
    assert alone.by_group["g"] == beside.by_group["g"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": [1, 0]}, "same length"),
        ({"favorable": "yes"}, "not among the outcomes"),
        ({"favorable": None}, "say which outcome is good"),
        ({"y_pred": ["1", "1", "0", "0"]}, "1 and y_pred such as '1', which are never equal"),
        ({"y_true": [1, None, 0, 1]}, "y_true is missing in 1 rows, the first is row 1"),
        ({"score": [0.1, np.nan, 0.2, 0.3]}, "score is missing"),
        ({"score": ["a", "b", "c", "d"]}, "score must be numbers"),
        ({"score": [0.1]}, "expected 4, got 1"),
        ({"sample_weight": [1, -1, 1, 1]}, "must not be negative"),
        ({"sample_weight": [0, 0, 0, 0]}, "above zero"),
        ({"sample_weight": [np.inf, 0, 0, 0]}, "finite"),
        ({"sensitive_features": ["a"]}, "one row per prediction"),
        ({"floor": 0}, "floor must be at least 1"),
        ({"y_true": np.zeros((4, 2))}, "one value per row"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(change, message):
    arguments = {"y_true": [1, 0, 1, 0], "y_pred": [1, 1, 0, 0], "sensitive_features": list("abab"), "favorable": 1}
    arguments.update(change)
    with pytest.raises(InputError, match=message):
        group_metrics(arguments.pop("y_true"), arguments.pop("y_pred"), **arguments)


def test_inputs_are_not_changed():
    frame = pd.DataFrame({"y": [1, 0] * 20, "p": [1, 1] * 20, "g": ["a", None] * 20})
    before = frame.copy()
    group_metrics(frame["y"], frame["p"], sensitive_features=frame["g"], favorable=1)
    pd.testing.assert_frame_equal(frame, before)
