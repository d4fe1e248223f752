"""Importance, Effect and Interactions: shapes, order, frames."""

import numpy as np
import polars as pl
import pytest

from pellucid._base.errors import InputError
from pellucid.explanation import Effect, Importance, Interactions, Quality
from pellucid.ir import Space
from pellucid.table import Table


def importance(make, **changed):
    fields = {
        "values": np.array([[1.0, 5.0], [3.0, 0.0], [2.0, 1.0]]),
        "low": np.zeros((3, 2)),
        "high": np.full((3, 2), 9.0),
        "features": ("a", "b", "c"),
        "outputs": ("y", "z"),
        "measure": "mean absolute value",
        "space": Space.RAW,
        "n_rows": 10,
        "provenance": make().provenance,
    }
    return Importance(**fields | changed)


def effect(make, **changed):
    fields = {
        "feature": "age",
        "kind": "pdp",
        "grid": np.array([1.0, 2.0]),
        "values": np.array([[1.0, 5.0], [3.0, 0.0]]),
        "outputs": ("y", "z"),
        "space": Space.RAW,
        "n_rows": 10,
        "provenance": make().provenance,
    }
    return Effect(**fields | changed)


def interactions(make, **changed):
    half = np.arange(18.0).reshape(2, 3, 3, 1)
    fields = {
        "values": half + half.swapaxes(1, 2),
        "base_values": np.zeros((2, 1)),
        "features": ("a", "b", "c"),
        "outputs": ("y",),
        "space": Space.RAW,
        "quality": Quality(residual=0.0, bound=0.0),
        "provenance": make().provenance,
    }
    return Interactions(**fields | changed)


@pytest.mark.parametrize(
    ("build", "changed", "sentence"),
    [
        (importance, {"low": np.zeros((3, 1))}, "low must have shape"),
        (importance, {"values": np.full((3, 2), np.nan)}, "must be finite"),
        (importance, {"features": ("a", "b", "b")}, "more than one"),
        (effect, {"grid": np.zeros((2, 1))}, "grid must have shape"),
        (effect, {"values": np.zeros((3, 2))}, "values must have shape"),
        (effect, {"low": np.zeros((2, 2))}, "give both or none"),
        (effect, {"individual": np.zeros((2, 2))}, "individual must have shape"),
        (interactions, {"values": np.zeros((2, 3, 2, 1))}, "values must have shape"),
        (interactions, {"values": np.arange(18.0).reshape(2, 3, 3, 1)}, "symmetric"),
        (interactions, {"base_values": np.zeros((1, 1))}, "base_values must have shape"),
        (interactions, {"data": Table.of([[1.0]])}, "one row for each"),
    ],
)
def test_what_does_not_fit_together_is_refused(make, build, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        build(make, **changed)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("output", [0, 1])
def test_halves_that_differ_in_one_of_two_outputs_are_refused(make, output, order):
    values = np.array(np.ones((2, 3, 3, 2)), order=order)
    both = {"base_values": np.zeros((2, 2)), "outputs": ("y", "z")}
    assert interactions(make, values=values, **both).values.shape == (2, 3, 3, 2)
    values[1, 2, 0, output] = 2.0
    with pytest.raises(InputError, match="symmetric"):
        interactions(make, values=values, **both)


def test_arrays_are_read_only(make):
    for answer, names in (
        (importance(make), ("values", "low", "high")),
        (effect(make, low=np.zeros((2, 2)), high=np.ones((2, 2))), ("grid", "values", "low", "high")),
        (interactions(make), ("values", "base_values")),
    ):
        for name in names:
            assert not getattr(answer, name).flags.writeable


def test_importance_is_ordered_by_one_output_or_all(make):
    found = importance(make)
    assert found.order().tolist() == [0, 1, 2]
    assert found.order("y").tolist() == [1, 2, 0]
    assert found.top(2, "y").features == ("b", "c")
    assert found.top(1).values.tolist() == [[1, 5]]
    frame = found.to_frame()
    assert frame.query("feature == 'a' and output == 'z'")["value"].tolist() == [5]
    assert list(frame.columns) == ["feature", "output", "value", "low", "high"]
    with pytest.raises(InputError, match="positive whole number"):
        found.top(0)
    assert "'a' 6, 'b' 3, 'c' 3" in repr(found)


def test_effects_as_frames(make):
    plain = effect(make).to_frame()
    assert plain.to_dict("list") == {"output": ["y", "y", "z", "z"], "grid": [1, 2, 1, 2], "value": [1, 3, 5, 0]}
    banded = effect(make, low=np.zeros((2, 2)), high=np.ones((2, 2))).to_frame("z")
    assert banded.to_dict("list")["high"] == [1, 1]
    assert "from 1 to 3" in repr(effect(make))


def test_interactions_as_frames_add_up(make):
    found = interactions(make, data=Table.of(pl.DataFrame({"a": [1, 2]})))
    frame = found.to_frame()
    assert isinstance(frame, pl.DataFrame)
    assert len(frame) == 2 * 6
    sums = frame.group_by("row", maintain_order=True).agg(pl.col("value").sum())["value"].to_list()
    np.testing.assert_allclose(sums, found.prediction[:, 0])
    np.testing.assert_array_equal(found.feature_values, found.values.sum(axis=1))
    pair = frame.filter((pl.col("first") == "a") & (pl.col("second") == "c") & (pl.col("row") == 1))["value"][0]
    assert pair == 2 * found.values[1, 0, 2, 0]
    assert "'b × c'" in repr(found)


def test_sampled_interactions_show_the_errors_of_whole_pairs(make):
    error = np.full((2, 3, 3, 1), 0.25)
    found = interactions(make, std_error=error, data=Table.of(pl.DataFrame({"a": [1, 2]})))
    frame = found.to_frame()
    same = (frame["first"] == frame["second"]).to_list()
    assert frame["std_error"].to_list() == [0.25 if main else 0.5 for main in same]
    assert "std_error" not in interactions(make).to_frame().columns
    with pytest.raises(InputError, match="std_error must have shape"):
        interactions(make, std_error=error[:1])
