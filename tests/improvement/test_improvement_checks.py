"""Sections 7 and 8 of the audit: a subject that each check speaks about, and one that it passes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

from pellucid.auditing.checks.base import run_check
from pellucid.auditing.checks.improvement import (
    DATA_TO_COLLECT,
    DIRECTIONS,
    DOUBTFUL_LABELS,
    ERROR_TREE,
    HARMFUL_FEATURES,
    WEAK_SLICES,
)
from pellucid.auditing.checks.merit import EQUAL_MERIT, TURNED_LABELS
from pellucid.auditing.checks.options import OPTIONS
from pellucid.auditing.findings import Verdict
from pellucid.auditing.subject import Subject
from pellucid.report.pictures import picture_of


def only(check, subject):
    (finding,) = run_check(check, subject)
    assert finding.verdict is not Verdict.ERROR, finding.statement
    for exhibit in finding.exhibits:
        assert picture_of(exhibit, "picture").svg
    return finding


def people(seed=0, n=1600, *, weak=0.0, turned=0.0, gap=0.0):
    rng = np.random.default_rng(seed)
    member = rng.random(n) < 0.4
    X = pd.DataFrame({"a": 1.5 * rng.normal(size=n), "b": rng.normal(size=n), "kind": rng.integers(0, 4, n)})
    X["a"] -= gap * member
    chance = 1 / (1 + np.exp(-2.5 * X["a"]))
    y = rng.random(n) < chance
    y ^= (rng.random(n) < weak) & (X["kind"] == 2)
    y ^= (rng.random(n) < turned) & member
    return X, np.where(y, "yes", "no"), np.where(member, "m", "o")


def subject_of(X, y, group=None, model=None, **options):
    half = len(X) // 2
    fitted = (model or LogisticRegression()).fit(X[:half], y[:half])
    if group is not None:
        X = X.assign(group=group)
        options |= {"sensitive_features": ["group"], "favorable": "yes"}
    return Subject.of(fitted, X[half:], y[half:], X_train=X[:half], y_train=y[:half], progress=False, **options)


def test_weak_slices_and_the_error_tree():
    weak, even = (subject_of(*people(1, n=3000, weak=share)[:2]) for share in (0.45, 0.0))
    found = only(WEAK_SLICES, weak)
    assert found.verdict is Verdict.NOTE
    assert "‘kind’ is 2" in found.statement
    assert only(ERROR_TREE, weak).exhibits[0].kind == "tree"
    assert only(WEAK_SLICES, even).verdict in (Verdict.PASS, Verdict.NOTE)
    few = subject_of(*people(1, n=80)[:2])
    assert only(WEAK_SLICES, few).verdict is Verdict.NOT_APPLICABLE
    assert only(ERROR_TREE, few).verdict is Verdict.NOT_APPLICABLE


def test_an_even_model_has_no_slices_and_no_tree():
    X, y, _ = people(2, n=2000)
    rng = np.random.default_rng(0)
    coin = np.where(rng.random(2000) < 0.5, "yes", "no")
    subject = subject_of(X, coin)
    assert only(WEAK_SLICES, subject).verdict is Verdict.PASS
    assert only(ERROR_TREE, subject).verdict is Verdict.PASS
    assert len(y) == 2000


def test_gaps_at_equal_merit():
    X, y, group = people(12, n=3000)
    direct = X.assign(own=(group == "m").astype(float))
    biased = np.where(group == "m", np.where(np.random.default_rng(0).random(3000) < 0.5, "no", y), y)
    found = only(EQUAL_MERIT, subject_of(direct, biased, group))
    assert found.verdict is Verdict.WARN
    assert "at equal merit" in found.statement
    assert only(EQUAL_MERIT, subject_of(X, y, group)).verdict is Verdict.PASS
    assert only(EQUAL_MERIT, subject_of(X, y)).verdict is Verdict.NOT_APPLICABLE


def test_labels_turned_round():
    assert only(TURNED_LABELS, subject_of(*people(4, n=4000, turned=0.25))).verdict is Verdict.WARN
    assert only(TURNED_LABELS, subject_of(*people(4, n=4000))).verdict is Verdict.PASS


def test_what_can_be_done():
    found = only(OPTIONS, subject_of(*people(5, gap=1.0)))
    assert found.verdict is Verdict.NOTE
    assert {"as given", "reweighing", "a cut for each group"} <= set(found.exhibits[0].table["label"])
    assert "No way is recommended" in found.how
    assert only(OPTIONS, subject_of(*people(5)[:2])).verdict is Verdict.NOT_APPLICABLE


def test_doubtful_labels():
    X, y, _ = people(6)
    X["a"] *= 4
    flipped = np.where(np.random.default_rng(1).random(len(y)) < 0.15, np.where(y == "yes", "no", "yes"), y)
    overfitting = HistGradientBoostingClassifier(max_iter=150, random_state=0)
    found = only(DOUBTFUL_LABELS, subject_of(X, flipped, model=overfitting))
    assert found.verdict is Verdict.NOTE
    assert found.measures[0].value > 0.05
    clean = np.where(X["a"] > 0, "yes", "no")
    assert only(DOUBTFUL_LABELS, subject_of(X, clean, model=overfitting)).verdict is Verdict.PASS


def numbers(seed=0, n=800):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["useful", "noise"])
    return X, (2 * X["useful"] + 0.5 * rng.normal(size=n)).to_numpy()


@pytest.mark.parametrize(
    ("check", "model", "columns", "verdict"),
    [
        (HARMFUL_FEATURES, KNeighborsRegressor(), ["useful", "noise"], Verdict.NOTE),
        (HARMFUL_FEATURES, KNeighborsRegressor(), ["useful"], Verdict.PASS),
        (DATA_TO_COLLECT, KNeighborsRegressor(), ["useful", "noise"], Verdict.NOTE),
        (DATA_TO_COLLECT, KNeighborsRegressor(n_neighbors=1, weights="distance"), ["noise"], Verdict.PASS),
        (DIRECTIONS, HistGradientBoostingRegressor(max_iter=80, random_state=0), ["useful"], Verdict.NOTE),
        (DIRECTIONS, KNeighborsRegressor(), ["noise"], Verdict.PASS),
    ],
)
def test_changes_that_were_tried(check, model, columns, verdict):
    X, y = numbers()
    found = only(check, subject_of(X[columns], y, model=model))
    assert found.verdict is verdict, found.statement
    assert bool(found.remedy) == (verdict is Verdict.NOTE)


def test_a_model_that_cannot_be_fitted_again_is_asked_as_it_is_about_rows_it_has_not_seen():
    X, y, _ = people(7)
    y[-1] = "no" if X["a"].iloc[-1] > 0 else "yes"
    fitted = LogisticRegression().fit(X[:800], y[:800])
    held_out = {"X": X[800:], "y": y[800:], "X_train": X[:800], "y_train": y[:800], "progress": False}
    subject = Subject.of(lambda frame: fitted.predict_proba(frame)[:, 1], **held_out)
    np.testing.assert_array_equal(subject.trial.truth, y[800:])
    found = only(DOUBTFUL_LABELS, subject)
    assert found.verdict is Verdict.PASS
    assert "the model as it is" in found.how
    assert "Fitted again" not in found.how
    for check in (HARMFUL_FEATURES, DATA_TO_COLLECT):
        assert "can be fitted again" in only(check, subject).statement
    assert "not measured" in only(DIRECTIONS, subject).statement
