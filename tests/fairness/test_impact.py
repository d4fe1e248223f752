import pytest

from pellucid._base.errors import InputError
from pellucid._base.statistics import wilson
from pellucid.datasets import load_hmda, load_nhanes
from pellucid.fairness import impact_ratios
from pellucid.fairness.intervals import log_ratio


def test_mortgage_data():
    hmda = load_hmda()
    found = impact_ratios(hmda.y, sensitive_features=hmda.X["afam"], favorable="no")["afam"]
    assert found.highest == "no"
    assert found.reference == 0.8
    ratio = found.ratios["yes"]
    assert (round(ratio.value, 3), round(ratio.low, 3), round(ratio.high, 3)) == (0.790, 0.738, 0.846)
    assert ratio.n == (339, 2041)
    assert ratio.evidence == "clear"
    assert (found.rates["yes"].low, found.rates["yes"].high) == wilson(243 / 339, 339)
    assert found.ratios["no"].value == 1.0
    assert found.ratios["no"].low is None


def test_every_group_is_read_against_the_highest():
    nhanes = load_nhanes()
    race = nhanes.X["RacehispanicOriginWNhAsian"]
    found = impact_ratios(nhanes.y, sensitive_features=race, favorable="yes")[race.name]
    rates = (nhanes.y == "yes").groupby(race).mean()
    counts = race.value_counts()
    best = rates.idxmax()
    assert found.highest == best
    for group in set(race) - {best}:
        assert found.ratios[group].value == pytest.approx(rates[group] / rates[best], rel=1e-12)
        expected = log_ratio((rates[group], counts[group]), (rates[best], counts[best]))
        assert (found.ratios[group].low, found.ratios[group].high) == pytest.approx(expected, rel=1e-12)


def test_small_and_single_groups():
    group = ["a"] * 30 + ["b"] * 20 + ["c"]
    found = impact_ratios([1, 0, 1] * 17, sensitive_features=group, favorable=1)["group"]
    assert found.rates["b"].value is None
    assert found.rates["c"].reason.startswith("withheld")
    assert found.ratios["c"].evidence == "undefined"
    assert found.ratios["a"].reason == "undefined, because there is no other group to compare with"
    nobody = impact_ratios([1, 0, 1], sensitive_features=["a", "b", "c"], favorable=1)["group"]
    assert nobody.highest is None


def test_nobody_selected_and_weights_of_zero():
    group = ["a"] * 20 + ["b"] * 20
    found = impact_ratios([0] * 20 + [0, 1] * 10, sensitive_features=group, favorable=1)["group"]
    assert found.ratios["a"].value == 0.0
    assert found.ratios["a"].evidence == "insufficient"
    weighted = impact_ratios([0, 1] * 20, sensitive_features=group, favorable=1, sample_weight=[0] * 20 + [1] * 20)
    assert weighted["group"].rates["a"].reason == "undefined, because there are no rows with weight"


def test_favorable_is_needed_and_must_occur():
    with pytest.raises(InputError, match="favorable is needed"):
        impact_ratios([1, 0], sensitive_features=["a", "b"], favorable=None)
    with pytest.raises(InputError, match="not among the outcomes"):
        impact_ratios([1, 0], sensitive_features=["a", "b"], favorable="No")
