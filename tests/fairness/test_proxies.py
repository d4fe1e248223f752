import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pellucid.datasets import load_hmda
from pellucid.fairness import proxies


def by_feature(found):
    return {proxy.feature: proxy for proxy in found}


def test_areas_of_the_mortgage_data_agree_with_scikit_learn():
    hmda = load_hmda()
    found = proxies(hmda.X, hmda.X["afam"])
    assert {proxy.feature for proxy in found} == set(hmda.X.columns) - {"afam"}
    assert {proxy.group for proxy in found} == {"yes"}
    member = hmda.X["afam"] == "yes"
    for proxy in found:
        values = hmda.X[proxy.feature]
        numbers = values if values.dtype.kind in "if" else (values == "yes").astype(float)
        assert proxy.auc == pytest.approx(roc_auc_score(member, numbers), abs=1e-12)
        assert proxy.low < proxy.auc < proxy.high
    strengths = [proxy.strength for proxy in found]
    assert strengths == sorted(strengths, reverse=True)
    assert found[0].feature in {"lvrat", "chist"}


def test_categories_are_judged_out_of_sample():
    rng = np.random.default_rng(0)
    n = 600
    group = rng.choice(["x", "y"], size=n)
    town = np.where(rng.uniform(size=n) < 0.8, np.where(group == "x", "north", "south"), "east")
    frame = pd.DataFrame({"town": town, "name": [f"n{i}" for i in range(n)], "colour": rng.choice(list("rgb"), n)})
    found = by_feature(proxies(frame, group))
    assert found["town"].auc > 0.85
    assert found["name"].low <= 0.5 <= found["name"].high
    assert abs(found["colour"].auc - 0.5) < 0.08


def test_missing_values_are_left_out_and_counted():
    values = [1.0, np.nan, 2.0, 3.0] * 10
    found = proxies({"v": values, "w": ["a", None, "b", "a"] * 10}, ["x", "x", "y", "y"] * 10)
    assert by_feature(found)["v"].n == 30
    assert by_feature(found)["w"].n == 30
    empty = proxies({"v": [np.nan, 1.0] * 20}, ["x", "y"] * 20)
    assert empty[0].auc is None
    assert empty[0].reason.startswith("undefined, because")


def test_every_group_of_several_is_told_from_the_rest():
    group = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    found = proxies({"rank": list(range(60))}, {"g": group, "h": ["u", "v"] * 30})
    assert {(proxy.grouping, proxy.group) for proxy in found} == {("g", "a"), ("g", "b"), ("g", "c"), ("h", "u")}
    areas = {proxy.group: proxy.auc for proxy in found}
    assert (areas["a"], areas["b"], areas["c"]) == (0.0, 0.5, 1.0)


def test_one_group_and_small_groups_give_nothing():
    assert proxies({"v": [1, 2, 3]}, ["a"] * 3) == ()
    assert proxies({"v": list(range(20))}, ["a"] * 17 + ["b"] * 3) == ()
