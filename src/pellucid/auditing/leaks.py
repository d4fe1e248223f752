"""How much of the answer one column alone gives away: out-of-sample scores, and levels that decide the outcome."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.statistics import Z, wilson
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1
from pellucid.auditing.findings import Measure
from pellucid.auditing.metrics import auc, bootstrap, macro_auc, r_squared
from pellucid.auditing.policy import Policy
from pellucid.auditing.words import cell
from pellucid.table import Table

FOLDS = 5
MOST_ROWS = 5000
MOST_COLUMNS = 12
REPLICATES = 200
SMOOTHING = 5.0
NEIGHBOURS = 30


@dataclass(frozen=True, kw_only=True)
class Level:
    """One value of a column and what the outcome does there.

    Parameters
    ----------
    column : str
    value : str
        The level as text.
    rows : int64 array
        Where it occurs.
    outcome : int
        Class that nearly all rows of the level have.
    purity : float
        Share of the level's rows with that class.
    low, high : float
        Wilson's 95 % interval of the purity.
    elsewhere : float
        Share of that class in the rows it is compared with.
    doubt : float
        Share of all rows that do not have that class.
    odds_low : float
        Lower end of the 95 % interval of the odds ratio.
    covered : float
        Share of all rows of that class that have the level.
    """

    column: str
    value: str
    rows: Int1
    outcome: int
    purity: float
    low: float
    high: float
    elsewhere: float
    doubt: float
    odds_low: float
    covered: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LeakSearch:
    """What single columns give away of the answer.

    Parameters
    ----------
    columns : tuple of Measure
        Out-of-sample score (AUC, or R² for a number) of the strongest columns alone, the strongest first.
    levels : tuple of Level
        Levels at which the outcome is nearly decided.
    looked : int
        Number of levels looked at.
    """

    columns: tuple[Measure, ...]
    levels: tuple[Level, ...]
    looked: int


def search_leaks(X: Table, truth: Array, n_classes: int | None, policy: Policy, random_state: int) -> LeakSearch:
    """Look at every column alone, and for classes at every level.

    Parameters
    ----------
    X : table of shape (rows, columns)
    truth : array of shape (rows,)
        Positions of the true classes, or numbers where `n_classes` is None.
    n_classes : int or None
    policy : Policy
    random_state : int
    """
    columns = tuple(_alone(X, truth, n_classes, random_state))
    if n_classes is None:
        return LeakSearch(columns=columns, levels=(), looked=0)
    levels, looked = suspect_levels(
        X, truth, n_classes, fewest=policy.min_group_size, purity=policy.leak_purity, odds=policy.leak_odds
    )
    return LeakSearch(columns=columns, levels=tuple(levels), looked=looked)


def _alone(X: Table, truth: Array, n_classes: int | None, random_state: int) -> list[Measure]:
    """Out-of-sample score of every column alone, the strongest first."""
    if len(X) > MOST_ROWS:
        rows = np.sort(stream(random_state, "audit.leak.rows").choice(len(X), size=MOST_ROWS, replace=False))
        X, truth = X.take(rows), truth[rows]
    folds, plain = fold_of_rows(truth, n_classes, random_state), np.ones(len(truth))
    of = {}
    for name in X.names:
        scores = column_scores(X.column(name), truth, n_classes, folds)
        if n_classes is None:
            of[name] = r_squared(scores[:, 0], truth)
        else:
            of[name] = auc(scores[:, 1], truth == 1) if n_classes == 2 else macro_auc(scores, truth)
    strongest = sorted(of, key=lambda name: -of[name](plain))[:MOST_COLUMNS]
    found = bootstrap({name: of[name] for name in strongest}, plain, random_state, "audit.leak", replicates=REPLICATES)
    return [found[name] for name in strongest]


def fold_of_rows(truth: Array, n_classes: int | None, random_state: int) -> Int1:
    """Fold of each row, stratified by class (numbers: by rank)."""
    order = stream(random_state, "audit.leak.folds").permutation(len(truth))
    ranked = order[np.argsort(truth[order], kind="stable")] if n_classes else order
    folds = np.empty(len(truth), dtype=np.int64)
    folds[ranked] = np.arange(len(truth)) % FOLDS
    return folds


def column_scores(values: Array, truth: Array, n_classes: int | None, folds: Int1) -> Float2:
    """Out-of-fold predictions of a small tree on one column alone: class shares, or the mean.

    Categories are replaced by the outcome's mean within the training folds, shrunk towards the overall mean.
    """
    goal = np.eye(n_classes)[truth] if n_classes else truth.astype(float)[:, None]
    scores = np.empty(goal.shape)
    for fold in range(FOLDS):
        held = folds == fold
        fitted, asked = _encoded(values, goal, held)
        scores[held] = _small_tree(fitted, goal[~held], asked)
    return scores


def _encoded(values: Array, goal: Float2, held: Bool1) -> tuple[Float2, Float2]:
    if values.dtype.kind == "f":
        return values[~held][:, None], values[held][:, None]
    prior = goal[~held].mean(axis=0)
    total: dict[Any, Float1] = {}
    count: dict[Any, int] = {}
    for value, row in zip(values[~held].tolist(), goal[~held], strict=True):
        total[value] = total.get(value, 0.0) + row
        count[value] = count.get(value, 0) + 1
    means = {value: (total[value] + SMOOTHING * prior) / (count[value] + SMOOTHING) for value in total}
    fitted, asked = ([means.get(value, prior) for value in values[side].tolist()] for side in (~held, held))
    return np.array(fitted), np.array(asked)


def _small_tree(fitted: Float2, goal: Float2, asked: Float2) -> Float2:
    from sklearn.tree import DecisionTreeRegressor  # a third party, loaded only when data are checked

    leaf = max(5, len(goal) // 100)
    tree = DecisionTreeRegressor(max_depth=6, min_samples_leaf=leaf, random_state=0).fit(_finite(fitted), goal)
    return np.asarray(tree.predict(_finite(asked))).reshape(len(asked), goal.shape[1])


def _finite(columns: Float2) -> Float2:
    """Infinite values as the largest numbers a tree takes; missing ones stay missing."""
    limit = float(np.finfo(np.float32).max)
    return np.clip(columns, -limit, limit)


def suspect_levels(
    X: Table, truth: Int1, n_classes: int, *, fewest: int, purity: float, odds: float
) -> tuple[list[Level], int]:
    """Levels at which the outcome is nearly decided and turns over, and the number of levels looked at.

    A level is suspect when at least `purity` of its rows have one class, when it at least halves the doubt about that
    class (the share of all rows without it), and when the odds of the class are at least `odds` times larger there;
    the last two by the unfavourable end of the 95 % interval. Categories
    are compared with all other rows; a repeated number only with its nearest neighbours in value, because a smooth
    relation makes the ends of a strong honest predictor pure as well.
    """
    found, looked = [], 0
    for name in X.names:
        for value, inside, around in _levels(X.column(name), fewest):
            looked += 1
            level = _level(name, value, (inside, around), truth, n_classes)
            if level.purity >= purity and level.odds_low >= odds and level.low >= 1 - level.doubt / 2:
                found.append(level)
    return sorted(found, key=lambda level: -level.covered), looked


def _levels(values: Array, fewest: int) -> Iterator[tuple[str, Bool1, Bool1]]:
    """Each level with enough rows, as text, with its own rows and those it is compared with."""
    if values.dtype.kind != "f":
        distinct = list(dict.fromkeys(values.tolist()))
        for value in distinct:
            inside = np.array([other is value or other == value for other in values.tolist()], dtype=bool)
            if inside.sum() >= fewest and not inside.all():
                yield cell(value), inside, ~inside
        return
    missing = np.isnan(values)
    if fewest <= missing.sum() < len(values):
        yield cell(None), missing, ~missing
    present, counts = np.unique(values[~missing], return_counts=True)
    if len(present) < 2:
        return
    order = np.argsort(values, kind="stable")[: int((~missing).sum())]
    starts = np.concatenate([[0], np.cumsum(counts)])
    for i in np.flatnonzero(counts >= fewest):
        reach = max(NEIGHBOURS, int(counts[i]))
        inside = np.zeros(len(values), dtype=bool)
        inside[order[starts[i] : starts[i + 1]]] = True
        around = np.zeros(len(values), dtype=bool)
        around[order[max(0, starts[i] - reach) : starts[i]]] = True
        around[order[starts[i + 1] : starts[i + 1] + reach]] = True
        if len(present) == 2:
            around = ~inside & ~missing
        yield cell(float(present[i])), inside, around


def _level(name: str, value: str, sides: tuple[Bool1, Bool1], truth: Int1, n_classes: int) -> Level:
    """Describe the outcome inside the level and in the rows it is compared with."""
    inside, around = sides
    here = np.bincount(truth[inside], minlength=n_classes)
    there = np.bincount(truth[around], minlength=n_classes)
    outcome = int(here.argmax())
    a, n = float(here[outcome]), float(here.sum())
    b, m = float(there[outcome]), float(there.sum())
    # Haldane (1956) adds a half to every cell, so that empty cells leave the odds ratio finite.
    cells = np.array([a, n - a, b, m - b]) + 0.5
    log_odds = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    low, high = wilson(a / n, n)
    return Level(
        column=name,
        value=value,
        rows=np.flatnonzero(inside),
        outcome=outcome,
        purity=a / n,
        low=low,
        high=high,
        elsewhere=b / m if m else 1.0,
        doubt=float((truth != outcome).mean()),
        odds_low=float(np.exp(log_odds - Z * np.sqrt((1 / cells).sum()))),
        covered=a / float((truth == outcome).sum()),
    )
