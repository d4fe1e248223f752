"""What DiCE found, through a stand-in with its attributes: re-checked, measured, held to the constraints."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import pellucid
from pellucid import ColumnError, Constraints, InputError


def dice(*frames):
    return SimpleNamespace(cf_examples_list=[SimpleNamespace(final_cfs_df=frame) for frame in frames])


@pytest.fixture
def asked():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80), "n": rng.integers(0, 5, 80)})
    model = LogisticRegression().fit(X, X["a"] + X["b"] > 0)
    rows = X[(X["a"] < -0.5) & (X["b"] < 0)].head(3).reset_index(drop=True)
    return model, X, rows


def moved(row, outcome=1, **cells):
    """An alternative as DiCE gives it: numbers as text sometimes, the outcome beside the features."""
    return {**{name: str(value) for name, value in row.items()}, **cells, "outcome": outcome}


def test_alternatives_are_checked_measured_and_ordered(asked):
    model, X, rows = asked
    frames = (
        pd.DataFrame([moved(rows.iloc[0], a=4.0, b=3.0), moved(rows.iloc[0], a=5.0), moved(rows.iloc[0], n=4)]),
        None,
        pd.DataFrame([moved(rows.iloc[2], b=6.0)]),
    )
    found = pellucid.counterfactuals_from_dice(dice(*frames), model, rows, background=X)
    assert found.row.tolist() == [0, 0, 2]
    assert list(found.changes(0)) == ["a"]
    assert list(found.changes(0, 1)) == ["a", "b"]
    assert found.reasons[0] == "of DiCE's 3 alternatives 1 not at the goal (another class)"
    assert found.reasons[1:] == ("DiCE gave no alternative", "")
    assert found.alternatives.dtypes.to_dict() == rows.dtypes.to_dict()
    assert (model.predict(found.alternatives) != model.predict(rows.iloc[found.row])).all()
    np.testing.assert_allclose(found.after, model.predict_proba(found.alternatives), atol=1e-12)
    assert found.provenance.method == "dice"
    assert "the model would have given" in found.sentence(0)


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(immutable=["a"]),
        Constraints(ranges={"a": (None, 4.5)}),
        Constraints(decrease_only=["a"]),
        Constraints(check=lambda before, after: (after["a"] < 4.5).to_numpy()),
    ],
    ids=["immutable", "range", "direction", "check"],
)
def test_what_breaks_a_constraint_is_left_out_and_counted(asked, constraints):
    model, X, rows = asked
    frames = [pd.DataFrame([moved(rows.iloc[0], a=5.0), moved(rows.iloc[0], b=6.0)])]
    found = pellucid.counterfactuals_from_dice(dice(*frames), model, rows[:1], background=X, constraints=constraints)
    assert [list(found.changes(0, k)) for k in range(len(found.row))] == [["b"]]
    assert found.reasons == ("of DiCE's 2 alternatives 1 against the constraints",)


def test_no_more_changes_than_allowed_and_none_twice(asked):
    model, X, rows = asked
    frame = pd.DataFrame([moved(rows.iloc[0], a=5.0), moved(rows.iloc[0], a=5.0), moved(rows.iloc[0], a=4.0, b=3.0)])
    options = {"background": X, "constraints": Constraints(max_changes=1)}
    found = pellucid.counterfactuals_from_dice(dice(frame), model, rows[:1], **options)
    assert [list(found.changes(0, k)) for k in range(len(found.row))] == [["a"]]


def test_nothing_found_at_all(asked):
    model, X, rows = asked
    found = pellucid.counterfactuals_from_dice(dice(None, None, None), model, rows, background=X)
    assert found.counts.tolist() == [0, 0, 0]


def test_what_is_no_answer_of_dice_is_named(asked):
    model, X, rows = asked
    good = pd.DataFrame([moved(rows.iloc[0], a=5.0)])
    for given, error, words in (
        ("text", InputError, "generate_counterfactuals returns; got a str"),
        (dice(good), InputError, "answered for 1 row, but X has 3"),
        (dice(good.drop(columns="b"), None, None), ColumnError, "lack the feature 'b'"),
        (dice(good.assign(b="x"), None, None), InputError, "no numbers for 'b'"),
    ):
        with pytest.raises(error, match=words):
            pellucid.counterfactuals_from_dice(given, model, rows, background=X)
    with pytest.raises(InputError, match="constraints must be"):
        pellucid.counterfactuals_from_dice(dice(good), model, rows[:1], background=X, constraints={"immutable": []})
    with pytest.raises(InputError, match="at least one row to judge"):
        pellucid.counterfactuals_from_dice(dice(good), model, rows[:1], background=X[:0])
