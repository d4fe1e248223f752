import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import PellucidError
from pellucid._base.errors import InputError
from pellucid.fairness.disclosure import withheld_groups
from pellucid.fairness.groups import MISSING, read_groupings

SAME = ["b", "a", None, "a"]


@pytest.mark.parametrize(
    "given_as",
    [
        SAME,
        np.array(SAME, dtype=object),
        pd.Series(SAME, name="g"),
        pd.Series(SAME, name="g", dtype="category"),
        pd.DataFrame({"g": SAME}),
        pl.Series("g", SAME),
        pl.DataFrame({"g": SAME}),
        {"g": SAME},
    ],
    ids=lambda value: type(value).__module__ + "." + type(value).__name__,
)
def test_every_container_gives_the_same_groups_and_keeps_the_missing_ones(given_as):
    (grouping,) = read_groupings(given_as, 4)
    assert grouping.labels == (MISSING, "a", "b")
    assert grouping.codes.tolist() == [2, 1, 0, 1]
    assert grouping.sizes() == {MISSING: 1, "a": 2, "b": 1}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1.0, 2.0, np.nan], (MISSING, "1", "2")),
        ([1, 2, 2], ("1", "2")),
        ([True, False, None], (MISSING, "False", "True")),
        (pd.array([True, None, False], dtype="boolean"), (MISSING, "False", "True")),
        (["", "x", float("nan")], ("", MISSING, "x")),
    ],
)
def test_numbers_and_flags_are_groups_by_their_text(values, labels):
    assert read_groupings(values, 3)[0].labels == labels


def test_several_columns_give_each_alone_and_their_intersection():
    groupings = read_groupings({"sex": ["f", "f", "m"], "race": ["x", None, "x"]}, 3)
    assert [g.name for g in groupings] == ["sex", "race", "sex × race"]
    assert groupings[2].labels == ("f × (missing)", "f × x", "m × x")
    assert groupings[2].parts == (("f", MISSING), ("f", "x"), ("m", "x"))


def test_values_that_hold_the_joining_sign_do_not_merge_groups():
    groupings = read_groupings({"a": ["x × y", "x"], "b": ["z", "y × z"]}, 2)
    assert len(groupings[2].labels) == 2


def test_quantities_are_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"'age'.*20 different values.*Bin it first"):
        read_groupings(pd.Series(range(20), name="age"), 20)
    with pytest.raises(InputError, match="Bin it first"):
        read_groupings(list(range(20)), 20)


@pytest.mark.parametrize("wrong", [None, ["a"], [("a", "b"), ("a", "c")], np.array(3), np.zeros((2, 2, 2))])
def test_what_cannot_be_read_is_refused(wrong):
    with pytest.raises(PellucidError):
        read_groupings(wrong, 2)


def grouping_of(sizes):
    return read_groupings([label for label, size in sizes.items() for _ in range(size)], sum(sizes.values()))[0]


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [
        ({"a": 50, "b": 40, "c": 30}, set()),
        ({"a": 50, "b": 40, "c": 1}, {"b", "c"}),
        ({"a": 50, "b": 3, "c": 4}, {"a", "b", "c"}),
        ({"a": 50, "b": 40, "c": 3, "d": 4}, {"b", "c", "d"}),
        ({"a": 50, "b": 40, "c": 6, "d": 7}, {"c", "d"}),
        ({"a": 3}, {"a"}),
        ({"a": 50, "b": 3}, {"a", "b"}),
        ({"a": 10, "b": 50}, set()),
    ],
)
def test_a_small_group_takes_company_into_hiding(sizes, hidden):
    assert withheld_groups(grouping_of(sizes), 10) == hidden


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(0, 40), min_size=6, max_size=9), st.sampled_from([5, 10]))
def test_no_total_minus_the_shown_groups_leaves_a_small_group(counts, floor):
    """Every published total (all rows, each row and column) minus what is shown in it: nobody, or at least a floor."""
    columns = 3
    cells = [(f"r{i // columns}", f"c{i % columns}") for i, count in enumerate(counts) for _ in range(count)]
    if not cells:
        return
    row, column = [r for r, _ in cells], [c for _, c in cells]
    groupings = read_groupings({"row": row, "column": column}, len(cells))
    both = groupings[2]
    hidden = withheld_groups(both, floor)
    sizes = both.sizes()
    assert all(sizes[label] >= floor for label in both.labels if label not in hidden)
    totals = [both.labels]
    for position, single in enumerate(groupings[:2]):
        concealed = withheld_groups(single, floor)
        for value in single.labels:
            members = [label for label, part in zip(both.labels, both.parts, strict=True) if part[position] == value]
            if value in concealed:
                assert hidden.issuperset(members)
            else:
                totals.append(members)
    for members in totals:
        inside = [sizes[label] for label in members if label in hidden]
        assert not inside or len(members) == len(inside) or (len(inside) >= 2 and sum(inside) >= floor)
