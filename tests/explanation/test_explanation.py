"""Shapes, parts, sums, frames and shap's form of an Explanation."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid._base.errors import InputError
from pellucid.explanation import Explanation, Quality
from pellucid.explanation.explanation import named_positions

quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fields(explanation, **changed):
    return {name: getattr(explanation, name) for name in explanation.__dataclass_fields__} | changed


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"values": np.zeros((3, 3))}, r"values must have shape \(rows, features, outputs\)"),
        ({"values": np.zeros((3, 2, 1))}, r"= \(3, 3, 1\); got \(3, 2, 1\)"),
        ({"values": np.full((3, 3, 1), np.nan)}, "must be finite"),
        ({"values": np.full((3, 3, 1), "x")}, "must be numbers"),
        ({"base_values": np.zeros(3)}, "base_values must have shape"),
        ({"base_values": np.full((3, 1), np.inf)}, "base_values must be finite"),
        ({"std_error": np.zeros((3, 3))}, "std_error must have shape"),
        ({"features": ("a", "a", "b")}, "more than one is 'a'"),
        ({"features": ("a", 1, "b")}, "sequence of text"),
        ({"outputs": "y"}, "sequence of text"),
    ],
)
def test_what_does_not_fit_together_is_refused(make, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        Explanation(**fields(make(), **changed))


def test_data_must_have_the_rows(make):
    with pytest.raises(InputError, match="one row for each of the 3"):
        make(data=np.zeros((2, 3)))


def test_arrays_are_read_only_copies(make):
    given_values = np.ones((3, 3, 1))
    explanation = Explanation(**fields(make(sampled=True), values=given_values))
    given_values[:] = 7
    assert (explanation.values == 1).all()
    for name in ("values", "base_values", "std_error"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(explanation, name)[0] = 0


@quick
@given(data=st.data())
def test_take_keeps_the_sum_and_composes(make, data):
    full = make(5, ("a", "b", "c", "d"), ("y", "z", "w"), data=np.arange(20.0).reshape(5, 4), sampled=True)
    rows = data.draw(st.lists(st.integers(-5, 4)))
    features = data.draw(st.lists(st.sampled_from(full.features), unique=True))
    outputs = data.draw(st.lists(st.sampled_from(full.outputs), unique=True))
    part = full.take(rows=rows, features=features, outputs=outputs)
    k = [full.outputs.index(name) for name in outputs]
    j = [full.features.index(name) for name in features]
    r = [row % 5 for row in rows]
    oracle = full.values[r][:, j][:, :, k]
    np.testing.assert_array_equal(part.values, oracle)
    np.testing.assert_array_equal(part.std_error, full.std_error[r][:, j][:, :, k])
    np.testing.assert_allclose(part.prediction, full.prediction[r][:, k], rtol=0, atol=1e-14)
    assert (part.features, part.outputs) == (tuple(features), tuple(outputs))
    np.testing.assert_array_equal(part.data.as_array(), full.data.as_array()[r])
    apart = full.take(outputs=outputs).take(features=features).take(rows=rows)
    np.testing.assert_array_equal(apart.values, part.values)
    np.testing.assert_array_equal(apart.base_values, part.base_values)
    again = data.draw(st.lists(st.integers(-len(rows), len(rows) - 1))) if rows else []
    np.testing.assert_array_equal(part.take(rows=again).values, full.values[[r[i] for i in again]][:, j][:, :, k])


def test_take_understands_masks_and_refuses_what_is_not_there(make):
    full = make(3)
    assert len(full.take(rows=[True, False, True])) == 2
    np.testing.assert_array_equal(full.take(rows=[-1]).values, full.values[2:])
    np.testing.assert_array_equal(full.take(features="b").values, full.values[:, 1:2])
    for wrong in ({"rows": [3]}, {"rows": [-4]}, {"rows": [True]}, {"rows": ["a"]}, {"rows": [0.0]}):
        with pytest.raises(InputError, match="row"):
            full.take(**wrong)
    for wrong in (["q"], [3], [-4], [1.0], [True], [None], 1.5):
        with pytest.raises(InputError, match="there is no feature"):
            full.take(features=wrong)
    with pytest.raises(InputError, match="asked for once"):
        full.take(features=["a", 0])
    with pytest.raises(InputError, match="there is no output 'x'"):
        full.output_index("x")


def test_take_cuts_the_measures_of_rows(make):
    quality = Quality(residual=0.5, bound=None, local_r2=np.arange(6.0).reshape(3, 2), top_stability=np.ones((3, 2)))
    full = Explanation(**fields(make(3, outputs=("y", "z")), quality=quality))
    part = full.take(rows=[2, 0], outputs="z")
    assert part.quality.local_r2.tolist() == [[5], [1]]
    assert part.quality.top_stability.shape == (2, 1)
    assert part.quality.residual == 0.5


def test_names_are_found_among_many():
    names = tuple(f"f{i}" for i in range(90_000))
    assert named_positions(names, names, "feature") == list(range(90_000))


def test_top_is_the_largest_features_by_mean_size(make):
    full = make(4, ("a", "b", "c", "d"), ("y", "z"))
    sizes = {name: np.abs(full.values[:, j]).mean(axis=0).sum() for j, name in enumerate(full.features)}
    top = full.top(2)
    assert list(top.features) == sorted(sizes, key=sizes.get, reverse=True)[:2]
    np.testing.assert_allclose(top.prediction, full.prediction, atol=1e-14)
    assert full.top(100).features == tuple(sorted(sizes, key=sizes.get, reverse=True))
    for wrong in (0, -1, True, 1.5, "a"):
        with pytest.raises(InputError, match="positive whole number"):
            full.top(wrong)


def test_importance_is_the_mean_size_with_a_bootstrap_interval(make):
    full = make(200, ("a", "b"), ("y", "z"))
    importance = full.importance(random_state=3)
    np.testing.assert_allclose(importance.values, np.abs(full.values).mean(axis=0))
    # the bootstrap percentile interval of a mean is close to mean ± 1.96 standard errors
    spread = 1.96 * np.abs(full.values).std(axis=0) / np.sqrt(200)
    np.testing.assert_allclose(importance.high - importance.values, spread, rtol=0.2)
    np.testing.assert_allclose(importance.values - importance.low, spread, rtol=0.2)
    again = full.importance(random_state=3)
    np.testing.assert_array_equal(importance.low, again.low)
    assert not np.array_equal(importance.low, full.importance(random_state=4).low)
    assert (importance.n_rows, importance.features, importance.outputs) == (200, ("a", "b"), ("y", "z"))
    assert np.isnan(full.take(rows=[0]).importance().low).all()
    with pytest.raises(InputError, match="at least one explained row"):
        full.take(rows=[]).importance()


def test_intervals_cover_the_true_mean(make):
    """95 % of intervals over 300 samples of 60 rows: 285 expected; fewer than 262 happens once in 1e5."""
    full = make(60, tuple(f"f{i}" for i in range(300)))
    importance = full.importance()
    true = np.sqrt(2 / np.pi)
    assert ((importance.low < true) & (true < importance.high)).sum() >= 262


FRAMES = {
    "pandas": (pd.DataFrame, pd.DataFrame(np.zeros((3, 3)), columns=["a", "b", "c"])),
    "polars": (pl.DataFrame, pl.DataFrame({"a": [0.0] * 3, "b": [0.0] * 3, "c": ["x"] * 3})),
    "pyarrow": (pa.Table, pa.table({"a": [0.0] * 3, "b": [0.0] * 3, "c": ["x"] * 3})),
    "numpy": (pd.DataFrame, np.zeros((3, 3))),
    "none": (pd.DataFrame, None),
}


def columns_of(frame):
    return frame.to_pydict() if isinstance(frame, pa.Table) else {name: list(frame[name]) for name in frame.columns}


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_frames_come_back_in_the_users_own_type(make, name):
    kind, data = FRAMES[name]
    explanation = make(3, data=data)
    frame = explanation.to_frame()
    assert type(frame) is kind
    columns = columns_of(frame)
    assert list(columns) == ["a", "b", "c", "base_value", "prediction"]
    np.testing.assert_array_equal(columns["b"], explanation.values[:, 1, 0])
    np.testing.assert_array_equal(columns["prediction"], explanation.prediction[:, 0])
    several = make(3, outputs=("y", "z"), data=data, sampled=True)
    long = columns_of(several.to_frame())
    assert list(long) == ["row", "output", "feature", "value", "std_error", "base_value", "prediction"]
    for i in range(18):
        row, j, k = long["row"][i], "abc".index(long["feature"][i]), "yz".index(long["output"][i])
        assert long["value"][i] == several.values[row, j, k]
        assert long["std_error"][i] == several.std_error[row, j, k]
        assert long["base_value"][i] == several.base_values[row, k]
        assert long["prediction"][i] == several.prediction[row, k]
    np.testing.assert_array_equal(columns_of(several.to_frame("z"))["a"], several.values[:, 0, 1])
    assert columns_of(make(0, data=None).to_frame())["a"] == []


def test_feature_names_cannot_collide_with_ours(make):
    frame = make(2, ("base_value", "prediction", "base_value_")).to_frame()
    assert list(frame.columns) == ["base_value", "prediction", "base_value_", "base_value__", "prediction_"]


# shap's own imports use what matplotlib is about to drop
shap_warns = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@shap_warns
@pytest.mark.parametrize("outputs", [("y",), ("y", "z")])
def test_shap_and_back(make, outputs):
    data = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": ["x", None, "y"], "c": [True, False, True]})
    ours = make(3, outputs=outputs, data=data, sampled=True)
    theirs = ours.to_shap()
    assert theirs.values.shape == ((3, 3) if len(outputs) == 1 else (3, 3, 2))
    assert list(theirs.feature_names) == ["a", "b", "c"]
    assert theirs.display_data[0, 1] == "x"
    np.testing.assert_array_equal(theirs.data[:, 1], [0, np.nan, 1])
    back = Explanation.from_shap(theirs, predictions=ours.prediction, outputs=outputs)
    np.testing.assert_array_equal(back.values, ours.values)
    np.testing.assert_array_equal(back.base_values, ours.base_values)
    np.testing.assert_array_equal(back.std_error, ours.std_error)
    assert (back.features, back.outputs) == (ours.features, ours.outputs)
    assert back.quality.residual == 0
    assert back.data.column("b").tolist() == ["x", None, "y"]
    unknown = Explanation.from_shap(theirs)
    assert np.isnan(unknown.quality.residual)
    assert "not measured" in unknown.quality.warnings[0]
    assert "not measured" in repr(unknown)
    assert ours.take(features=["c"]).to_shap().data.shape == (3, 1)


@shap_warns
def test_shap_forms_are_understood_or_refused():
    shap = pytest.importorskip("shap")
    one = Explanation.from_shap(shap.Explanation(values=np.ones(3), base_values=2.0, feature_names=["a", "b", "c"]))
    assert one.values.shape == (1, 3, 1)
    assert one.prediction.tolist() == [[5.0]]
    classes = Explanation.from_shap(shap.Explanation(values=np.ones((4, 3, 2)), base_values=np.array([1.0, 2.0])))
    assert classes.base_values.tolist() == [[1, 2]] * 4
    assert (classes.features, classes.outputs) == (("x0", "x1", "x2"), ("output 0", "output 1"))
    with pytest.raises(InputError, match="Interaction values"):
        Explanation.from_shap(shap.Explanation(values=np.ones((2, 3, 3, 1)), base_values=np.zeros((2, 1))))
    with pytest.raises(InputError, match="do not fit"):
        Explanation.from_shap(shap.Explanation(values=np.ones((4, 3)), base_values=np.zeros(3)))


def test_the_text_form_is_short_and_says_what_matters(make):
    said = repr(make(100, ("age", "x" * 100_000, "c"), outputs=("y", "z"), sampled=True))
    assert said.startswith("Explanation(exact, 100 rows × 3 features × 2 outputs, raw)")
    assert "residual 1e-15 against the model, bound 1e-12" in said
    assert "'age' " in said
    assert len(said) < 600
    assert repr(make(0)).startswith("Explanation(exact, 0 rows")
