"""Rows at, one step below and one step above every threshold, in the library's own dtype: none goes the wrong way."""

from dataclasses import replace

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn import ensemble

from pellucid.adapters import as_model
from pellucid.table import Table

PROBES = 1_500
ROWS, COLUMNS = 600, 4
LIBRARIES = {
    "forest": ensemble.RandomForestRegressor(12, max_leaf_nodes=60, random_state=0),
    "gradient boosting": ensemble.GradientBoostingRegressor(n_estimators=80, max_depth=3, random_state=0),
    "histogram boosting": ensemble.HistGradientBoostingRegressor(max_iter=30, random_state=0),
    "isolation forest": ensemble.IsolationForest(n_estimators=20, random_state=0),
    "xgboost": xgboost.XGBRegressor(n_estimators=30, max_depth=5, n_jobs=1),
    "lightgbm": lightgbm.LGBMRegressor(n_estimators=40, n_jobs=1, verbose=-1, min_child_samples=5),
    "catboost": catboost.CatBoostRegressor(
        iterations=150, depth=5, verbose=0, thread_count=1, allow_writing_files=False, border_count=254
    ),
}


def rows_at_nodes(trees, columns):
    """For every inner node, a row that reaches it (-1: none does)."""
    reached = np.full(len(trees.feature), -1)
    for root in trees.roots:
        at, rows = np.full(len(columns), root), np.arange(len(columns))
        while len(rows):
            reached[at] = rows
            inner = trees.feature[at] >= 0
            at, rows = at[inner], rows[inner]
            left = trees.goes_left(at, columns[rows])
            at = np.where(left, trees.left[at], trees.right[at])
    return reached


def probes(trees, X, rng):
    """Rows that reach a split, with the cell that it asks for moved to, just below or just above its threshold."""
    dtype = np.dtype(trees.input_dtype)
    reached = rows_at_nodes(trees, X)
    nodes = rng.permutation(np.flatnonzero(~trees.is_leaf & (reached >= 0)))[: PROBES // 3]
    assert len(nodes) == PROBES // 3
    cut = trees.threshold[nodes].astype(dtype)
    cells = [cut, np.nextafter(cut, dtype.type(-np.inf)), np.nextafter(cut, dtype.type(np.inf))]
    rows = X[np.tile(reached[nodes], 3)]
    rows[np.arange(len(rows)), np.tile(trees.feature[nodes], 3)] = np.concatenate(cells).astype(np.float64)
    return rows


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_row_beside_a_threshold_goes_the_wrong_way(library):
    rng = np.random.default_rng(21)
    X = rng.normal(size=(ROWS, COLUMNS))
    X[:, -1] = np.round(X[:, -1], 1)
    y = X[:, 0] * X[:, 1] + np.sin(4 * X[:, 2]) + X[:, 3] + 0.5 * rng.normal(size=ROWS)
    model = as_model(LIBRARIES[library].fit(X, y))
    trees = model.structure
    rows = probes(trees, X, rng)
    table = Table.of(rows)
    gap = np.abs(trees.predict(model.encoding.transform(table)) - model.predict(table)).max(axis=1)
    assert (gap > trees.rounding_bound()).sum() == 0
    # The probes see a threshold that is one step too high: about a third of them turn wrong.
    dtype = np.dtype(trees.input_dtype)
    higher = np.nextafter(trees.threshold.astype(dtype), dtype.type(np.inf)).astype(np.float64)
    wrong = replace(trees, threshold=np.where(trees.is_leaf, 0.0, higher))
    gap = np.abs(wrong.predict(model.encoding.transform(table)) - model.predict(table)).max(axis=1)
    assert (gap > trees.rounding_bound()).mean() > 0.2


def test_there_are_enough_probes():
    assert PROBES * len(LIBRARIES) >= 10_000
