"""Every check has a subject that must fail (or warn) it and one that must pass."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from pellucid._base.errors import AdditivityError
from pellucid.auditing.checks import trust
from pellucid.auditing.checks.base import NotApplicable
from pellucid.auditing.checks.calibration import CALIBRATION, GROUP_CALIBRATION
from pellucid.auditing.checks.data import COLUMNS, MISSING, REPRESENTATION, ROWS, SUBJECT
from pellucid.auditing.checks.decisions import SINGLE_DECISIONS
from pellucid.auditing.checks.dominance import DOMINANCE, UNUSED
from pellucid.auditing.checks.effects import EFFECTS
from pellucid.auditing.checks.importance import SHAPLEY_IMPORTANCE, SHUFFLE_IMPORTANCE
from pellucid.auditing.checks.performance import GROUP_PERFORMANCE, PERFORMANCE
from pellucid.auditing.checks.residual import RESIDUAL, STANDARD_ERRORS
from pellucid.auditing.checks.robustness import EXTRAPOLATION, NOISE, exceeded_by_chance, outside_training
from pellucid.auditing.checks.trust import AGREEMENT, FAITHFULNESS, STABILITY
from pellucid.auditing.findings import Verdict
from pellucid.auditing.subject import Subject
from pellucid.table import Table


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


def frame(n=400, seed=0, columns=("a", "b", "c")):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, len(columns))), columns=list(columns))


def labels(score, seed=1):
    return np.where(np.random.default_rng(seed).random(len(score)) < sigmoid(np.asarray(score)), "yes", "no")


# --- the data -----------------------------------------------------------------------------------------------------


def test_subject_says_what_was_audited(make_subject):
    found = SUBJECT.run(make_subject(n=123, favorable="no"))
    assert "123 rows" in found.statement
    assert "‘no’ is the favourable outcome" in found.detail
    assert found.exhibits[0].table["n"][0] + found.exhibits[0].table["n"][1] == 123


def test_missing_values(make_subject):
    X = frame()
    y = labels(X["a"])
    assert MISSING.run(make_subject(X=X, y=y, model=None)).verdict is Verdict.PASS
    some = X.assign(b=X["b"].where(np.arange(400) >= 40))
    assert MISSING.run(make_subject(X=some, y=y, model=None)).verdict is Verdict.NOTE
    many = MISSING.run(make_subject(X=X.assign(b=X["b"].where(np.arange(400) >= 200)), y=y, model=None))
    assert many.verdict is Verdict.WARN
    assert many.measures[0].value == 0.5


def test_constant_and_equal_columns(make_subject):
    X = frame()
    y = labels(X["a"])
    assert COLUMNS.run(make_subject(X=X, y=y, model=None)).verdict is Verdict.PASS
    doubled = X.assign(k=1, twin=-2 * X["a"], words=np.where(X["b"] > 0, "up", "down"), flags=X["b"] > 0)
    found = COLUMNS.run(make_subject(X=doubled, y=y, model=None))
    assert found.verdict is Verdict.NOTE
    assert [measure.value for measure in found.measures] == [1, 2]
    assert "‘a’ and ‘twin’" in found.statement
    assert "‘words’ and ‘flags’" in found.statement


def test_repeated_rows(make_subject):
    X = frame()
    y = labels(X["a"])
    assert ROWS.run(make_subject(X=X, y=y, model=None)).verdict is Verdict.PASS
    twice = np.r_[0:400, 0:100]
    found = ROWS.run(make_subject(X=X.iloc[twice], y=y[twice], model=None))
    assert found.verdict is Verdict.NOTE
    assert found.measures[0].value == 0.2


def test_representation(make_subject):
    even = np.tile(["x", "y"], 200)
    assert REPRESENTATION.run(make_subject(sensitive_features={"g": even})).verdict is Verdict.PASS
    thin = np.array(["x"] * 388 + ["y"] * 12)
    assert REPRESENTATION.run(make_subject(sensitive_features={"g": thin})).verdict is Verdict.WARN
    with pytest.raises(NotApplicable):
        REPRESENTATION.run(make_subject())


def test_a_group_below_the_floor_is_never_shown(make_subject):
    tiny = np.array(["x"] * 180 + ["y"] * 180 + ["z"] * 37 + ["lonely"] * 3)
    subject = make_subject(sensitive_features={"g": tiny})
    for check in (REPRESENTATION, GROUP_PERFORMANCE, GROUP_CALIBRATION):
        found = check.run(subject)
        shown = [
            cell for exhibit in found.exhibits for row in zip(*exhibit.table.values(), strict=True) for cell in [row]
        ]
        assert not any("lonely" in str(row) and 3 in row for row in shown)
        assert not any("lonely" in measure.name for measure in found.measures)


# --- performance --------------------------------------------------------------------------------------------------


def test_performance_against_a_constant(make_subject):
    assert PERFORMANCE.run(make_subject()).verdict is Verdict.PASS
    worse = PERFORMANCE.run(make_subject(model=lambda X: sigmoid(-3 * X["a"]).to_numpy()))
    assert worse.verdict is Verdict.FAIL
    assert "no better than a constant" in worse.statement


def test_performance_of_regression_and_of_scores():
    X = frame()
    y = X["a"] * 2 + np.random.default_rng(0).normal(size=400)
    good = Subject.of(LinearRegression().fit(X[:200], y[:200]), X[200:], y[200:], progress=False)
    found = PERFORMANCE.run(good)
    assert found.verdict is Verdict.PASS
    assert found.measures[0].name == "R²"
    bad = Subject.of(lambda X: -2 * X["a"].to_numpy(), X, y, progress=False)
    assert PERFORMANCE.run(bad).verdict is Verdict.FAIL


def test_performance_by_group(make_subject):
    X = frame(n=600)
    groups = np.tile(["x", "y"], 300)
    y = labels(3 * X["a"])
    same = make_subject(X=X, y=y, model=lambda X: sigmoid(3 * X["a"]).to_numpy(), sensitive_features={"g": groups})
    assert GROUP_PERFORMANCE.run(same).verdict is Verdict.PASS
    swapped = labels(np.where(groups == "y", -3, 3) * X["a"])
    found = GROUP_PERFORMANCE.run(
        make_subject(X=X, y=swapped, model=lambda X: sigmoid(3 * X["a"]).to_numpy(), sensitive_features={"g": groups})
    )
    assert found.verdict is Verdict.WARN
    assert found.measures[0].low > 0.5


def test_calibration(make_subject):
    X = frame(n=1500)
    y = labels(X["a"])
    right = make_subject(X=X, y=y, model=lambda X: sigmoid(X["a"]).to_numpy())
    assert CALIBRATION.run(right).verdict is Verdict.PASS
    sure = CALIBRATION.run(make_subject(X=X, y=y, model=lambda X: sigmoid(4 * X["a"]).to_numpy()))
    assert sure.verdict is Verdict.WARN
    assert sure.exhibits[0].kind == "calibration"


def test_calibration_calls_chance_chance(make_subject):
    """A model that is right on average must not be warned about more often than it says (5 %)."""
    warned = 0
    for seed in range(40):
        X = frame(n=150, seed=seed)
        subject = make_subject(X=X, y=labels(X["a"], seed=1000 + seed), model=lambda X: sigmoid(X["a"]).to_numpy())
        warned += CALIBRATION.run(subject).verdict is Verdict.WARN
    assert warned <= 6


def test_calibration_by_group(make_subject):
    X = frame(n=1200)
    groups = np.tile(["x", "y"], 600)
    model = lambda X: sigmoid(X["a"]).to_numpy()  # noqa: E731
    fine = make_subject(X=X, y=labels(X["a"]), model=model, sensitive_features={"g": groups})
    assert GROUP_CALIBRATION.run(fine).verdict is Verdict.PASS
    shifted = make_subject(
        X=X, y=labels(X["a"] + np.where(groups == "y", 1.5, 0)), model=model, sensitive_features={"g": groups}
    )
    found = GROUP_CALIBRATION.run(shifted)
    assert found.verdict is Verdict.WARN
    assert "underestimated" in found.statement
    assert "‘g’ = ‘y’" in found.statement


@pytest.mark.parametrize("check", [GROUP_PERFORMANCE, GROUP_CALIBRATION])
def test_many_equal_groups_are_not_called_different(make_subject, check):
    """Of eight groups one is always worst; looking at many must not turn chance into a finding (5 %)."""
    warned = 0
    for seed in range(20):
        X = frame(n=480, seed=seed)
        groups = np.random.default_rng(500 + seed).choice(list("abcdefgh"), 480)
        subject = make_subject(
            X=X, y=labels(X["a"], seed=1000 + seed), model=lambda X: sigmoid(X["a"]).to_numpy(),
            sensitive_features={"g": groups},
        )  # fmt: skip
        warned += check.run(subject).verdict is Verdict.WARN
    assert warned <= 4


# --- what it uses -------------------------------------------------------------------------------------------------


def test_importance_of_a_linear_model_is_known():
    X = frame(n=300)
    y = 3 * X["a"] - X["b"]
    subject = Subject.of(LinearRegression().fit(X, y), X, y, background=X, progress=False)
    found = SHAPLEY_IMPORTANCE.run(subject)
    expected = {name: np.abs(k * (X[name] - X[name].mean())).mean() for name, k in (("a", 3), ("b", 1))}
    by_name = {measure.name.split(" of ")[1]: measure for measure in found.measures}
    for name, value in expected.items():
        assert by_name[name].value == pytest.approx(value, rel=1e-9)
        assert by_name[name].low < value < by_name[name].high
    assert next(iter(by_name)) == "a"


def test_shuffling_finds_what_helps(make_subject):
    found = SHUFFLE_IMPORTANCE.run(make_subject())
    by_name = {measure.name.removeprefix("loss without "): measure for measure in found.measures}
    assert by_name["a"].value > by_name["b"].value > by_name["c"].value == 0
    margins = Subject.of(_margins(), frame(), labels(frame()["a"]), progress=False)
    with pytest.raises(NotApplicable):
        SHUFFLE_IMPORTANCE.run(margins)


def _margins():
    from sklearn.svm import LinearSVC

    return LinearSVC().fit(frame(), labels(frame()["a"]))


def test_effects_know_the_direction(make_subject):
    found = EFFECTS.run(make_subject())
    sentences = {sentence.split("’")[0][1:]: sentence for sentence in found.detail.split(". ")}
    assert "rises steadily" in sentences["a"]
    assert "falls steadily" in sentences["b"]
    curve = found.exhibits[0].table
    assert len(curve["x"]) == len(curve["y"]) == len(curve["low"])


def test_effects_begin_with_what_moves_furthest_and_claim_nothing_within_the_noise():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["either way", "moves"])

    def model(x):
        return 2 * x["moves"] + np.sign(np.sin(50 * x["moves"])) * 5 * (x["either way"] > 0)

    found = EFFECTS.run(Subject.of(model, X, model(X), background=X, progress=False))
    assert [exhibit.title for exhibit in found.exhibits] == ["Effect of moves", "Effect of either way"]
    assert "‘either way’: the band holds zero everywhere" in found.detail
    assert "‘moves’, from" in found.detail


# --- single decisions ---------------------------------------------------------------------------------------------


def test_single_decisions_say_how_to_ask(make_subject):
    found = SINGLE_DECISIONS.run(make_subject())
    assert found.verdict is Verdict.NOTE
    assert "rows=" in found.statement


def test_single_decisions_show_both_methods(make_subject):
    found = SINGLE_DECISIONS.run(make_subject(rows=[3, 17]))
    assert [finding.statement.startswith(f"Row {row} ") for finding, row in zip(found, (3, 17), strict=True)] == [
        True
    ] * 2
    waterfall, compare = found[0].exhibits
    total = waterfall.options["base"] + sum(waterfall.table["contribution"])
    assert total == pytest.approx(waterfall.options["prediction"], abs=1e-9)
    assert set(compare.table["method"]) == {"Shapley", "LIME"}
    assert any(measure.name == "LIME local R²" for measure in found[0].measures)


def test_a_waterfall_has_the_largest_first_and_the_rest_in_one_step(make_subject):
    X = frame(columns="abcdefghijklm")
    sizes = np.linspace(3, 0.1, 13)
    y = labels(X @ sizes)
    subject = make_subject(X=X, y=y, model=LogisticRegression().fit(X, y), rows=[1])
    waterfall = SINGLE_DECISIONS.run(subject)[0].exhibits[0]
    contributions = waterfall.table["contribution"]
    assert waterfall.table["feature"][-1] == "3 other features"
    assert np.all(np.diff(np.abs(contributions[:-1])) <= 0)
    total = waterfall.options["base"] + sum(contributions)
    assert total == pytest.approx(waterfall.options["prediction"], abs=1e-9)


def test_typical_rows_are_what_they_say(make_subject):
    subject = make_subject(rows="typical")
    reasons = [finding.statement for finding in SINGLE_DECISIONS.run(subject)]
    score, hit = subject.probability[:, 1], subject.y_index
    wrong = np.argmin(np.where(hit == 1, score, 1 - score))
    border = np.argmin(np.abs(score - 0.5))
    assert f"Row {border} (borderline" in reasons[1]
    assert f"Row {wrong} (most wrong" in reasons[2]


# --- trust --------------------------------------------------------------------------------------------------------


def with_explanation(subject, **changes):
    """Plant another explanation in a subject."""
    vars(subject)["_explained"] = replace(subject.explanation, **changes)
    return subject


def test_residual(make_subject):
    assert RESIDUAL.run(make_subject()).verdict is Verdict.PASS
    subject = make_subject()
    off = subject.explanation.values + 1e-3
    assert RESIDUAL.run(with_explanation(subject, values=off)).verdict is Verdict.FAIL


def test_a_model_that_answers_differently_each_time_fails(make_subject):
    rng = np.random.default_rng(0)
    calls = []

    def moody(X):
        calls.append(len(X))
        return rng.random(len(X))

    subject = make_subject(model=moody)
    assert RESIDUAL.run(subject).verdict is Verdict.FAIL
    asked = len(calls)
    with pytest.raises(AdditivityError):
        DOMINANCE.run(subject)
    assert len(calls) == asked  # a failed explanation is not tried again


def test_standard_errors(make_subject):
    assert STANDARD_ERRORS.run(make_subject()).verdict is Verdict.PASS
    subject = make_subject()
    rough = np.full_like(subject.explanation.values, 0.3)
    assert STANDARD_ERRORS.run(with_explanation(subject, std_error=rough)).verdict is Verdict.WARN
    fine = np.full_like(subject.explanation.values, 1e-6)
    assert STANDARD_ERRORS.run(with_explanation(make_subject(), std_error=fine)).verdict is Verdict.PASS


def jagged(X):
    """Flips with the tenth digit of its inputs, so that nothing about it is stable."""
    return 0.5 + 0.4 * np.sign(np.sin(1e4 * (X["a"] + 3 * X["b"] + 7 * X["c"]))).to_numpy()


def test_stability(make_subject):
    assert STABILITY.run(make_subject()).verdict is Verdict.PASS
    X = frame(n=200)
    assert STABILITY.run(make_subject(X=X, y=labels(X["a"]), model=jagged)).verdict is Verdict.WARN


class Reversed(trust.Explainer):
    """An explainer that says the opposite."""

    def __call__(self, X, y=None):
        found = super().__call__(X, y)
        return replace(found, values=-found.values)


def test_faithfulness(make_subject, monkeypatch):
    assert FAITHFULNESS.run(make_subject()).verdict is Verdict.PASS
    monkeypatch.setattr(trust, "Explainer", Reversed)
    assert FAITHFULNESS.run(make_subject()).verdict is Verdict.FAIL


def two_bumps(X):
    """Flat where the rows lie, so that a local slope and a difference from the background say different things."""
    parts = [np.tanh(40 * X[name] + shift) for name, shift in zip("abcdef", (0, 9, -9, 5, -5, 2), strict=True)]
    return sigmoid(parts[0] * parts[1] + parts[2] * parts[3] + parts[4] * parts[5]).to_numpy()


def test_agreement():
    X = frame(n=200, columns="abcdef")
    linear = LogisticRegression().fit(X, labels(X @ [3.0, -2, 1.5, -1, 0.5, 0.2]))
    good = Subject.of(linear, X, labels(X["a"]), progress=False)
    assert AGREEMENT.run(good).verdict is Verdict.PASS
    found = AGREEMENT.run(Subject.of(two_bumps, X, labels(X["a"]), policy={"agreement_warn": 0.9}, progress=False))
    assert found.verdict is Verdict.WARN
    assert found.statement


def test_one_feature_has_no_order(make_subject):
    X = frame(columns=["a"])
    subject = make_subject(X=X, y=labels(X["a"]), model=lambda X: sigmoid(X["a"]).to_numpy())
    for check in (STABILITY, FAITHFULNESS, AGREEMENT, DOMINANCE):
        with pytest.raises(NotApplicable):
            check.run(subject)


# --- reliability --------------------------------------------------------------------------------------------------


def test_dominance(make_subject):
    X = frame(columns="abcd")
    y = labels(X.sum(axis=1))
    even = make_subject(X=X, y=y, model=lambda X: sigmoid(X.sum(axis=1)).to_numpy())
    assert DOMINANCE.run(even).verdict is Verdict.PASS
    most = make_subject(X=X, y=y, model=lambda X: sigmoid(2 * X["a"] + 0.3 * X["b"] + 0.3 * X["c"]).to_numpy())
    assert DOMINANCE.run(most).verdict is Verdict.WARN
    alone = make_subject(X=X, y=y, model=lambda X: sigmoid(2 * X["a"]).to_numpy())
    assert DOMINANCE.run(alone).verdict is Verdict.FAIL


def test_unused_features(make_subject):
    found = UNUSED.run(make_subject())
    assert found.verdict is Verdict.NOTE
    assert "(‘c’)" in found.statement
    X = frame()
    every = make_subject(X=X, y=labels(X["a"]), model=lambda X: sigmoid(X.sum(axis=1)).to_numpy())
    assert UNUSED.run(every).verdict is Verdict.PASS


def test_unused_features_of_a_sampled_explanation_are_within_its_error(make_subject):
    subject = make_subject()
    values = subject.explanation.values.copy()
    values[:, 2, :] = 1e-5
    noisy = with_explanation(subject, values=values, std_error=np.full_like(values, 1e-4))
    assert "(‘c’)" in UNUSED.run(noisy).statement


def test_noise(make_subject):
    X = frame()
    y = labels(3 * X["a"])
    smooth = make_subject(X=X, y=y, model=lambda X: sigmoid(3 * X["a"]).to_numpy())
    assert NOISE.run(smooth).verdict is Verdict.PASS
    assert NOISE.run(make_subject(X=X, y=y, model=jagged)).verdict is Verdict.WARN


def test_noise_of_regression():
    X = frame()
    y = X["a"] + 0.1
    assert NOISE.run(Subject.of(LinearRegression().fit(X, y), X, y, progress=False)).verdict is Verdict.PASS
    assert NOISE.run(Subject.of(jagged, X, y, progress=False)).verdict is Verdict.WARN


def test_extrapolation(make_subject):
    train, X = frame(n=2000, seed=5), frame(n=300)
    y = labels(X["a"])
    inside = make_subject(X=X, y=y, X_train=train)
    assert EXTRAPOLATION.run(inside).verdict is Verdict.PASS
    shifted = X.assign(a=X["a"] + 3)
    found = EXTRAPOLATION.run(make_subject(X=shifted, y=y, X_train=train))
    assert found.verdict is Verdict.WARN
    expected = ((shifted < train.min()) | (shifted > train.max())).any(axis=1).mean()
    assert found.measures[0].value == pytest.approx(expected)


def test_many_columns_exceed_some_range_by_chance(make_subject):
    """With 30 columns and 100 training rows nearly half the rows are outside somewhere, and nothing is wrong."""
    columns = [f"x{j}" for j in range(30)]
    train, X = frame(n=100, seed=5, columns=columns), frame(n=400, columns=columns)
    subject = make_subject(X=X, y=labels(X["x0"]), model=lambda X: sigmoid(X["x0"]).to_numpy(), X_train=train)
    found = EXTRAPOLATION.run(subject)
    assert found.verdict is Verdict.PASS
    assert found.measures[0].value == pytest.approx(exceeded_by_chance(subject.X, subject.X_train), abs=0.1)


def test_what_counts_as_outside():
    train = Table.of(pd.DataFrame({"x": [0.0, 1.0, 2.0], "g": ["a", "b", None], "z": [1.0, np.nan, 3.0]}))
    X = Table.of(pd.DataFrame({"x": [1.0, np.nan, 2.5], "g": ["a", "new", None], "z": [np.nan, 2.0, 0.0]}))
    assert outside_training(X, train).tolist() == [[False, False, False], [True, True, False], [True, False, True]]


def test_checks_run_on_missing_values_and_categories():
    rng = np.random.default_rng(0)
    X = frame(n=300).assign(g=rng.choice(["u", "v", None], 300))
    X.loc[::7, "a"] = np.nan
    y = labels(X["b"])
    model = HistGradientBoostingClassifier(max_iter=10, categorical_features=["g"])
    model.fit(X.assign(g=X["g"].astype("category")), y)
    subject = Subject.of(model, X.assign(g=X["g"].astype("category")), y, progress=False, rows="typical")
    for check in (MISSING, PERFORMANCE, NOISE, SHUFFLE_IMPORTANCE, COLUMNS, ROWS):
        assert check.run(subject).verdict in (Verdict.PASS, Verdict.NOTE, Verdict.WARN)
