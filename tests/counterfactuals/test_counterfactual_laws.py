"""No constraint is ever broken, every alternative is valid, and neither batch nor container changes an answer."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid import Constraints, Model, Space, Table, counterfactuals

TOWNS = ("Basel", "Bern", "Genf")


def frame(rows, seed):
    """Two numbers with gaps, a town with gaps, a flag and a one-hot pair."""
    random = np.random.default_rng(seed)
    red = random.integers(0, 2, rows)
    result = pd.DataFrame(
        {
            "age": random.integers(18, 80, rows).astype(float),
            "income": random.normal(50, 20, rows).round(1),
            "town": random.choice(TOWNS, rows),
            "owner": random.integers(0, 2, rows).astype(bool),
            "red": red,
            "blue": 1 - red,
        }
    )
    result.loc[random.random(rows) < 0.1, "income"] = np.nan
    result.loc[random.random(rows) < 0.1, "town"] = None
    return result


def probabilities(table):
    """Of three classes, from every kind of column, missing values included."""
    income = table.column("income")
    score = np.where(np.isnan(income), -1.0, (income - 50) / 20)
    town = np.array([{"Basel": 1.0, "Bern": -1.0}.get(value, 0.0) for value in table.column("town")])
    a = score + 0.5 * town + table.column("owner") + 0.4 * table.column("red")
    b = (table.column("age") - 45) / 15 - town * table.column("blue")
    odds = np.exp(np.column_stack([a, b, np.zeros(len(table))]))
    return odds / odds.sum(axis=1, keepdims=True)


MODEL = Model(
    label="the toy", outputs=("low", "mid", "high"), raw=probabilities, raw_space=Space.PROBABILITY,
    probability=probabilities, classes=np.array(["low", "mid", "high"]), features=tuple(frame(1, 0)),
)  # fmt: skip


def missing(value):
    return value is None or value != value  # noqa: PLR0124 - NaN


def same(a, b):
    return (missing(a) and missing(b)) or a == b


def broken(constraints, before, after):
    """The plain reading of every constraint, for one row and one alternative."""
    moved = [name for name in before if not same(before[name], after[name])]
    units = {next((group[0] for group in constraints.linked if name in group), name) for name in moved}
    if constraints.max_changes is not None and len(units) > constraints.max_changes:
        return "max_changes"
    for name in moved:
        old, new = before[name], after[name]
        low, high = constraints.ranges.get(name, (None, None))
        if name in constraints.immutable:
            return f"immutable {name}"
        if missing(new):
            return f"{name} became missing"
        fell = name in constraints.increase_only and not new > old
        rose = name in constraints.decrease_only and not new < old
        if fell or rose or (low is not None and new < low) or (high is not None and new > high):
            return f"{name} went the wrong way or too far"
        if name in constraints.allowed and new not in constraints.allowed[name]:
            return f"{name} is not allowed"
    if constraints.linked and after["red"] + after["blue"] != 1:
        return "half a colour"
    if constraints.check is not None and not (missing(after["income"]) or after["income"] <= 70):
        return "check"
    return None


def not_too_rich(before, after):
    assert len(before) == len(after)
    return ~(after["income"].to_numpy() > 70)


rules = st.builds(
    Constraints,
    immutable=st.lists(st.sampled_from(["age", "town", "owner"]), max_size=2, unique=True),
    increase_only=st.sampled_from([(), ("age",)]),
    decrease_only=st.sampled_from([(), ("income",)]),
    ranges=st.sampled_from([{}, {"income": (30, 60)}, {"age": (None, 50)}]),
    allowed=st.sampled_from([{}, {"town": ["Bern", "Genf"]}, {"age": list(range(20, 60))}]),
    linked=st.just([["red", "blue"]]),
    max_changes=st.sampled_from([None, 1, 2]),
    check=st.sampled_from([None, not_too_rich]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    constraints=rules, seed=st.integers(0, 10_000), n=st.integers(1, 3), target=st.sampled_from([None, "high", "mid"])
)
def test_no_constraint_is_broken_and_every_alternative_is_valid(constraints, seed, n, target):
    X, background = frame(6, seed), frame(40, seed + 1)
    found = counterfactuals(MODEL, X, background=background, constraints=constraints, target=target, n=n)
    alternatives = found.alternatives
    decided = found.after.argmax(axis=1)
    start = found.before.argmax(axis=1)
    assert (found.counts <= n).all()
    assert all(bool(reason) == (count < n) for reason, count in zip(found.reasons, found.counts, strict=True))
    for position, row in enumerate(found.row):
        before, after = X.iloc[row].to_dict(), alternatives.iloc[position].to_dict()
        assert broken(constraints, before, after) is None
        assert [not same(before[name], after[name]) for name in X] == found.changed[position].tolist()
        wanted = decided[position] != start[row] if target is None else MODEL.outputs[decided[position]] == target
        assert wanted
        changed = {name for name in X if not same(before[name], after[name])}
        linked = [set(group) for group in constraints.linked]
        for unit in [
            *linked,
            *({name} for name in changed.difference(*linked)),
        ]:  # what is linked comes from one real row
            assert any(
                all(same(after[name], real[name]) for name in unit & changed) for real in background.to_dict("records")
            )
    assert np.array_equal(MODEL.predict(Table.of(alternatives), Space.PROBABILITY), found.after)


def same_answer(a, b):
    return a.to_frame().equals(b.to_frame()) and a.reasons == b.reasons and np.array_equal(a.after, b.after)


def test_alone_in_a_batch_and_again_it_is_the_same():
    X, background = frame(9, 3), frame(60, 4)
    together = counterfactuals(MODEL, X, background=background, n=3)
    assert same_answer(together, counterfactuals(MODEL, X, background=background, n=3))
    for r in range(9):
        alone = counterfactuals(MODEL, X.iloc[[r]], background=background, n=3)
        mine = together.row == r
        assert np.array_equal(alone.changed, together.changed[mine])
        assert np.array_equal(alone.distance, together.distance[mine])
        assert np.array_equal(alone.plausibility, together.plausibility[mine])
        assert np.array_equal(alone.after, together.after[mine])
        assert alone.reasons[0] == together.reasons[r]


def test_the_callers_tables_stay_as_they_were():
    X, background = frame(5, 7), frame(30, 8)
    copies = X.copy(deep=True), background.copy(deep=True)
    counterfactuals(MODEL, X, background=background, n=2, constraints=Constraints(check=not_too_rich))
    pd.testing.assert_frame_equal(X, copies[0])
    pd.testing.assert_frame_equal(background, copies[1])


def test_polars_gives_the_same_and_comes_back_as_polars():
    X, background = frame(5, 11), frame(50, 12)
    ours = counterfactuals(MODEL, X, background=background)
    theirs = counterfactuals(MODEL, pl.from_pandas(X), background=pl.from_pandas(background))
    assert isinstance(theirs.alternatives, pl.DataFrame)
    assert isinstance(theirs.to_frame(), pl.DataFrame)
    assert np.array_equal(ours.changed, theirs.changed)
    assert [ours.sentence(r) for r in range(5)] == [theirs.sentence(r) for r in range(5)]


def test_a_check_that_refuses_everything_is_said_and_obeyed():
    found = counterfactuals(
        MODEL, frame(4, 1), background=frame(40, 2),
        constraints=Constraints(check=lambda before, after: np.zeros(len(after), dtype=bool)),
    )  # fmt: skip
    assert len(found.row) == 0
    assert all("your check refused all" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("constraints", "target", "words"),
    [
        (Constraints(immutable=list(frame(1, 0))), None, "the constraints leave nothing to copy"),
        (
            Constraints(ranges={"age": (30, 30.5)}, immutable=["income", "town", "owner", "red", "blue"]),
            None,
            "no permitted|leave nothing",
        ),
    ],
)  # fmt: skip
def test_infeasible_is_said(constraints, target, words):
    found = counterfactuals(MODEL, frame(3, 5), background=frame(40, 6), constraints=constraints, target=target)
    assert (found.counts == 0).any()
    for row in np.flatnonzero(found.counts == 0):
        assert any(word in found.sentence(int(row)) for word in words.split("|"))
        assert found.sentence(int(row)).startswith("No alternative for this row: ")


def test_a_row_that_has_the_outcome_already_is_left_alone():
    X = frame(30, 20)
    found = counterfactuals(MODEL, X, background=frame(60, 21), target="high")
    already = found.before.argmax(axis=1) == 2
    assert already.any()
    assert not found.counts[already].any()
    assert all("already" in found.reasons[r] for r in np.flatnonzero(already))


def test_no_real_row_with_the_outcome_is_said():
    X = frame(30, 20)
    background = X[probabilities(Table.of(X)).argmax(axis=1) != 2]
    found = counterfactuals(MODEL, background.head(3), background=background, target="high")
    assert all("no background row has the outcome ‘high’" in reason for reason in found.reasons)
