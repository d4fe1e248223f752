"""What each way to narrow a gap does on the mortgage data, against recomputation, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pellucid._base.errors import InputError
from pellucid.datasets import load_hmda
from pellucid.improvement import mitigation_frontier
from pellucid.improvement.features import constrained
from pellucid.improvement.mitigation import WAYS
from pellucid.improvement.refit import Trial
from pellucid.table import Table

QUICK = [way for way in WAYS if way not in ("reduction", "monotone")]


@pytest.fixture(scope="module")
def mortgages():
    hmda = load_hmda()
    encode = (OneHotEncoder(), make_column_selector(dtype_exclude=np.number))
    model = make_pipeline(
        make_column_transformer(encode, remainder=StandardScaler()), LogisticRegression(max_iter=2000)
    )
    return model.fit(hmda.X, hmda.y), hmda


@pytest.fixture(scope="module")
def frontier(mortgages):
    model, hmda = mortgages
    return mitigation_frontier(model, hmda.X, hmda.y, sensitive_features="afam", favorable="no", ways=QUICK)


def test_every_option_has_a_gap_a_price_and_what_it_leaves(frontier):
    assert len(frontier.options) == 1 + len(QUICK)
    assert frontier.left_out == ()
    assert (frontier.group, frontier.reference, frontier.n) == ("yes", "no", 2380)
    for option in frontier.options:
        assert option.gap_low <= option.gap <= option.gap_high
        assert option.price_low <= option.price <= option.price_high
        assert option.leaves
    words = " ".join(frontier.sentences).lower()
    assert not any(claim in words for claim in ("fair ", "compliant", "recommended", "validated"))


def test_the_model_as_given_is_what_a_recomputation_gives(mortgages, frontier):
    model, hmda = mortgages
    trial = Trial.of(model, hmda.X, hmda.y, 0)
    decided, good = np.zeros(2380, dtype=bool), (hmda.y == "no").to_numpy()
    score = trial.base.scores[:, 0]
    for k in range(5):
        held = trial.fold == k
        decided[held] = score[held] >= np.quantile(score[~held], 1 - good[~held].mean(), method="higher")
    black = (hmda.X["afam"] == "yes").to_numpy()
    given = frontier.options[0]
    assert given.gap == pytest.approx(decided[~black].mean() - decided[black].mean(), abs=1e-12)
    assert given.performance == pytest.approx((decided == good).mean(), abs=1e-12)
    assert (given.price, given.price_low, given.price_high) == (0, 0, 0)


def test_disparity_remains_without_race_and_cuts_by_group_close_it(frontier):
    """The issue's figures: removing race leaves most of the gap, which runs through proxies."""
    by_name = {option.name: option for option in frontier.options}
    given, without = by_name["as given"], by_name["without the sensitive column"]
    assert 0.15 < without.gap < given.gap
    assert without.gap_low > 0
    cuts = by_name["a cut for each group"]
    assert cuts.gap_low < 0 < cuts.gap_high
    assert cuts.needs_group
    assert cuts.price > 0


def test_a_reduction_through_fairlearn_narrows_the_gap(mortgages):
    _, hmda = mortgages
    X = hmda.X[["pirat", "lvrat", "chist", "mhist"]]
    plain = LogisticRegression(max_iter=1000).fit(X, hmda.y)
    found = mitigation_frontier(plain, X, hmda.y, sensitive_features=hmda.X["afam"], favorable="no", ways=["reduction"])
    assert found.left_out == ()
    assert abs(found.options[1].gap) < abs(found.options[0].gap)


def test_a_model_is_bound_to_the_directions_in_which_it_moves():
    rng = np.random.default_rng(0)
    group = rng.choice(["u", "v"], 600)
    X = pd.DataFrame({"a": rng.normal(size=600) + (group == "u"), "b": rng.normal(size=600)})
    y = np.where(2 * X["a"] - 2 * X["b"] + rng.normal(size=600) > 0, "yes", "no")
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(X, y)
    found = mitigation_frontier(model, X, y, sensitive_features=group, ways=["monotone"])
    assert [option.name for option in found.options] == ["as given", "monotone in ‘b’"]  # a wavers
    for fitted in constrained(Trial.of(model, X, y, 0), {"a": 1, "b": -1}).run().models:
        for name, way in (("a", 1), ("b", -1)):
            curve = Table.of(pd.DataFrame({"a": 0.0, "b": 0.0} | {name: np.linspace(-3, 3, 50)}))
            assert (way * np.diff(fitted.predict(curve)[:, -1]) >= 0).all()


def test_a_model_without_directions_is_not_bound(mortgages):
    model, hmda = mortgages
    found = mitigation_frontier(model, hmda.X, hmda.y, sensitive_features="afam", favorable="no", ways=["monotone"])
    assert found.left_out == ("monotone: this model has no setting monotonic_cst for directions, or uses it already.",)


def test_what_cannot_be_tried_is_said(mortgages):
    _, hmda = mortgages
    X = hmda.X[["pirat", "lvrat", "chist"]]
    model = LogisticRegression(max_iter=1000).fit(X, hmda.y)
    found = mitigation_frontier(model, X, hmda.y, sensitive_features=hmda.X["afam"], ways=["without_group"])
    assert found.left_out == ("without_group: the model does not read the sensitive column.",)
    assert list(found.to_frame()["name"]) == ["as given"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ways": ["magic"]}, "ways has 'magic'"),
        ({"sensitive_features": ["a"] * 60}, "two groups"),
        ({"sensitive_features": "race"}, "not a column of X"),
        ({"favorable": "maybe"}, "is no class of the model, which has"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(change, message):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    y = np.where(X["a"] > 0, "yes", "no")
    arguments = {"sensitive_features": ["u", "v"] * 30, "ways": ["reweigh"], **change}
    with pytest.raises(InputError, match=message):
        mitigation_frontier(LogisticRegression().fit(X, y), X, y, **arguments)
    with pytest.raises(InputError, match="needs a classifier"):
        mitigation_frontier(LinearRegression().fit(X, X["a"]), X, X["a"], sensitive_features=["u", "v"] * 30)
