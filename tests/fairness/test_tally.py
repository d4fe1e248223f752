"""Counts that add up: a stream gives the same numbers; control features; several classes; what is withheld."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pellucid._base.errors import InputError
from pellucid.fairness import GroupMetrics, group_metrics, tally
from pellucid.fairness.disclosure import withheld_cells, withheld_together
from pellucid.fairness.groups import crossed, read_groupings


def people(n, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.random(n).round(2)
    return pd.DataFrame({
        "y": (rng.random(n) < score).astype(int), "p": (score > 0.5).astype(int), "score": score,
        "sex": rng.choice(["f", "m", None], n, p=[0.5, 0.4, 0.1]), "race": rng.choice(["x", "y", "z"], n),
        "product": rng.choice(["loan", "card"], n), "weight": rng.uniform(0.5, 2, n),
    })  # fmt: skip


def counted(rows, **options):
    return tally(
        rows["y"], rows["p"], sensitive_features=rows[["sex", "race"]], score=rows["score"],
        control_features=rows["product"], sample_weight=rows["weight"], **options,
    )  # fmt: skip


@settings(max_examples=3)
@given(st.lists(st.integers(1, 299), max_size=4), st.integers(0, 5))
def test_a_stream_gives_the_numbers_of_all_its_rows_to_the_last_bit(cuts, seed):
    rows = people(300, seed)
    whole = GroupMetrics.of(counted(rows), favorable=1).to_frame()
    mixed = rows.sample(frac=1, random_state=seed)
    edges = [0, *sorted(set(cuts)), 300]
    parts = [counted(mixed.iloc[a:b]) for a, b in pairwise(edges)]
    stream = GroupMetrics.of(sum(parts[1:], parts[0]), favorable=1).to_frame()
    pd.testing.assert_frame_equal(stream, whole, check_exact=True)


def test_only_the_same_columns_add():
    rows = people(40)
    with pytest.raises(InputError, match="same columns"):
        counted(rows) + tally(rows["y"], rows["p"], sensitive_features=rows["sex"])


def test_a_tally_without_scores_is_small():
    rows = pd.concat([people(1000, seed) for seed in range(3)])
    found = tally(rows["y"], rows["p"], sensitive_features=rows["race"])
    assert len(found) == 3000
    assert len(found.counts) == 12


def test_control_features_agree_with_fairlearn():
    rows = people(600)
    found = group_metrics(rows["y"], rows["p"], sensitive_features=rows["race"], control_features=rows["product"],
                          favorable=1)  # fmt: skip
    frame = MetricFrame(
        metrics={"selection_rate": selection_rate, "true_positive_rate": true_positive_rate}, y_true=rows["y"],
        y_pred=rows["p"], sensitive_features=rows["race"], control_features=rows["product"],
    )  # fmt: skip
    assert set(found.by_control) == {"loan", "card"}
    for stratum, part in found.by_control.items():
        for name in ("selection_rate", "true_positive_rate"):
            assert part.overall[name].value == pytest.approx(frame.overall.loc[stratum, name], abs=1e-12)
            assert part.difference["race"][name].value == pytest.approx(
                frame.difference().loc[stratum, name], abs=1e-12
            )
            for group, cell in part.by_group["race"].items():
                assert cell[name].value == pytest.approx(frame.by_group.loc[(stratum, group), name], abs=1e-12)


def test_every_class_is_measured_against_the_rest():
    truth, predicted = ["a", "b", "c", "c"] * 15, ["a", "c", "c", "b"] * 15
    found = group_metrics(truth, predicted, sensitive_features=["x", "y"] * 30)
    assert found.overall["accuracy"].value == 0.5
    assert found.overall["selection_rate[c]"].value == 0.5
    assert found.overall["true_positive_rate[c]"].value == 0.5
    assert found.overall["true_positive_rate[b]"].value == 0.0
    assert found.by_group["group"]["y"]["positive_predictive_value[a]"].reason.startswith("undefined, because")


def test_calibration_error_and_quantiles_by_hand():
    score = np.array([0.05] * 10 + [0.95] * 10 + [1.0] * 5)
    truth = np.array([0] * 8 + [1] * 2 + [1] * 10 + [0] * 5)
    found = group_metrics(truth, score > 0.5, sensitive_features=["g"] * 25, favorable=1, score=score).overall
    expected = (abs(10 * 0.05 - 2) + abs(10 * 0.95 + 5 - 10)) / 25
    assert found["expected_calibration_error"].value == pytest.approx(expected, abs=1e-12)
    assert (found["score_p10"].value, found["score_p50"].value, found["score_p90"].value) == (0.05, 0.95, 1.0)


def test_scores_outside_their_range_say_so():
    found = group_metrics([0, 1] * 20, [0, 1] * 20, sensitive_features=["a"] * 40, favorable=1, score=[-1.0, 3.0] * 20)
    assert found.overall["expected_calibration_error"].reason.startswith("undefined, because the score is not a prob")
    assert found.overall["auc"].value == 1.0


def test_thousands_of_groups_are_answered():
    y = np.arange(10_000) % 2
    found = group_metrics(y, y, sensitive_features=[f"g{i // 2}" for i in range(10_000)], favorable=1)
    assert found.difference["group"]["accuracy"].reason == (
        "undefined, because of 5000 groups only 0 can be shown with this number"
    )


@settings(max_examples=150)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 4), st.sampled_from([5, 10]))
@example(624, 3, 3, 10)  # the total less two shown sums that do not count the small cell
def test_no_withheld_number_can_be_solved_from_the_shown_ones(seed, rows, columns, floor):
    """An attacker writes every shown number as an equation in the cells and solves for each withheld one."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 2, 7, 12, 20, 40], size=(rows, columns))
    cells = [(f"r{i}", f"c{j}") for i in range(rows) for j in range(columns) for _ in range(sizes[i, j])]
    if not cells:
        return
    names = dict(zip(("row", "column"), zip(*cells, strict=True), strict=True))
    row, column, both = read_groupings({name: list(values) for name, values in names.items()}, len(cells))
    withheld = withheld_together((row, column, both), floor)
    unknown = sorted(set(cells))
    shown, secret = [np.ones(len(unknown))], []
    for table in (row, column, both):
        for label, part in zip(table.labels, table.parts, strict=True):
            form = np.array([matches(cell, part, table.columns) for cell in unknown], dtype=float)
            if label not in withheld[table.name]:
                shown.append(form)
            if table.sizes()[label] < floor:
                assert label in withheld[table.name]
                secret.append(form)
    rank = np.linalg.matrix_rank(np.array(shown))
    for form in secret:
        solvable = np.linalg.matrix_rank(np.array([*shown, form])) == rank
        assert not solvable or form.all(), "a withheld number follows from the shown ones"


def matches(cell, part, columns):
    return all(cell[("row", "column").index(name)] == value for name, value in zip(columns, part, strict=True))


def test_a_cell_of_a_stratum_is_withheld_with_an_eye_on_the_whole():
    """Group b has 40 rows in all and 4 of them in the stratum s: its cell in t would give those away."""
    group, control = ["a"] * 100 + ["b"] * 40, ["s"] * 50 + ["t"] * 50 + ["s"] * 4 + ["t"] * 36
    y = [1, 0] * 70
    found = group_metrics(y, y, sensitive_features=group, control_features=control, favorable=1)
    assert found.sizes["group"] == {"a": 100, "b": 40}
    for part in found.by_control.values():
        assert part.sizes["group"]["b"] is None
    single, stratum = read_groupings(group, 140)[0], read_groupings(control, 140)[0]
    hidden, exposed = withheld_cells(crossed(stratum, single), 10, (frozenset(), frozenset()))
    assert (len(hidden), exposed) == (4, frozenset())
