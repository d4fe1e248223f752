"""The bias checks against independent recomputations, and with subjects made to fail and to pass."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from pellucid.auditing.checks.base import run_check
from pellucid.auditing.checks.carriers import GAP_CARRIERS, PROXIES
from pellucid.auditing.checks.groups import GROUP_ERRORS, GROUP_OUTCOMES, IMPACT_RATIOS
from pellucid.auditing.checks.leakage import suspected_leaks
from pellucid.auditing.checks.without import WITHOUT_SENSITIVE
from pellucid.auditing.findings import Verdict
from pellucid.auditing.subject import Subject
from pellucid.datasets import load_hmda, load_nhanes
from pellucid.improvement.refit import hold_constant
from pellucid.table import Table

CHECKS = (GROUP_OUTCOMES, IMPACT_RATIOS, GROUP_ERRORS, GAP_CARRIERS, PROXIES, WITHOUT_SENSITIVE)
FORBIDDEN = re.compile(r"\b(compliant|fair|unfair|non-discriminatory|validated|certified|independent audit)\b", re.I)


def logistic():
    encode = (OneHotEncoder(), make_column_selector(dtype_exclude=np.number))
    return make_pipeline(make_column_transformer(encode, remainder=StandardScaler()), LogisticRegression(max_iter=2000))


def boosted():
    encode = (OrdinalEncoder(), make_column_selector(dtype_exclude=np.number))
    return make_pipeline(
        make_column_transformer(encode, remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, random_state=0),
    )


def split(X, y, seed=0, share=0.7):
    order = np.random.default_rng(seed).permutation(len(X))
    cut = int(share * len(X))
    train, test = order[:cut], order[cut:]
    return X.iloc[train], y.iloc[train], X.iloc[test], y.iloc[test]


def subject_of(model, X, y, *, sensitive, favorable=None, **options):
    X_train, y_train, X_test, y_test = split(X, y)
    model = model.fit(X_train, y_train)
    return Subject.of(
        model, X_test, y_test, X_train=X_train, y_train=y_train, sensitive_features=sensitive, favorable=favorable,
        progress=False, **options,
    )  # fmt: skip


def only(check, subject):
    (finding,) = run_check(check, subject)
    assert finding.verdict is not Verdict.ERROR, finding.statement
    return finding


def measure(finding, name):
    (found,) = [m for m in finding.measures if m.name == name]
    return found


def hmda_variant(kind):
    """HMDA as it is, with other names, resampled, and with the outcome's labels swapped."""
    hmda = load_hmda()
    X, y, race, favorable = hmda.X, hmda.y, "afam", "no"
    if kind == "renamed and swapped":
        race = "<b>group</b> ; = 1"
        X = X.rename(columns={"afam": race, "chist": "deny", "insurance": "a × b"})
        y, favorable = y.map({"yes": "no", "no": "yes"}), "yes"
    if kind == "resampled":
        rows = np.random.default_rng(3).integers(0, len(X), len(X))
        X, y = X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True)
    return X, y, race, favorable


@pytest.fixture(scope="module", params=["as it is", "renamed and swapped", "resampled"])
def variant(request):
    X, y, race, favorable = hmda_variant(request.param)
    return X, y, race, favorable, subject_of(logistic(), X, y, sensitive=[race], favorable=favorable)


def test_outcomes_equal_a_recomputation(variant):
    X, y, race, favorable, subject = variant
    finding = only(GROUP_OUTCOMES, subject)
    unfavorable = "yes" if favorable == "no" else "no"
    rates = (y == unfavorable).groupby(X[race]).mean()
    for group in ("no", "yes"):
        found = measure(finding, f"share with the outcome ‘{unfavorable}’, {race} = {group}")
        assert found.value == pytest.approx(rates[group], abs=1e-12)
        assert found.n == (X[race] == group).sum()
        assert f"{100 * rates[group]:.1f} %" in finding.statement
    assert finding.verdict is Verdict.WARN


def test_impact_ratios_equal_a_recomputation(variant):
    X, y, race, favorable, subject = variant
    finding = only(IMPACT_RATIOS, subject)
    rates, n = (y == favorable).groupby(X[race]).mean(), X[race].value_counts()
    data = measure(finding, f"impact ratio, data, {race} = yes")
    half = 1.959963984540054 * np.sqrt(((1 - rates) / (rates * n)).sum())
    assert data.value == pytest.approx(rates["yes"] / rates["no"], rel=1e-12)
    assert (data.low, data.high) == pytest.approx((data.value * np.exp(-half), data.value * np.exp(half)), rel=1e-12)
    held_out = subject.X.native
    chosen = pd.Series(subject.estimator.predict(held_out) == favorable, index=held_out.index)
    by_model = chosen.groupby(held_out[race]).mean()
    model = measure(finding, f"impact ratio, model, {race} = yes")
    assert model.value == pytest.approx(by_model["yes"] / by_model["no"], rel=1e-12)
    assert finding.exhibits[0].options["reference"] == 0.8


def test_figures_of_the_mortgage_data_are_stated():
    X, y, race, favorable = hmda_variant("as it is")
    subject = subject_of(logistic(), X, y, sensitive=[race], favorable=favorable)
    stated = only(GROUP_OUTCOMES, subject).statement
    assert "9.3 %" in stated
    assert "28.3 %" in stated
    assert "0.790 [0.738, 0.846]" in only(IMPACT_RATIOS, subject).statement


def test_errors_by_group_equal_a_recomputation(variant):
    _, _, race, favorable, subject = variant
    finding = only(GROUP_ERRORS, subject)
    X, truth = subject.X.native, subject.y == favorable
    chosen = subject.estimator.predict(X) == favorable
    group = X[race].to_numpy()
    recognised = {g: chosen[(group == g) & truth].mean() for g in ("no", "yes")}
    found = measure(finding, f"difference in share of favourable outcomes recognised by {race}")
    assert found.value == pytest.approx(recognised["no"] - recognised["yes"], abs=1e-12)


def test_gap_parts_equal_closed_form_coefficients(variant):
    """In a linear model the part of a feature is its coefficient times the difference of the groups' mean columns."""
    X, _, race, favorable, subject = variant
    finding = only(GAP_CARRIERS, subject)
    encoder, linear = subject.estimator[0], subject.estimator[-1]
    rows = subject.X.native.iloc[subject.explained_rows]
    columns = encoder.transform(rows)
    columns = columns.toarray() if hasattr(columns, "toarray") else columns
    group = rows[race].to_numpy()
    sign = 1 if list(linear.classes_).index(favorable) == 1 else -1
    difference = columns[group == "yes"].mean(axis=0) - columns[group == "no"].mean(axis=0)
    by_column = sign * linear.coef_[0] * difference
    names = encoder.get_feature_names_out()
    for feature in X.columns:
        part = sum(v for v, name in zip(by_column, names, strict=True) if raw_name(name, X.columns) == feature)
        found = [m for m in finding.measures if m.name == f"part of {feature}, {race}: yes − no"]
        if found:
            assert found[0].value == pytest.approx(part, abs=1e-9)
    total = measure(finding, f"gap, {race}: yes − no")
    assert total.value == pytest.approx(by_column.sum(), abs=1e-9)
    assert finding.verdict is Verdict.WARN


def raw_name(encoded, columns):
    name = encoded.split("__", 1)[1]
    return name if name in columns else name.rsplit("_", 1)[0]


def test_without_race_and_leak_disparity_remains_and_equals_a_recomputation(variant):
    X, _, race, favorable, subject = variant
    leak = next(name for name in X.columns if name in ("insurance", "a × b"))
    assert suspected_leaks(subject) == (leak,)
    finding = only(WITHOUT_SENSITIVE, subject)
    train, test = subject.X_train.native, subject.X.native
    fitted = clone(subject.estimator).fit(train.drop(columns=[race, leak]), subject.y_train)
    position = list(fitted.classes_).index(favorable)
    score = fitted.predict_proba(test.drop(columns=[race, leak]))[:, position]
    truth = subject.y == favorable
    chosen = score >= np.sort(score)[::-1][truth.sum() - 1]
    group = test[race].to_numpy()
    difference = chosen[group == "no"].mean() - chosen[group == "yes"].mean()
    assert measure(finding, f"difference by {race}, without").value == pytest.approx(difference, abs=0.011)
    assert f"AUC is {roc_auc_score(truth, score):.3f}"[:-1] in finding.how
    assert f"‘{race}’ and the suspected leak ‘{leak}’, disparity remains" in finding.statement
    assert "It runs mainly through" in finding.statement
    for name in (race, leak):
        assert not [m for m in finding.measures if m.name.startswith(f"part of {name},") and m.value != 0]


def planted(effect, seed=0, n=1500, named="colour"):
    """Applicants whose colour shifts their chances by `effect` through a column that goes with it."""
    rng = np.random.default_rng(seed)
    colour = rng.choice(["blue", "green"], size=n)
    skill = rng.normal(size=n)
    town = (colour == "green") * effect + rng.normal(size=n)
    other = rng.normal(size=n)
    y = np.where(skill - town + 0.5 * rng.normal(size=n) > 0, "in", "out")
    return pd.DataFrame({named: colour, "skill": skill, "town": town, "other": other}), pd.Series(y)


def test_each_check_warns_of_a_planted_gap_and_passes_its_absence():
    X, y = planted(2.0)
    gap = subject_of(boosted(), X, y, sensitive=["colour"], favorable="in")
    X, y = planted(0.0, n=6000)
    none = subject_of(logistic(), X, y, sensitive=["colour"], favorable="in")
    expected = {
        "PEL701": (Verdict.WARN, Verdict.PASS),
        "PEL702": (Verdict.NOTE, Verdict.PASS),
        "PEL703": (Verdict.WARN, Verdict.PASS),
        "PEL705": (Verdict.NOTE, Verdict.PASS),
        "PEL706": (Verdict.WARN, Verdict.PASS),
    }
    for check in CHECKS:
        if check.code in expected:
            assert (only(check, gap).verdict, only(check, none).verdict) == expected[check.code], check.code
    blind = subject_of(logistic(), X.drop(columns="colour"), y, sensitive=None, favorable="in")
    assert only(GAP_CARRIERS, subject_of(logistic(), *planted(2.0), sensitive=["colour"])).verdict is not Verdict.PASS
    assert {only(check, blind).verdict for check in CHECKS} == {Verdict.NOT_APPLICABLE}


def test_gap_carriers_tell_a_sensitive_feature_that_is_used_from_one_that_is_not():
    rng = np.random.default_rng(1)
    X, _ = planted(0.0, n=2000)
    used = pd.Series(np.where(X["skill"] + (X["colour"] == "green") + 0.3 * rng.normal(size=2000) > 0.5, "in", "out"))
    finding = only(GAP_CARRIERS, subject_of(logistic(), X, used, sensitive=["colour"], favorable="in"))
    assert finding.verdict is Verdict.WARN
    assert "carried by what is sensitive itself: ‘colour’" in finding.detail
    beside = X["colour"]
    X_train, y_train, X_test, y_test = split(X.drop(columns="colour"), used)
    model = logistic().fit(X_train, y_train)
    subject = Subject.of(model, X_test, y_test, sensitive_features=beside.loc[X_test.index], favorable="in")
    assert only(GAP_CARRIERS, subject).verdict in (Verdict.PASS, Verdict.NOTE)


def test_findings_never_use_the_forbidden_words():
    X, y, race, favorable = hmda_variant("as it is")
    subject = subject_of(logistic(), X, y, sensitive=[race, "single"], favorable=favorable)
    for check in CHECKS:
        finding = only(check, subject)
        texts = [finding.title, finding.statement, finding.why, finding.how, finding.remedy]
        texts += [text for e in finding.exhibits for text in (e.title, e.description, *map(str, e.options.values()))]
        assert not [text for text in texts if FORBIDDEN.search(text)]


def test_exhibits_are_tables_of_equal_columns_with_plain_cells():
    subject = subject_of(logistic(), *planted(1.0), sensitive=["colour"], favorable="in")
    for check in CHECKS:
        for exhibit in only(check, subject).exhibits:
            assert {"label", "value", "low", "high"} <= set(exhibit.table)
            assert len({len(column) for column in exhibit.table.values()}) == 1
            for column in exhibit.table.values():
                assert all(cell is None or type(cell) in (str, bool, int, float) for cell in column), exhibit.title


def test_small_groups_stay_hidden_in_every_exhibit():
    X, y = planted(1.0)
    X.loc[X.index[:4], "colour"] = "purple"
    X.loc[X.index[4:60], "colour"] = None
    subject = Subject.of(
        logistic().fit(X, y), X, y, sensitive_features=["colour"], favorable="in", progress=False,
        background=X.iloc[:50],
    )  # fmt: skip
    for check in (GROUP_OUTCOMES, IMPACT_RATIOS, GROUP_ERRORS):
        finding = only(check, subject)
        assert not [m for m in finding.measures if "purple" in m.name]
        for exhibit in finding.exhibits:
            rows = dict(zip(exhibit.table["label"], exhibit.table["value"], strict=True))
            assert rows["colour = purple"] is None
            assert rows["colour = (missing)"] is None
            assert rows["colour = blue"] is not None
    for check in (GAP_CARRIERS, PROXIES):
        assert "purple" not in repr(only(check, subject))


def test_nhanes_with_missing_values_and_six_groups():
    nhanes = load_nhanes()
    subject = subject_of(boosted(), nhanes.X, nhanes.y, sensitive=list(nhanes.sensitive_features), favorable="yes")
    race = nhanes.sensitive_features[0]
    finding = only(GROUP_OUTCOMES, subject)
    rates = (nhanes.y == "no").groupby(nhanes.X[race]).mean()
    assert measure(finding, f"difference in share with the outcome ‘no’ by {race}").value == pytest.approx(
        rates.max() - rates.min(), abs=1e-12
    )
    for check in CHECKS:
        assert only(check, subject).verdict is not Verdict.NOT_APPLICABLE


def test_regression_and_three_classes():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X["sex"] = np.where(X["sex"] > 0, "f", "m")
    encode = (OneHotEncoder(), ["sex"])
    model = make_pipeline(make_column_transformer(encode, remainder="passthrough"), LinearRegression())
    subject = subject_of(model, X, y, sensitive=["sex"])
    outcomes = only(GROUP_OUTCOMES, subject)
    means = y.groupby(X["sex"]).mean()
    assert measure(outcomes, "mean target, sex = f").value == pytest.approx(means["f"], rel=1e-12)
    assert only(IMPACT_RATIOS, subject).verdict is Verdict.NOT_APPLICABLE
    for check in (GROUP_ERRORS, GAP_CARRIERS, PROXIES, WITHOUT_SENSITIVE):
        assert only(check, subject).verdict is not Verdict.NOT_APPLICABLE

    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X.iloc[:, :4].assign(region=np.random.default_rng(0).choice(["n", "s"], len(X)))
    plain = subject_of(logistic(), X, y, sensitive=["region"])
    assert len(only(GROUP_OUTCOMES, plain).exhibits) == 3
    for check in (IMPACT_RATIOS, GROUP_ERRORS, GAP_CARRIERS, WITHOUT_SENSITIVE):
        assert "pass favorable=" in only(check, plain).statement
    first = subject_of(logistic(), X, y, sensitive=["region"], favorable=0)
    for check in CHECKS:
        assert only(check, first).verdict is not Verdict.NOT_APPLICABLE


def test_a_bare_function_is_measured_but_not_fitted_again():
    X, y = planted(2.0, n=400)
    fitted = logistic().fit(X, y)

    def predict(frame):
        return fitted.predict_proba(frame)[:, 1]

    subject = Subject.of(
        predict, X, y, X_train=X, y_train=y, sensitive_features=["colour"], favorable="in", progress=False
    )
    assert only(GROUP_ERRORS, subject).verdict is Verdict.WARN
    assert "cannot be fitted again" in only(WITHOUT_SENSITIVE, subject).statement
    untrained = Subject.of(fitted, X, y, sensitive_features=["colour"], favorable="in", progress=False)
    assert "training data were not given" in only(WITHOUT_SENSITIVE, untrained).statement
    no_sense = Subject.of(
        logistic().fit(X.drop(columns="colour"), y), X.drop(columns="colour"), y, favorable="in", progress=False,
        sensitive_features=X["colour"],
    )  # fmt: skip
    assert "reads no sensitive feature" in only(WITHOUT_SENSITIVE, no_sense).statement


def test_data_alone():
    X, y = planted(2.0, n=400)
    subject = Subject.of(None, X, y, sensitive_features=["colour"], favorable="in", progress=False)
    assert only(GROUP_OUTCOMES, subject).verdict is Verdict.WARN
    assert len(only(IMPACT_RATIOS, subject).measures) == 1
    assert only(PROXIES, subject).verdict is Verdict.NOTE
    assert [check.code for check in CHECKS if check.needs_model] == ["PEL703", "PEL704", "PEL706"]


def test_held_columns_are_constant_everywhere_and_keep_their_types():
    train = pd.DataFrame({"a": pd.Categorical(["x", "y", "y"]), "b": [1.0, np.nan, np.nan], "c": [1, 2, 3]})
    test = pd.DataFrame({"a": pd.Categorical(["x", "y"], categories=["x", "y"]), "b": [4.0, np.nan], "c": [7, 8]})
    first, second = hold_constant((Table.of(train), Table.of(test)), ("a", "b"))
    assert first.native["a"].tolist() == ["y"] * 3
    assert second.native["a"].tolist() == ["y"] * 2
    assert second.native["b"].isna().all()
    assert second.native["c"].tolist() == [7, 8]
    assert first.native.dtypes.equals(train.dtypes)
    alone, other = hold_constant((Table.of(train), Table.of(test)), ("c",))
    assert alone.native["c"].nunique() == other.native["c"].nunique() == 1
