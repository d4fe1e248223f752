import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid.explanation import Explanation, Provenance, Quality
from pellucid.fairness import gap_by_feature
from pellucid.ir import Space


def explanation_of(values, base=0.0, bound=0.0):
    rows, features, outputs = values.shape
    return Explanation(
        values=values,
        base_values=np.full((rows, outputs), base) if np.isscalar(base) else base,
        features=tuple(f"f{j}" for j in range(features)),
        outputs=tuple(f"o{k}" for k in range(outputs)),
        space=Space.RAW,
        quality=Quality(residual=0.0, bound=bound),
        provenance=Provenance(method="lime" if bound is None else "exact", reason="", model=""),
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 3), st.integers(2, 4))
def test_parts_add_up_to_the_gap_of_the_mean_predictions(seed, features, outputs, groups):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(80, features, outputs))
    explanation = explanation_of(values, base=rng.normal(size=(80, outputs)))
    group = np.array([f"g{i}" for i in rng.permutation(np.arange(80) % groups)])
    gaps = gap_by_feature(explanation, group)
    assert len(gaps) == groups - 1
    for gap in gaps:
        inside, outside = group == gap.group, group == gap.reference
        mean = explanation.prediction[inside].mean(axis=0) - explanation.prediction[outside].mean(axis=0)
        np.testing.assert_allclose(gap.values.sum(axis=0) + gap.base, mean, atol=1e-12)
        np.testing.assert_allclose(gap.total, mean, atol=1e-12)
        np.testing.assert_allclose(gap.values, values[inside].mean(axis=0) - values[outside].mean(axis=0), atol=1e-12)
        assert (gap.low <= gap.values).all()
        assert (gap.values <= gap.high).all()
        assert (gap.n, gap.n_reference) == (inside.sum(), outside.sum())


def test_the_largest_group_is_the_reference_and_small_ones_are_left_out():
    values = np.zeros((60, 1, 1))
    group = ["small"] * 4 + ["next"] * 12 + ["middle"] * 14 + ["large"] * 30
    gaps = gap_by_feature(explanation_of(values), group)
    assert [(gap.group, gap.reference) for gap in gaps] == [("middle", "large")]
    assert gap_by_feature(explanation_of(values), ["one"] * 60) == ()


def test_intervals_cover_the_truth_about_as_often_as_promised():
    rng = np.random.default_rng(4)
    hits = 0
    for repeat in range(150):
        values = rng.normal(size=(70, 1, 1))
        values[:30] += 0.5
        gap = gap_by_feature(explanation_of(values), ["a"] * 30 + ["b"] * 40, random_state=repeat)[0]
        hits += gap.low[0, 0] <= 0.5 <= gap.high[0, 0]
    assert 0.88 < hits / 150 <= 1


def test_same_seed_same_bits_and_several_columns():
    values = np.random.default_rng(0).normal(size=(90, 3, 2))
    sensitive = {"a": ["x", "y"] * 45, "b": ["u", "u", "v"] * 30}
    first, second = (gap_by_feature(explanation_of(values), sensitive, random_state=7) for _ in range(2))
    assert [gap.grouping for gap in first] == ["a", "b", "a × b", "a × b", "a × b"]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.low, other.low)
    alone = gap_by_feature(explanation_of(values), {"a": sensitive["a"]}, random_state=7)[0]
    np.testing.assert_array_equal(alone.high, first[0].high)


def test_result_is_ordered_framed_and_read_only():
    values = np.zeros((40, 3, 1))
    values[:20] = np.array([0.1, -2.0, 0.5]).reshape(1, 3, 1)
    gap = gap_by_feature(explanation_of(values), ["a"] * 20 + ["b"] * 20)[0]
    assert gap.order() == (1, 2, 0)
    frame = gap.to_frame()
    assert frame["feature"].tolist() == ["f0", "f1", "f2"]
    assert frame["value"].to_numpy() == pytest.approx(gap.values.ravel(), abs=0)
    with pytest.raises(ValueError, match="read-only"):
        gap.values[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        gap.group = "c"


def test_what_does_not_add_up_is_refused():
    values = np.zeros((30, 1, 1))
    with pytest.raises(UnsupportedRequestError, match="add up"):
        gap_by_feature(explanation_of(values, bound=None), ["a", "b"] * 15)
    with pytest.raises(InputError, match="one row per"):
        gap_by_feature(explanation_of(values), ["a", "b"])
