"""Rows mixed of other rows and one row's own cells, against the definition, in every kind of container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pellucid import Table

NUMBERS = np.random.default_rng(0).normal(size=(7, 3))
TABLES = {
    "matrix": NUMBERS,
    "columns first": np.asfortranarray(NUMBERS),
    "float32": NUMBERS.astype(np.float32),
    "objects": np.array([["a", 1, None], ["b", 2, "x"], ["c", 3, "y"], ["d", 4, "z"]] * 2, dtype=object)[:7],
    "pandas numbers": pd.DataFrame(NUMBERS, columns=list("abc")),
    "pandas mixed": pd.DataFrame({"a": range(7), "b": list("stuvwxy"), "c": pd.Categorical(list("ppqqrrr"))}),
    "polars": pl.DataFrame({"a": list(range(7)), "b": list("stuvwxy"), "c": NUMBERS[:, 0].tolist()}),
}


@pytest.mark.parametrize("data", TABLES.values(), ids=list(TABLES))
def test_mixed_rows_are_the_definition(data):
    table = Table.of(data)
    rng = np.random.default_rng(1)
    requests = [(5, rng.random((4, 3)) < 0.5), (6, rng.random((1, 3)) < 0.5), (0, np.ones((2, 3), dtype=bool))]
    found = table.mixed(range(1, 4), requests)
    cells = np.array(table.to_pandas(), dtype=object)
    expected = [
        [cells[row if line[j] else other, j] for j in range(3)]
        for row, shown in requests
        for other in range(1, 4)
        for line in shown
    ]
    got = np.array(found.to_pandas(), dtype=object)
    assert [[str(cell) for cell in line] for line in got] == [[str(cell) for cell in line] for line in expected]
    assert found.kinds == table.kinds
    assert type(found.native) is type(table.native)


def test_mixed_rows_may_be_written_into():
    table = Table.of(NUMBERS)
    kept = NUMBERS.copy()
    found = table.mixed(range(2), [(3, np.ones((1, 3), dtype=bool))])
    assert found.disposable
    assert not table.disposable
    found.native[:] = 7.0
    np.testing.assert_array_equal(NUMBERS, kept)
