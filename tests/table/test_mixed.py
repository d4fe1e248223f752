"""Rows mixed of other rows and one row's own cells, against the definition, in every kind of container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pellucid import Table
from pellucid._kernels import _native

NUMBERS = np.random.default_rng(0).normal(size=(7, 3))
TABLES = {
    "matrix": NUMBERS,
    "columns first": np.asfortranarray(NUMBERS),
    "float32": NUMBERS.astype(np.float32),
    "every other row and column": np.repeat(np.repeat(NUMBERS, 2, axis=0), 2, axis=1)[::2, ::2],
    "integers": (NUMBERS * 100).astype(np.int64),
    "short integers": (NUMBERS * 100).astype(np.int16),
    "bools": NUMBERS > 0,
    "times": (NUMBERS * 100).astype("datetime64[s]"),
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


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
@pytest.mark.parametrize(("columns", "lines"), [(1, 3), (5, 1000), (300, 40), (5000, 2)])
def test_tables_of_any_size_are_mixed_bit_for_bit(columns, lines, dtype):
    rng = np.random.default_rng(columns)
    cells = rng.integers(-99, 99, size=(4, columns)).astype(dtype)
    if dtype is not np.int16:
        cells.ravel()[:3] = [np.nan, -0.0, np.inf][: min(3, cells.size)]
    shown = rng.random((lines, columns)) < 0.5
    found = Table.of(cells).mixed(range(3), [(3, shown), (0, ~shown)]).native
    expected = np.concatenate([np.where(s, cells[row], cells[:3, None]).reshape(-1, columns)
                               for row, s in ((3, shown), (0, ~shown))])  # fmt: skip
    assert found.dtype == dtype
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("instructions", _native.instruction_sets())
@pytest.mark.parametrize("word", [np.uint32, np.uint64])
@pytest.mark.parametrize(("columns", "lines"), [(1, 1), (3, 50), (8, 33), (17, 9), (64, 5), (131, 3), (0, 2)])
def test_every_instruction_set_mixes_any_bits_at_any_address(columns, lines, word, instructions):
    rng = np.random.default_rng(columns)
    cells = rng.integers(np.iinfo(word).max, size=(4, columns), dtype=word, endpoint=True)  # NaNs of all kinds
    shown = rng.random((lines, columns)) < 0.5
    room = np.full(3 * lines * columns + 2, 7, dtype=word)
    result = room[1:-1].reshape(3 * lines, columns)
    _native.mix(cells[:3], cells[3], shown, result, instructions)
    assert result.tobytes() == np.where(shown, cells[3], cells[:3, None]).tobytes()
    assert room[0] == room[-1] == 7
