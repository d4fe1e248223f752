"""Section 9 of the audit: planted subjects that fail and that pass, and a canary that must not be seen."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from pellucid import audit, save_report
from pellucid.auditing.checks.evidence import DRIFT, EVIDENCE, REASONS, RECORDS
from pellucid.auditing.checks.performance import PERFORMANCE
from pellucid.auditing.findings import Verdict
from pellucid.compliance import artefact, rule_packs
from pellucid.report import ARTEFACT_RENDERERS


def people(n=500, seed=0, weight=2.0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"income": rng.normal(size=n), "late": rng.poisson(1.0, n), "group": rng.integers(0, 2, n)})
    odds = X["income"] - 0.8 * X["late"] - weight * X["group"]
    return X, np.where(odds + rng.logistic(size=n) > -0.5, "paid", "unpaid")


def one(check, model, X, y, **options):
    options = {"sensitive_features": ["group"], "favorable": "paid", **options}
    return audit(model, X, y, checks=[check], progress=False, **options).findings[-1]


def test_a_protected_principal_reason_fails_and_its_absence_does_not():
    X, y = people()
    model = LogisticRegression().fit(X, y)
    found = one(REASONS, model, X, y)
    assert found.verdict is Verdict.FAIL
    assert "‘group’" in found.statement
    assert found.remedy
    without = one(REASONS, LogisticRegression().fit(X[["income", "late"]], y), X, y)
    assert without.verdict is Verdict.NOTE
    assert "blocked" not in without.statement


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_reasons_are_given_to_exactly_the_rows_decided_against(threshold):
    X, y = people(200)
    model = LogisticRegression().fit(X, y)
    options = {"threshold": threshold, "sensitive_features": None}
    unpaid = one(REASONS, model, X, y, **options)
    denied = (model.predict_proba(X)[:, 1] > (0.5 if threshold is None else threshold)).sum()
    assert f"of {min(denied, 100)} adverse decisions" in unpaid.statement
    mirrored = one(REASONS, model, X, y, **{**options, "favorable": "unpaid"})
    assert f"of {min(len(X) - denied, 100)} adverse decisions" in mirrored.statement


def test_records_of_a_model_that_wavers_do_not_come_back():
    X, y = people(200)
    model = LogisticRegression().fit(X, y)
    held = one(RECORDS, model, X, y)
    assert held.verdict is Verdict.PASS
    assert "50 bit for bit" in held.statement
    calls = []

    def wavering(rows):
        calls.append(1)
        return np.clip(model.predict_proba(rows)[:, 1] + 1e-3 * len(calls), 0, 1)

    assert one(RECORDS, wavering, X, y).verdict in (Verdict.WARN, Verdict.ERROR)


def test_drift_names_the_feature_that_moved():
    X, y = people(600)
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    X_test, y_test = people(600, seed=1)
    assert one(DRIFT, model, X_test, y_test, X_train=X, y_train=y).verdict is Verdict.PASS
    moved = one(DRIFT, model, X_test.assign(income=X_test["income"] + 0.7), y_test, X_train=X, y_train=y)
    assert moved.verdict is Verdict.NOTE
    assert "'income'" in moved.statement
    assert one(DRIFT, model, X_test, y_test).verdict is Verdict.NOT_APPLICABLE


def test_questions_that_do_not_arise_say_so():
    X, y = people(100)
    model = LogisticRegression().fit(X, y)
    assert one(REASONS, model, X, y, favorable=None).verdict is Verdict.NOT_APPLICABLE
    assert one(REASONS, lambda rows: np.zeros(len(rows)), X, y).verdict is Verdict.NOT_APPLICABLE
    function = one(DRIFT, lambda rows: np.full(len(rows), 0.5), X, y, X_train=X, y_train=y)
    assert function.verdict is Verdict.NOT_APPLICABLE


def test_evidence_counts_what_the_other_checks_measured():
    X, y = people(100)
    model = LogisticRegression().fit(X, y)
    asked = ([EVIDENCE], [PERFORMANCE, EVIDENCE])
    alone, both = (audit(model, X, y, checks=checks, progress=False).findings[-1] for checks in asked)
    measured = [sum(found.exhibits[0].table["measured"]) for found in (alone, both)]
    asking = sum("PEL201" in field.measured for pack in rule_packs().values() for field in pack.fields)
    already = sum(
        "PEL201" in f.measured and "subject:model" in f.measured for p in rule_packs().values() for f in p.fields
    )
    assert measured[1] - measured[0] == asking - already
    assert f"measured {measured[1]} of the" in both.statement


@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.heavy)])
def test_no_cell_of_a_canary_row_is_in_any_default_artefact(tmp_path, fast):
    X, y = people(400)
    X["town"] = np.where(np.arange(400) % 2, "north", "south")
    model = _with_town(X, y)
    canary = {"income": -1.8181818, "late": 7.7373737, "group": 1, "town": "south"}
    X = X.astype({"late": float})
    X.loc[len(X)] = canary
    y = np.append(y, "unpaid")
    found = audit(model, X, y, X_train=X.iloc[:300], y_train=y[:300], sensitive_features=["group"], favorable="paid",
                  fast=fast, progress=False)  # fmt: skip
    assert [f.statement for f in found.findings if f.verdict is Verdict.ERROR] == []
    paths = [save_report(found, tmp_path / f"report{ending}") for ending in (".html", ".json", ".md", ".xml")]
    texts = [path.read_text("utf-8") for path in paths]
    content = json.loads((tmp_path / "report.json").read_text("utf-8"))
    for rule in rule_packs():
        texts += [render(artefact(rule, audit=content)) for render in ARTEFACT_RENDERERS.values()]
    for text in texts:
        assert "1.81818" not in text
        assert "7.7373" not in text


def _with_town(X, y):
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["town"]), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingClassifier(max_iter=15)).fit(X, y)
