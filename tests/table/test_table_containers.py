"""Every container times the Table's interface: same names, kinds, cells and digests, and nothing mutated."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pellucid.table import Table
from pellucid.testing.containers import mixed_containers, numeric_containers

NAMES = ("x0", "x1", "x2")
X = np.array([[0.0, 1.5, -2.0], [3.0, 0.0, 0.25], [0.5, -1.0, 0.0], [8.0, 0.0, 2.0], [1.0, 1.0, 1.0]])
NUMERIC = sorted(numeric_containers(X, NAMES))
MIXED = sorted(mixed_containers())
INDEX = np.array([[0, 1, 2], [4, 4, 0], [3, 0, 3], [1, 1, 1]])


def fingerprint(native):
    """Something that changes when a container's cells, dtypes or labels do."""
    if hasattr(native, "tocsr"):
        return native.toarray().tobytes()
    return pickle.dumps(native.to_dict() if isinstance(native, pd.DataFrame) else native)


def cells(table):
    return [table.column(name).tolist() for name in table.names]


@pytest.mark.parametrize("name", NUMERIC)
def test_numeric_containers_agree(name):
    native = numeric_containers(X, NAMES)[name]
    before = fingerprint(native)
    table = Table.of(native)
    assert (table.names, len(table), table.n_columns) == (NAMES, 5, 3)
    assert table.kinds == ("number",) * 3
    assert table.digest() == Table.of(X).digest()
    for j, column in enumerate(NAMES):
        np.testing.assert_array_equal(table.column(column), X[:, j])
        assert table.column(column).dtype == np.float64
    np.testing.assert_array_equal(np.asarray(table.as_array(), dtype=float), X)
    np.testing.assert_array_equal(table.codes({}), X)
    assert table.vocabulary() == {}
    oracle = np.array([[X[INDEX[i, j], j] for j in range(3)] for i in range(len(INDEX))])
    np.testing.assert_array_equal(table.gather(INDEX).codes({}), oracle)
    np.testing.assert_array_equal(table.take([4, -5]).codes({}), X[[4, 0]])
    np.testing.assert_array_equal(table.take(X[:, 0] > 2).codes({}), X[X[:, 0] > 2])
    np.testing.assert_array_equal(table.select(["x2", "x0"]).codes({}), X[:, [2, 0]])
    np.testing.assert_array_equal(table.stack(table.take([1])).codes({}), np.vstack([X, X[1:2]]))
    np.testing.assert_array_equal(table.as_frame().codes({}), X)
    table.column("x0")[:] = 99.0
    assert fingerprint(native) == before
    np.testing.assert_array_equal(table.codes({}), X)


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("other", ["numpy", "pandas", "polars", "pyarrow", "list of lists", "pandas nullable"])
def test_any_two_containers_stack(name, other):
    both = numeric_containers(X, NAMES)
    one, two = Table.of(both[name]), Table.of(both[other])
    stacked = one.stack(two)
    assert type(stacked.native) is type(one.native) or isinstance(one.native, np.memmap)
    np.testing.assert_array_equal(stacked.codes({}), np.vstack([X, X]))


@pytest.mark.parametrize("name", MIXED)
def test_mixed_containers_agree(name):
    native = mixed_containers()[name]
    before = fingerprint(native)
    table = Table.of(native)
    oracle = Table.of(mixed_containers()["pandas"])
    assert table.kinds == ("number", "number", "bool", "string", "category", "datetime")
    assert table.digest() == oracle.digest()
    np.testing.assert_array_equal(table.column("size"), [1.5, np.nan, 3.0, 4.25])
    np.testing.assert_array_equal(table.column("count"), [1, 2, np.nan, 2.0**40])
    np.testing.assert_array_equal(table.column("open"), [1, np.nan, 0, 1])
    assert table.column("town").tolist() == ["Bern", "", None, "Zürich"]
    assert table.column("grade").tolist() == ["b", "a", None, "b"]
    assert [None if v is None else v.isoformat(" ", "minutes") for v in table.column("day")] == [
        "2024-02-29 00:00",
        None,
        "1999-12-31 23:59",
        "2024-02-29 00:00",
    ]
    vocabulary = table.vocabulary()
    assert vocabulary["town"] == ("", "Bern", "Zürich")
    np.testing.assert_array_equal(
        table.codes(vocabulary | {"town": ("Bern",)})[:, [3, 4]], [[0, 1], [-1, 0], [np.nan, np.nan], [-1, 1]]
    )
    assert fingerprint(native) == before


@pytest.mark.parametrize("name", MIXED)
def test_rows_move_without_touching_a_dtype(name):
    native = mixed_containers()[name]
    table = Table.of(native)
    index = np.array([[3, 2, 1, 0, 3, 2], [0, 0, 0, 0, 0, 0], [2, 1, 2, 3, 2, 1]])
    moved = {
        "gather": table.gather(index),
        "take": table.take([3, 0]),
        "stack": table.stack(table.take([0])),
        "none": table.take([]),
        "gather none": table.gather(np.empty((0, 6), dtype=np.int64)),
        "stack none": table.take([]).stack(table),
    }
    for how, result in moved.items():
        assert type(result.native) is type(table.native)
        assert dtypes(result) == dtypes(table), how
        assert result.kinds == table.kinds
    expected = [[column[i] for i in rows] for column, rows in zip(cells(table), index.T, strict=True)]
    assert repr(cells(moved["gather"])) == repr(expected)
    assert repr(cells(moved["take"])) == repr([[column[3], column[0]] for column in cells(table)])
    assert repr(cells(moved["stack"])) == repr([[*column, column[0]] for column in cells(table)])
    backwards = table.select(table.names[::-1])
    assert repr(cells(backwards)) == repr(cells(table)[::-1])
    assert dtypes(backwards.aligned(table.names)) == dtypes(table)


def dtypes(table):
    native = table.native
    if isinstance(native, pa.Table):
        return [str(field.type) for field in native.schema]
    if isinstance(native, pl.DataFrame):
        return list(native.dtypes)
    categories = [list(c.cat.categories) if c.dtype == "category" else None for _, c in native.items()]
    return [*zip(native.dtypes, categories, strict=True)]


@pytest.mark.parametrize("name", MIXED)
def test_frames_are_made_in_the_users_type(name):
    table = Table.of(mixed_containers()[name])
    made = table.frame_like({"a": np.arange(2.0), "<b>": ["x", None]})
    assert type(made) is type(table.native)
    assert cells(Table.of(made)) == [[0.0, 1.0], ["x", None]]


def test_arrays_and_lists_make_pandas_frames():
    for native in (X, X.tolist()):
        assert isinstance(Table.of(native).frame_like({"a": [1]}), pd.DataFrame)


def test_a_table_can_be_copied_and_pickled():
    for native in (X, *(mixed_containers()[name] for name in ("pandas", "polars", "pyarrow"))):
        table = Table.of(native)
        assert copy.deepcopy(table).digest() == table.digest()
        assert pickle.loads(pickle.dumps(table)).digest() == table.digest()


def test_digest_does_not_depend_on_what_is_copied_at_once(monkeypatch):
    table = Table.of(np.random.default_rng(0).normal(size=(5, 7)))
    digest = table.digest()
    for cells in (1, 10, 11, 34):
        monkeypatch.setattr("pellucid.table.PLAIN_CELLS", cells)
        assert table.digest() == digest
        assert table.select(table.names[:-1]).digest() != digest


def test_digest_tells_cells_names_and_order_apart():
    base = Table.of(X).digest()
    other = X.copy()
    other[2, 1] += 1e-12
    assert Table.of(other).digest() != base
    assert Table.of(X[::-1]).digest() != base
    assert Table.of(X, names=["a", "b", "c"]).digest() != base
    assert Table.of(np.array([[np.nan]])).digest() == Table.of(np.array([[-np.nan]])).digest()
    assert Table.of(np.array([[np.nan]])).digest() != Table.of(np.array([[0.0]])).digest()
    assert Table.of({"a": ["x", None]}).digest() != Table.of({"a": ["x", "None"]}).digest()
    assert Table.of({"a": ["1"]}).digest() != Table.of({"a": [1]}).digest()
