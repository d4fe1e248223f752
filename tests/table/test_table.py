"""What a Table refuses, keeps and promises, case by case."""

import datetime
import decimal
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pellucid._base.errors import ColumnError, InputError
from pellucid.table import Table, row_positions

HOSTILE = (
    "a[0] <b>",
    "</script><script>alert(1)</script>",
    "\u202egnitset\u200f",
    "😀🏳️‍🌈",
    "",
    "'\"`\\",
    "x" * 100_000,
    "=1+1",
    "\x00\x1b[31m",
)


@pytest.mark.parametrize(
    ("native", "sentence"),
    [
        ([1, 2, 3], "two dimensions"),
        (np.zeros(3), "two dimensions"),
        (np.zeros((2, 2, 2)), "two dimensions"),
        ([], "two dimensions"),
        ([[1, 2], [3]], "differ in length"),
        ([{"a": 1}, [2]], "make them all dicts"),
        ({"a": [1, 2], "b": [1]}, "one length"),
        ({"a": 1}, "must be columns"),
        ("text", "got str"),
        (None, "got NoneType"),
        (7, "got int"),
        ({1, 2}, "got set"),
        (object(), "got object"),
        ((row for row in [[1]]), "got generator"),
        (pd.Series([1, 2]), "one column"),
        (pd.Index([1, 2]), "one column"),
        (pl.Series([1, 2]), "one column"),
        (pa.chunked_array([[1, 2]]), "one column"),
        (pl.LazyFrame({"a": [1]}), r"collect\(\) first"),
        (np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]), "structured"),
        (np.zeros((2, 2), dtype=complex), "complex"),
        (np.array([[1, 2j]], dtype=object), "complex"),
        (pd.DataFrame({"a": [[1], [2]]}), "cells of type list"),
        (pd.DataFrame({"a": [{1}, None]}), "cells of type set"),
        (pl.DataFrame({"a": [[1], [2]]}), "cells of type list"),
        (pa.table({"a": [{"b": 1}]}), "cells of type dict"),
        (pd.DataFrame({"a": [10**400, 2]}, dtype=object), "too large"),
    ],
)
def test_what_is_not_a_table_is_refused_with_a_sentence(native, sentence):
    with pytest.raises(InputError, match=sentence):
        Table.of(native, what="background").codes({})


@pytest.mark.parametrize(
    "native",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=[1, "1"]),
        pa.table([[1], [2]], names=["a", "a"]),
    ],
)
def test_columns_of_one_name_are_refused(native):
    with pytest.raises(ColumnError, match=r"background has.*(name|column)"):
        Table.of(native, what="background")


def test_names_for_a_bare_array_are_checked():
    with pytest.raises(ColumnError, match="2 columns but 3 names"):
        Table.of(np.zeros((1, 2)), names=["a", "b", "c"])
    with pytest.raises(ColumnError, match="more than one column named 'a'"):
        Table.of(np.zeros((1, 2)), names=["a", "a"])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize(
    "make", [np.zeros, lambda s: pd.DataFrame(np.zeros(s)), lambda s: sparse.csr_array(np.zeros(s))]
)
def test_tables_without_rows_or_columns_are_tables(shape, make):
    table = Table.of(make(shape))
    assert (len(table), table.n_columns) == shape
    assert table.codes({}).shape == table.as_array().shape == shape
    assert len(table.stack(table)) == 2 * shape[0]
    assert table.gather(np.zeros((0, shape[1]), dtype=int)).n_rows == 0
    if shape[0]:
        assert table.gather(np.zeros((4, shape[1]), dtype=int)).n_rows == 4


def test_hostile_names_survive_everywhere():
    frame = pd.DataFrame(np.arange(18.0).reshape(2, 9), columns=list(HOSTILE))
    for table in (Table.of(frame), Table.of(np.arange(18.0).reshape(2, 9), names=HOSTILE)):
        assert table.names == HOSTILE
        for j, name in enumerate(HOSTILE):
            assert table.column(name).tolist() == [j, 9 + j]
        assert table.select(HOSTILE[::-1]).aligned(HOSTILE).digest() == table.digest()
        assert len(repr(table)) < 1000
        with pytest.raises(ColumnError) as error:
            table.aligned(("missing", *HOSTILE))
        assert len(str(error.value)) < 1000
        assert table.gather(np.zeros((1, 9), dtype=int)).names == HOSTILE
    for frame in (pl.DataFrame({name: [1.0] for name in HOSTILE}), pa.table({name: [1.0] for name in HOSTILE})):
        table = Table.of(frame)
        assert table.gather(np.zeros((2, 9), dtype=int)).stack(table).select(HOSTILE[::-1]).names == HOSTILE[::-1]
    half = Table.of(np.zeros((1, 1)), names=["\ud800"])
    assert half.digest() != Table.of(np.zeros((1, 1)), names=["\ud801"]).digest()


def test_labels_that_are_not_text_become_text():
    frame = pd.DataFrame([[1, 2, 3]], columns=[0, ("a", 1), None])
    assert Table.of(frame).names == ("0", "('a', 1)", "None")
    levels = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    table = Table.of(levels)
    assert table.names == ("('a', 1)", "('a', 2)")
    gathered = table.gather(np.array([[0, 0]]))
    assert list(gathered.native.columns) == list(levels.columns)
    assert table.stack(table).select(["('a', 2)"]).column("('a', 2)").tolist() == [2, 2]


def test_kinds_are_read_from_cells_where_the_dtype_says_nothing():
    frame = pd.DataFrame(
        {
            "bool": pd.Series([True, None, np.nan, np.bool_(False)], dtype=object),
            "number": pd.Series([1, 2.5, decimal.Decimal(3), None], dtype=object),
            "mixed": pd.Series([1, "a", None, 2.5], dtype=object),
            "empty": pd.Series([None, np.nan, pd.NA, pd.NaT], dtype=object),
            "date": pd.Series([datetime.date(2020, 1, 1), None, pd.NaT, datetime.date(2021, 1, 1)], dtype=object),
            "times": pd.to_timedelta([1, None, 2, 3], unit="s"),
            "zoned": pd.to_datetime(["2020-01-01 12:00"] * 4).tz_localize("Europe/Berlin"),
            "levels": pd.Categorical([1, 2, None, 1]),
        }
    )
    table = Table.of(frame)
    assert table.kinds == ("bool", "number", "string", "number", "datetime", "datetime", "datetime", "category")
    np.testing.assert_array_equal(table.column("bool"), [1, np.nan, np.nan, 0])
    np.testing.assert_array_equal(table.column("number"), [1, 2.5, 3, np.nan])
    assert table.column("mixed").tolist() == [1, "a", None, 2.5]
    assert np.isnan(table.column("empty")).all()
    assert table.column("levels").tolist() == [1, 2, None, 1]
    assert table.column("zoned")[0].tzinfo is datetime.UTC
    assert table.column("times")[0] == datetime.timedelta(seconds=1)
    assert table.column("zoned")[0] == datetime.datetime(2020, 1, 1, 11, tzinfo=datetime.UTC)
    assert table.column("date").tolist() == [datetime.date(2020, 1, 1), None, None, datetime.date(2021, 1, 1)]
    nanoseconds = Table.of(frame.astype({"times": "timedelta64[ns]"}))
    assert nanoseconds.column("times").tolist() == table.column("times").tolist()


def test_cells_of_lists_keep_their_types():
    table = Table.of([[1, "a", True], [2.5, None, False]])
    assert table.kinds == ("number", "string", "bool")
    assert table.column("x0").tolist() == [1.0, 2.5]
    assert Table.of([[1, "a"], [2, "b"]]).kinds == ("number", "string")
    assert Table.of([[1, True], [2, False]]).kinds == ("number", "number")
    assert Table.of([[True], [False]]).kinds == ("bool",)
    assert Table.of(np.array([["a"], ["b"]])).kinds == ("string",)
    assert Table.of(np.array([["2020-01-01"]], dtype="datetime64[D]")).column("x0")[0] == datetime.date(2020, 1, 1)


def test_masked_cells_are_missing():
    table = Table.of(np.ma.masked_array([[1, 2], [3, 4]], mask=[[True, False], [False, False]]))
    np.testing.assert_array_equal(table.codes({}), [[np.nan, 2], [3, 4]])


def test_integers_above_2_to_the_53_move_exactly():
    big = 2**62 + 1
    for native in (np.array([[big, 1]]), pd.DataFrame({"a": [big], "b": [1]}), pa.table({"a": [big], "b": [1]})):
        table = Table.of(native)
        moved = table.stack(table).gather(np.array([[1, 0]])).native
        first = moved.to_pydict()["a"][0] if isinstance(moved, pa.Table) else np.asarray(moved)[0, 0]
        assert int(first) == big
        assert table.column(table.names[0])[0] == float(big)


def test_columns_are_matched_by_name():
    table = Table.of(pd.DataFrame({"age": [1.0], "town": ["x"]}))
    assert table.aligned(("town", "age")).names == ("town", "age")
    with pytest.raises(ColumnError, match=r"background lacks the columns 'agee'.*Did you mean 'age'"):
        table.aligned(("agee", "town"), what="background")
    with pytest.raises(ColumnError, match=r"does not know: 'town'. Drop"):
        table.aligned(("age",))
    with pytest.raises(ColumnError, match=r"no column 'twon'.*'town'"):
        table.column("twon")
    with pytest.raises(ColumnError, match="the model has 3"):
        Table.of(np.zeros((1, 2))).aligned(("a", "b", "c"))
    given = Table.of(np.array([[1.0, 2.0]])).aligned(("a", "b"))
    assert given.names == ("a", "b")
    assert given.aligned(("b", "a")).as_array().tolist() == [[2, 1]]
    assert Table.of(np.array([[1.0, 2.0]])).aligned(("x1", "x0")).as_array().tolist() == [[1, 2]]
    assert Table.of(np.array([[1.0, 2.0]]), names=["a", "b"]).aligned(("b", "a")).as_array().tolist() == [[2, 1]]
    with pytest.raises(ColumnError, match="lacks"):
        given.aligned(("c", "d"))


@pytest.mark.parametrize("rows", [[3], [-4], [0.5], ["a"], [[0]], [True, False]])
def test_rows_that_do_not_exist_are_refused(rows):
    with pytest.raises(InputError, match=r"row"):
        Table.of(np.zeros((3, 1))).take(rows)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_row_positions_select_as_python_does(data):
    n = data.draw(st.integers(1, 6))
    rows = data.draw(st.lists(st.integers(-n, n - 1)))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    cells = list(range(n))
    assert [cells[i] for i in row_positions(rows, n)] == [cells[i] for i in rows]
    assert row_positions(mask, n).tolist() == [i for i in range(n) if mask[i]]


def stacked(mine, theirs):
    return Table.of(pd.DataFrame({"a": mine})).stack(Table.of(pd.DataFrame({"a": theirs}))).native["a"]


def test_stack_joins_categories():
    small = pd.Categorical(["b", "b"], categories=["b"])
    large = pd.Categorical(["a", "b"], categories=["c", "b", "a"])
    for result in (stacked(small, large), stacked(large, small)):
        assert list(result.cat.categories) == ["c", "b", "a"]
    other = stacked(large, pd.Categorical(["z", None], categories=["z", "b"]))
    assert list(other.cat.categories) == ["c", "b", "a", "z"]
    assert other.tolist()[:3] == ["a", "b", "z"]
    ordered = pd.Categorical(["a"], categories=["b", "a"], ordered=True)
    with pytest.raises(ColumnError, match="ordered categories that differ"):
        stacked(ordered, pd.Categorical(["a"], categories=["a", "b"], ordered=True))
    part = stacked(pd.Categorical(["a"], categories=["a"], ordered=True), ordered)
    assert list(part.cat.categories) == ["b", "a"]
    assert part.cat.ordered


def test_stack_promotes_numbers_and_refuses_a_change_of_meaning():
    assert stacked([1, 2], [0.5]).tolist() == [1, 2, 0.5]
    assert stacked([True], [2]).tolist() == [1, 2]
    assert stacked([2.5], [False]).tolist() == [2.5, 0]
    assert stacked(pd.Series([None], dtype=object), ["x"]).dtype == "str"
    assert stacked(pd.Categorical(["x"]), pd.Series([None], dtype=object)).dtype == "category"
    for mine, theirs in ((["x"], [1]), (["x"], pd.Categorical(["x"])), (pd.to_datetime(["2020-01-01"]), [1])):
        with pytest.raises(ColumnError, match="column 'a' is"):
            stacked(mine, theirs)
    with pytest.raises(ColumnError, match="lacks the columns 'b'"):
        Table.of({"b": [1]}).stack(Table.of({"a": [1]}))
    polars = Table.of(pl.DataFrame({"a": [1]}))
    assert polars.stack(Table.of(pl.DataFrame({"a": [0.5]}))).column("a").tolist() == [1, 0.5]
    assert polars.stack(Table.of(pl.DataFrame({"a": [None]}))).native["a"].dtype == pl.Int64
    for theirs in (pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": [datetime.date(2020, 1, 1)]})):
        with pytest.raises(ColumnError):
            polars.stack(Table.of(theirs))
    with pytest.raises(ColumnError):
        Table.of(pl.DataFrame({"a": pl.Series(["x"], dtype=pl.Enum(["x"]))})).stack(
            Table.of(pl.DataFrame({"a": pl.Series(["y"], dtype=pl.Enum(["y"]))}))
        )
    words = Table.of(np.array([["a"]])).stack(Table.of(np.array([[1.5]])))
    assert words.native.tolist() == [["a"], [1.5]]


def test_gather_refuses_an_index_of_another_width():
    with pytest.raises(InputError, match=r"\(rows, 2\)"):
        Table.of(np.zeros((3, 2))).gather(np.zeros((1, 3), dtype=int))


def test_vocabulary_is_the_same_whatever_the_order_of_rows():
    frame = pd.DataFrame({"a": pd.Series([1, "1", True, None, "b", 2.5], dtype=object)})
    words = Table.of(frame).vocabulary()["a"]
    assert words == (1, "1", 2.5, "b")  # True equals 1, and the int comes first in this frame
    assert Table.of(frame[::-1].drop(index=2)).vocabulary()["a"] == words


def test_ninety_thousand_columns_take_seconds():
    started = time.process_time()
    table = Table.of(np.zeros((2, 90_000)))
    names = table.names[::-1]
    frame = Table.of(pd.DataFrame(np.zeros((2, 90_000)), columns=list(names)))
    frame.aligned(table.names).stack(frame)
    frame.gather(np.zeros((3, 90_000), dtype=int))
    with pytest.raises(ColumnError, match="more than one column"):
        Table.of(np.zeros((2, 90_000)), names=[*names[1:], "x0"])
    with pytest.raises(ColumnError, match="lacks the columns"):
        frame.aligned((*table.names[1:], "y"))
    # a quadratic step over 90,000 names alone takes minutes
    assert time.process_time() - started < 20
