"""The same small table in every container a user may bring.

``numeric_containers`` and ``mixed_containers`` give the same cells again and again, so whatever takes a
table can be run over all of them and must answer the same.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
from scipy import sparse

from pellucid._base.typing import Float2, Names


def numeric_containers(X: Float2, names: Names) -> dict[str, Any]:
    """Give `X`, without missing values and exact in float16, in 29 containers.

    Parameters
    ----------
    X : float64 array of shape (rows, columns)
    names : tuple of str
        Used where the container has names.

    Returns
    -------
    dict of str to container
    """
    frame = pd.DataFrame(X, columns=list(names))
    return _arrays(X) | _sparse(X) | _pandas_numbers(frame) | _other_frames(frame) | _plain(X, frame)


def mixed_containers() -> dict[str, Any]:
    """Give numbers, bools, text, categories and times, each with a missing value, in frames of every library."""
    base = pd.DataFrame(
        {
            "size": [1.5, np.nan, 3.0, 4.25],
            "count": pd.array([1, 2, None, 2**40], dtype="Int64"),
            "open": pd.array([True, None, False, True], dtype="boolean"),
            "town": ["Bern", "", None, "Zürich"],
            "grade": pd.Categorical(["b", "a", None, "b"], categories=["c", "b", "a"]),
            "day": np.array(["2024-02-29", "NaT", "1999-12-31T23:59", "2024-02-29"], dtype="datetime64[us]"),
        }
    )
    classic = base.astype({name: object for name in base if name != "grade"})
    arrow = base.astype({name: _arrow_dtype(base, name) for name in ("size", "count", "open", "town", "day")})
    table = pa.Table.from_pandas(base)
    return {
        "pandas": base,
        "pandas object": classic,
        "pandas arrow": arrow,
        "pandas string": base.astype({"town": "string", "size": "Float64"}),
        "pandas multi rows": base.set_index(pd.MultiIndex.from_product([["x", "y"], [1, 2]])),
        "pandas ordered": base.assign(grade=base["grade"].cat.as_ordered()),
        "polars": pl.from_pandas(base),
        "polars enum": pl.from_pandas(base).with_columns(pl.col("grade").cast(pl.Enum(["c", "b", "a"]))),
        "pyarrow": table,
        "pyarrow batch": table.to_batches()[0],
        "pyarrow chunked": pa.concat_tables([table.slice(0, 1), table.slice(1)]),
    }


def _arrow_dtype(frame: pd.DataFrame, name: str) -> Any:
    return pd.ArrowDtype(pa.Array.from_pandas(frame[name]).type)


def _arrays(X: Float2) -> dict[str, Any]:
    padded = np.zeros((2 * len(X), 2 * X.shape[1]))
    padded[::2, ::2] = X
    locked = X.copy()
    locked.flags.writeable = False
    return {
        "numpy": X.copy(),
        "numpy fortran": np.asfortranarray(X),
        "numpy strided": padded[::2, ::2],
        "numpy reversed": X[::-1, ::-1].copy()[::-1, ::-1],
        "numpy read-only": locked,
        "numpy mmap": _mapped(X),
        "numpy float16": X.astype(np.float16),
        "numpy float32": X.astype(np.float32),
        "numpy big-endian": X.astype(">f8"),
        "numpy object": X.astype(object),
        "numpy masked": np.ma.masked_array(X, mask=False),
    }


def _mapped(X: Float2) -> Any:
    """Map a file that is gone from the folder as soon as it is mapped."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "x.npy"), X)
        return np.load(Path(folder, "x.npy"), mmap_mode="r")


def _sparse(X: Float2) -> dict[str, Any]:
    return {
        "scipy csr": sparse.csr_array(X),
        "scipy csc": sparse.csc_array(X),
        "scipy coo": sparse.coo_array(X),
        "scipy csr matrix": sparse.csr_matrix(X),
    }


def _pandas_numbers(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "pandas": frame.copy(),
        "pandas float32": frame.astype(np.float32),
        "pandas nullable": frame.astype("Float64"),
        "pandas arrow": frame.astype(pd.ArrowDtype(pa.float64())),
        "pandas sparse": frame.astype(pd.SparseDtype(float, 0.0)),
        "pandas object": frame.astype(object),
        "pandas row labels": frame.set_axis([f"row {i}" for i in range(len(frame))]),
        "pandas multi rows": frame.set_axis(pd.MultiIndex.from_arrays([range(len(frame)), [0] * len(frame)])),
    }


def _other_frames(frame: pd.DataFrame) -> dict[str, Any]:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return {"polars": pl.from_pandas(frame), "pyarrow": table, "pyarrow batch": table.to_batches()[0]}


def _plain(X: Float2, frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "list of lists": X.tolist(),
        "list of dicts": frame.to_dict("records"),
        "dict of columns": {name: frame[name].tolist() for name in frame},
    }
