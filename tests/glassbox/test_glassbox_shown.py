"""What fitted models show of themselves is what they do."""

import sys

import numpy as np
import pandas as pd
import pytest

from pellucid._base.errors import InputError, MissingDependencyError, UnsupportedRequestError
from pellucid.glassbox import RUNGS, describe, fit, paths
from pellucid.table import Table


@pytest.fixture(name="mixed", scope="module")
def _mixed():
    rng = np.random.default_rng(8)
    n = 600
    X = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 10, n)),
            "job": rng.choice(["clerk", "nurse", "cook"], n, p=[0.5, 0.3, 0.2]),
            "owns": rng.random(n) < 0.4,
        }
    )
    X.loc[::23, "job"] = None
    margin = (X["age"].fillna(50) - 40) / 8 + 1.5 * (X["job"] == "nurse") - X["owns"]
    return X, margin.to_numpy(), np.where(margin + rng.logistic(size=n) > 0, "yes", "no")


def from_coefficients(table, X):
    """The linear predictor, row by row, from the words of the coefficient table."""
    total = np.zeros(len(X))
    for line in pd.DataFrame(table).itertuples():
        if line.feature == "intercept":
            flag = 1.0
        elif line.change.startswith("missing instead of ") and X[line.feature].dtype.kind == "f":
            flag = X[line.feature].isna().to_numpy(dtype=float)
        elif " instead of " in line.change:
            level = line.change.split(" instead of ")[0]
            values = X[line.feature]
            words = values.map({True: "true", False: "false"}) if values.dtype == bool else values.fillna("missing")
            flag = (words == level).to_numpy(dtype=float)
        else:
            flag = X[line.feature].fillna(X[line.feature].median()).to_numpy()
        total += line.coefficient * flag
    return total


def test_logistic_table_is_the_model(mixed):
    X, _, y = mixed
    model = fit("linear", X, y)
    table = describe(model, X, y).tables["coefficients"]
    np.testing.assert_allclose(from_coefficients(table, X), model.decision_function(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.log(table["odds_ratio"]), table["coefficient"])


def test_linear_table_is_the_model(mixed):
    X, margin, _ = mixed
    model = fit("linear", X, margin)
    table = describe(model, X, margin).tables["coefficients"]
    np.testing.assert_allclose(from_coefficients(table, X), model.predict(X), rtol=1e-9, atol=1e-9)


@pytest.mark.heavy
@pytest.mark.parametrize("task", ["regression", "binary"])
def test_coefficient_intervals_cover(task):
    """120 samples of known truth: 95 % intervals must cover it in 95 % ± 4 points (over 3 standard errors)."""
    truth, hits, total = np.array([0.8, -0.5, 0.0]), 0, 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 3)) * [1, 4, 0.1] + [0, 10, 0]
        margin = X @ (truth / [1, 4, 0.1])
        margin = margin - margin.mean()
        y = (
            margin + rng.normal(0, 2, 200)
            if task == "regression"
            else (margin + rng.logistic(size=200) > 0).astype(int)
        )
        table = describe(fit("linear", X, y), X, y).tables["coefficients"]
        slopes = truth / [1, 4, 0.1]
        hits += sum(table["low"][j] <= slopes[j] <= table["high"][j] for j in range(3))
        total += 3
    assert 0.91 <= hits / total <= 0.99


def test_ols_intervals_where_the_penalty_is_nothing():
    """With many rows the ridge intervals are the textbook's least-squares intervals."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=5000)
    table = describe(fit("linear", X, y), X, y).tables["coefficients"]
    D = np.column_stack([X, np.ones(5000)])
    beta, rss, *_ = np.linalg.lstsq(D, y)
    error = np.sqrt(np.diag(np.linalg.inv(D.T @ D)) * rss[0] / (5000 - 3))
    np.testing.assert_allclose(table["coefficient"], beta, atol=1e-3)
    half = (np.array(table["high"]) - np.array(table["low"])) / 2
    np.testing.assert_allclose(half, 1.9604 * error, rtol=1e-3)


def test_intervals_do_not_depend_on_the_scale_of_weights(mixed):
    X, margin, _ = mixed
    y = margin + np.random.default_rng(0).normal(size=len(margin))
    one = describe(fit("linear", X, y, sample_weight=np.ones(600)), X, y, sample_weight=np.ones(600))
    ten = describe(fit("linear", X, y, sample_weight=np.full(600, 10.0)), X, y, sample_weight=np.full(600, 10.0))
    np.testing.assert_allclose(one.tables["coefficients"]["low"], ten.tables["coefficients"]["low"], atol=0.01)


def test_three_classes(mixed):
    X, margin, _ = mixed
    y = np.array(["low", "mid", "top"])[np.digitize(margin, [-1, 1])]
    table = pd.DataFrame(describe(fit("linear", X, y), X, y).tables["coefficients"])
    assert set(table["output"]) == {"low", "mid", "top"}
    assert (table["low"] < table["coefficient"]).all()
    age = table[(table["feature"] == "age") & (table["change"] == "+1")].set_index("output")
    assert age.loc["top", "low"] > age.loc["low", "high"]


def holds(words, row):
    """Read a branch's words as a person would."""
    missing = words.endswith(" or missing")
    words = words.removesuffix(" or missing")
    name = words.split(" ")[0]
    value = row[name]
    is_missing = pd.isna(value)
    if " is " in words:
        said = words.split(" is ")[1]
        if said in ("true", "false"):
            return str(value).lower() == said
        level = said.removeprefix("not ").strip("‘’")
        same = level == "missing" if is_missing else level == value
        return same != said.startswith("not ")
    if is_missing:
        return missing
    limit = float(words.split(" ")[2])
    return value <= limit if "≤" in words else value > limit


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_tree_words_lead_every_row_to_its_leaf(mixed, task):
    X, margin, y = mixed
    target = y if task == "binary" else margin
    model = fit("tree", X, target)
    shown = describe(model, X, target)
    nodes = shown.tables["nodes"]
    children = {}
    for node, parent in zip(nodes["id"], nodes["parent"], strict=True):
        children.setdefault(parent, []).append(node)
    leaves = model.named_steps["model"].apply(model.named_steps["encoder"].transform(X))
    for i, (_, row) in enumerate(X.iterrows()):
        node = 0
        while node in children:
            fits = [child for child in children[node] if holds(nodes["branch"][child], row)]
            assert len(fits) == 1
            node = fits[0]
        assert node == leaves[i]
    way = paths(model, X[:3], training=X)[0]
    assert way[-1] == nodes["text"][leaves[0]]
    assert all(holds(words, X.iloc[0]) for words in way[:-1])
    assert set(shown.tree) >= {"id", "parent", "branch", "text"}


def test_tree_values_are_the_rows_own(mixed):
    X, margin, y = mixed
    model = fit("tree", X, y)
    nodes = describe(model, X, y).tables["nodes"]
    assert nodes["rows"][0] == 600
    assert nodes["value"][0] == pytest.approx(max(np.mean(y == "yes"), np.mean(y == "no")))
    means = describe(fit("tree", X, margin), X, margin).tables["nodes"]
    assert means["value"][0] == pytest.approx(margin.mean())


def test_ebm_curves_are_the_model():
    pytest.importorskip("interpret")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"u": rng.normal(size=400), "c": rng.choice(["p", "q"], 400)})
    X.loc[::11, "c"] = None
    X.loc[::7, "u"] = np.nan
    y = (X["u"].fillna(0) + (X["c"] == "p") + rng.logistic(size=400) > 0).astype(int)
    model = fit("EBM", X, y)
    shown = describe(model, X, y)
    curves = pd.DataFrame(shown.tables["curves"])
    categories = curves[curves["feature"] == "c"].set_index("value")["score"]
    assert {"p", "q", "missing"} <= set(categories.index)
    one = X.assign(c="p", u=0.3)
    other = X.assign(c="q", u=0.3)
    pair = [t for t in shown.tables["terms"]["term"] if "×" in t]
    gap = (model.decision_function(one) - model.decision_function(other))[0]
    if not pair:
        assert gap == pytest.approx(categories["p"] - categories["q"])
    assert categories["p"] > categories["q"]
    assert (curves["low"] <= curves["score"]).all()


def test_ebm_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "interpret.glassbox", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pellucid\[ebm\]'"):
        RUNGS["EBM"].build("binary", Table.of([[0.0], [1.0]]), 0)


def test_bad_requests_are_told(mixed):
    X, margin, y = mixed
    with pytest.raises(InputError, match=r"name must be one of 'linear'.*got 'forest'"):
        fit("forest", X, y)
    with pytest.raises(UnsupportedRequestError, match="scorecard does binary targets; y is regression"):
        fit("scorecard", X, margin)
    with pytest.raises(InputError, match="y has one value only, 1"):
        fit("tree", X, np.ones(600, dtype=int))
    with pytest.raises(InputError, match="y is missing in 1 of 600 rows"):
        fit("tree", X, [None, *y[1:]])
    with pytest.raises(InputError, match="one value per row, 600"):
        fit("tree", X, y[:5])
    with pytest.raises(UnsupportedRequestError, match="only a tree has decision paths"):
        paths(fit("linear", X, y), X)
