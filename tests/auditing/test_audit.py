"""The audit as a whole: what it contains, what it survives, and its numbers recomputed independently."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as peer
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from pellucid import datasets
from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, percent, points
from pellucid._base.words import counted
from pellucid.auditing.audit import audit, audit_data, plain
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.checks.data import SUBJECT
from pellucid.auditing.checks.performance import PERFORMANCE
from pellucid.auditing.checks.registry import CHECKS
from pellucid.auditing.findings import Finding, Measure, Section, Verdict
from pellucid.auditing.policy import Policy
from pellucid.auditing.words import cell, cell_words, listed, named, of_measure

FORBIDDEN = ("compliant", "fair ", "non-discriminatory", "validated", "certified", "independent audit")


def small(n=80, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    return X, np.where(X["a"] + rng.normal(size=n) > 0, "yes", "no")


def score(X):
    return 1 / (1 + np.exp(-X["a"].to_numpy()))


def question(run):
    kind = type("Asked", (Question,), {"run": lambda self, _: run(self)})
    return kind(code="MY001", title="Mine", section=Section.RELIABILITY, why="To see.")


def raising(error):
    def run(_):
        raise error

    return question(run)


def test_one_failing_check_never_takes_the_audit_down():
    found = audit(score, *small(), checks=[raising(ZeroDivisionError("oh")), PERFORMANCE, raising(InputError("no."))])
    verdicts = [finding.verdict for finding in found.findings]
    assert sorted(verdicts) == sorted([Verdict.ERROR, Verdict.PASS, Verdict.ERROR])
    assert any("ZeroDivisionError: oh" in finding.statement for finding in found.findings)
    assert any(finding.statement == "This check could not run: no." for finding in found.findings)
    assert found.verdict is Verdict.ERROR
    assert found.exit_code() == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_user_can_stop_it(error):
    with pytest.raises(error):
        audit(score, *small(), checks=[raising(error())])


def test_verdicts_and_exit_codes():
    def finding_with(verdict):
        return question(lambda self: self.finding(verdict, "x", weight=1.0))

    def of(*verdicts):
        return audit(score, *small(), checks=[finding_with(verdict) for verdict in verdicts])

    assert (of(Verdict.PASS, Verdict.NOTE).exit_code("warn"), of(Verdict.WARN).exit_code("fail")) == (0, 0)
    assert (of(Verdict.WARN).exit_code("warn"), of(Verdict.FAIL).exit_code()) == (1, 1)
    assert of(Verdict.PASS, Verdict.WARN, Verdict.NOTE).verdict is Verdict.WARN
    assert [f.verdict for f in of(Verdict.PASS, Verdict.FAIL, Verdict.WARN).top(2)] == [Verdict.FAIL, Verdict.WARN]
    with pytest.raises(InputError, match="'warn' or 'fail'"):
        of(Verdict.PASS).exit_code("error")


def test_what_does_not_apply_is_said_once_and_has_no_exit_code():
    found = audit(score, *small(), checks=[raising(NotApplicable("nothing to ask."))])
    assert found.exit_code("warn") == 0
    assert found.top() == ()
    assert any("nothing to ask." in sentence for sentence in found.subject.not_measured)


def test_fast_skips_the_costly_checks_and_says_so():
    costly = [check for check in CHECKS if check.cost == "costly"]
    assert costly
    found = audit(score, *small(), fast=True)
    assert not {check.code for check in costly} & {finding.code for finding in found.findings}
    for check in costly:
        assert any(check.code in sentence and "fast" in sentence for sentence in found.subject.not_measured)


def test_codes_are_unique_ordered_and_documented():
    codes = [check.code for check in CHECKS]
    assert len(set(codes)) == len(codes)
    order = list(Section)
    for check in CHECKS:
        assert check.code.startswith(f"PEL{order.index(check.section) + 1}")
        assert check.title
        assert check.why.endswith(".")


def test_sections_without_findings_are_absent():
    found = audit(score, *small(), checks=[PERFORMANCE])
    assert list(found.sections) == [Section.PERFORMANCE]


def test_to_dict_is_json_and_the_same_again():
    X, y = small()
    one, two = (audit(score, X, y, rows="typical", sensitive_features={"g": np.tile(["x", "y"], 40)}) for _ in range(2))
    # The audit's own wall time is the one thing that differs between two runs.
    texts = [json.dumps({**found.to_dict(), "seconds": None}, allow_nan=False) for found in (one, two)]
    assert texts[0] == texts[1]
    assert not any(finding.verdict is Verdict.ERROR for finding in one.findings), [
        finding.statement for finding in one.findings if finding.verdict is Verdict.ERROR
    ]
    assert not any(word in texts[0].lower() for word in FORBIDDEN)


def test_every_exhibit_has_columns_of_one_length_and_plain_cells():
    X, y = small()
    found = audit(score, X, y, X_train=X, y_train=y, rows=[0], sensitive_features={"g": np.tile(["x", "y"], 40)})
    exhibits = [exhibit for finding in found.findings for exhibit in finding.exhibits]
    assert exhibits
    for exhibit in exhibits:
        assert len({len(column) for column in exhibit.table.values()}) == 1, exhibit.title
        assert exhibit.description
        for column in exhibit.table.values():
            assert all(value is None or type(value) in (str, bool, int, float) for value in column), exhibit.title


def test_plain_values():
    assert plain({"a": np.float64(1.5), "b": [float("nan"), np.int64(2)], 3: Verdict.PASS, "c": {1: None}}) == {
        "a": 1.5,
        "b": [None, 2],
        "3": "pass",
        "c": {"1": None},
    }
    assert plain(object).startswith("<class")


def test_a_model_is_needed_for_audit_and_not_for_data():
    X, y = small()
    with pytest.raises(InputError, match="audit_data"):
        audit(None, X, y)
    found = audit_data(X, y, sensitive_features={"g": np.tile(["x", "y"], 40)})
    assert found.subject.model == "no model"
    assert {finding.section for finding in found.findings} <= {
        Section.SUBJECT, Section.PERFORMANCE, Section.RELIABILITY, Section.BIAS,
    }  # fmt: skip
    assert not any(finding.verdict is Verdict.ERROR for finding in found.findings)


def test_a_check_of_ones_own_can_be_passed():
    mine = question(lambda self: self.finding(Verdict.NOTE, "Seen."))
    found = audit(score, *small(), checks=[SUBJECT, mine])
    assert [finding.code for finding in found.findings] == ["PEL101", "MY001"]
    assert isinstance(found.findings[1], Finding)


def test_progress_tells_every_check():
    seen = []
    audit(score, *small(), checks=[SUBJECT, PERFORMANCE], progress=lambda _, done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_words():
    assert (percent(0.0), percent(0.1234), percent(1.0)) == ("0 %", "12.3 %", "100 %")
    assert (points(-0.0004), points(-0.004), points(-1e-9)) == ("0.0", "−0.4", "0.0")
    assert (figure(0.0), figure(0.12345), figure(12345.0), figure(1e-9)) == ("0", "0.123", "12,345", "1.00×10⁻⁹")
    assert listed(["a"]) == "‘a’"
    assert listed(["a", "b", "c"]) == "‘a’, ‘b’ and ‘c’"
    assert listed(list("abcdefg"), 2) == "‘a’, ‘b’ and 5 more"
    assert (counted(1, "row"), counted(2380, "row")) == ("1 row", "2,380 rows")
    assert (cell(None), cell(float("nan")), cell(2.0), cell("x")) == ("missing", "missing", "2", "x")
    assert [cell(x) for x in (0.0869565, -0.5, 2019.0, 1234567.0)] == ["0.08696", "−0.5", "2019", "1234567"]
    assert [cell_words(x) for x in (0.5, None, "no")] == ["0.5", "missing", "‘no’"]
    share = Measure(name="share", value=0.1, low=0.05, high=0.2, n=9, unit="share")
    assert of_measure(share) == "10.0 % [5.0, 20.0]"
    assert of_measure(Measure(name="gap", value=-0.0348, low=-0.154, high=0.081, n=9)) == "−0.035 [−0.154, 0.081]"
    assert len(named("x" * 10_000)) < 70


# --- HMDA, made strange: renamed columns, resampled rows, swapped labels ------------------------------------------


@pytest.fixture(scope="module")
def strange():
    data = datasets.load_hmda()
    rng = np.random.default_rng(7)
    names = {name: f"f{j} <{name[::-1]}>" for j, name in enumerate(data.X.columns)}
    X, y = data.X.rename(columns=names), np.where(data.y == "yes", "A", "B")
    rows = rng.choice(len(X), size=2000, replace=True)
    train, held_out = rows[:1200], np.setdiff1d(np.arange(len(X)), rows[:1200])
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=40, random_state=0))
    parts = X.iloc[train], y[train], X.iloc[held_out], y[held_out]
    model.fit(parts[0], parts[1])
    found = audit(
        model, parts[2], parts[3], X_train=parts[0], y_train=parts[1], sensitive_features=[names["afam"]],
        favorable="B", fast=True, progress=False,
    )  # fmt: skip
    return model, parts, names, {finding.code: finding for finding in found.findings}


def measured(finding, name):
    return next(measure for measure in finding.measures if measure.name == name)


def test_hmda_performance_equals_scikit_learn(strange):
    model, (_, _, X, y), _, found = strange
    probability = model.predict_proba(X)
    assert model.classes_.tolist() == ["A", "B"]
    performance = found["PEL201"]
    assert measured(performance, "AUC").value == pytest.approx(peer.roc_auc_score(y == "B", probability[:, 1]))
    assert measured(performance, "accuracy").value == pytest.approx((model.predict(X) == y).mean())
    assert measured(performance, "log loss").value == pytest.approx(peer.log_loss(y, probability))
    assert measured(performance, "Brier score").value == pytest.approx(
        peer.brier_score_loss(y == "B", probability[:, 1])
    )


def test_hmda_performance_by_group_equals_scikit_learn(strange):
    model, (_, _, X, y), names, found = strange
    table = found["PEL202"].exhibits[0].table
    for label, value, n in zip(table["label"], table["value"], table["n"], strict=True):
        inside = (X[names["afam"]] == label.split(" = ")[1]).to_numpy()
        expected = peer.roc_auc_score(y[inside] == "B", model.predict_proba(X[inside])[:, 1])
        assert (value, n) == (pytest.approx(expected), inside.sum())


def test_hmda_leak_is_found_under_any_name(strange):
    _, (X_train, y_train, X, y), names, found = strange
    both = pd.concat([X_train, X])
    inside = (both[names["insurance"]] == "yes").to_numpy()
    truth = np.concatenate([y_train, y])
    level = found["PEL601"]
    assert level.verdict is Verdict.FAIL
    purity = measured(level, f"purity of {names['insurance']} = yes")
    assert purity.value == pytest.approx((truth[inside] == "A").mean())
    assert purity.n == inside.sum()
    assert [measure.name for measure in level.measures if measure.name.startswith("purity")] == [purity.name]


def test_hmda_extrapolation_equals_a_recomputation(strange):
    _, (X_train, _, X, _), _, found = strange
    numeric = X.select_dtypes("number").columns
    outside = (X[numeric] < X_train[numeric].min()) | (X[numeric] > X_train[numeric].max())
    assert found["PEL606"].measures[0].value == pytest.approx(outside.any(axis=1).mean())


def test_no_check_failed_to_run(strange):
    *_, found = strange
    assert [code for code, finding in found.items() if finding.verdict is Verdict.ERROR] == []


def test_every_code_and_every_tolerance_is_documented():
    docs = Path(__file__).parents[2] / "docs"
    findings, guide = (docs / "findings.md").read_text("utf-8"), (docs / "audit.md").read_text("utf-8")
    assert [check.code for check in CHECKS if f"**{check.code} {check.title}.**" not in findings] == []
    assert [name for name in Policy().to_dict() if f"`{name}`" not in guide] == []
