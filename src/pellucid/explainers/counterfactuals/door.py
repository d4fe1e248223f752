"""The door `counterfactuals`."""

import platform
import time
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, ModelError
from pellucid._base.progress import Progress, check_progress, track
from pellucid._base.randomness import check_seed, is_whole
from pellucid._base.typing import Array, Float2, Int1, Int2
from pellucid.adapters import as_model
from pellucid.explainers.counterfactuals.beam import shortened
from pellucid.explainers.counterfactuals.constraints import Constraints, compiled
from pellucid.explainers.counterfactuals.distances import Gower, plausibility, typical_gaps
from pellucid.explainers.counterfactuals.goals import Goal, goal_of
from pellucid.explainers.counterfactuals.pool import Pool
from pellucid.explainers.counterfactuals.search import (
    Found,
    Ranking,
    codes_at,
    distances,
    ranked,
    rounds,
    search,
)
from pellucid.explainers.counterfactuals.selection import distinct, diverse
from pellucid.explanation.counterfactuals import Counterfactuals
from pellucid.explanation.provenance import Provenance
from pellucid.ir import Model, Space
from pellucid.table import Table

MOST_ALTERNATIVES = 1000
BORDER = 1e-9
"""How far rounding may move an output, relative to the largest, when the same row stands in another batch."""


def counterfactuals(
    model: Any,
    X: Any,
    *,
    background: Any,
    target: Any = None,
    output: str | int | None = None,
    constraints: Constraints | None = None,
    n: int = 1,
    neighbours: int = 10,
    random_state: int = 0,
    progress: Progress = None,
) -> Counterfactuals:
    """Find what would have had to be different in each row for the model to say something else.

    Every alternative is the row itself with some cells copied from real background rows: from one, or from several
    where that takes fewer changes. All are checked on the model before they are returned, and none breaks a constraint;
    where none is found, the answer says why.

    Parameters
    ----------
    model : object
        A fitted model of a library that pellucid reads, a pipeline, or a function from rows to outputs.
    X : table of shape (rows, features)
        Rows to answer for, in raw features: numbers, categories and missing values as the model takes them.
    background : table of shape (background rows, features)
        Real rows to copy from and to judge plausibility by, such as the training rows.
    target : class, (low, high) or None
        The class the model should have given, or the range an output should have been in (None for an open end).
        None means any other class than the present one.
    output : str or int, optional
        Which output must lie in the range; not needed where the model has one. Classifiers are
        measured in probabilities where they have them.
    constraints : Constraints, optional
        What may change, and how.
    n : int
        Alternatives per row: the first with the fewest changes, the others as different as possible.
    neighbours : int
        Background rows with the wanted outcome that are tried first, nearest first; ten times as many where
        these do not give `n` alternatives.
    random_state : int
        Seed of the sample of background rows by which plausibility is judged where there are over 1000.
    progress : bool or callable, optional
        Progress on long work; None shows a bar on a terminal only.

    Returns
    -------
    Counterfactuals

    Raises
    ------
    InputError
        When the target, the constraints or another option is none that this model and table have.
    ColumnError
        When columns are missing or unknown.

    References
    ----------
    D. Brughmans, P. Leyman, D. Martens (2023), "NICE: an algorithm for nearest instance counterfactual
    explanations", Data Mining and Knowledge Discovery.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    >>> found = pellucid.counterfactuals(model, X.iloc[[70]], background=X, target=1)
    >>> found.changes(0)
    {'petal width (cm)': (1.8, 1.6)}
    """
    started = time.perf_counter()
    _check_options(constraints, n, neighbours, random_state)
    check_progress(progress)
    constraints = constraints or Constraints()
    rows = Table.of(background, what="background")
    if not len(rows):
        raise InputError("background must have at least one row to copy from; got none.")
    if not rows.n_columns:
        raise InputError("background has no columns, so there is nothing to change.")
    read = as_model(model, reference=rows)
    names = read.features or rows.names
    rows = rows.aligned(names, what="background")
    table = Table.of(X).aligned(names, owner="the model" if read.features else "background")
    goal, space = goal_of(read, target, output)
    pool, own, wanted = _pool(read, X=table, background=rows, goal=goal, space=space, constraints=constraints)
    lot = max(neighbours, 3 * n)
    ranking = ranked(pool, wanted, lot)
    already = goal.reached(own, pool.start)
    copies = _found(pool, ranking, lot, n, already=already, progress=progress)
    found, outputs = _rechecked(pool, _with_fewer(pool, copies, progress))
    chosen = _chosen(pool, found, n)
    counts = np.bincount(found.row[chosen], minlength=len(table))
    reasons = _reasons(pool, found, wanted=wanted, ranking=ranking, already=already, counts=counts, n=n)
    parameters = {"target": goal.words, "n": n, "neighbours": neighbours, "constraints": repr(constraints)}
    provenance = provenance_of(pool, len(rows), parameters, random_state, started)
    return answer(
        pool,
        found.row[chosen],
        found.cells[chosen],
        reasons,
        provenance,
        background=pool.codes[pool.n_rows :],
        before=own,
        after=outputs[chosen],
    )


def _check_options(constraints: Any, n: Any, neighbours: Any, random_state: Any) -> None:
    if not (constraints is None or isinstance(constraints, Constraints)):
        raise InputError(
            f"constraints must be Constraints(...), such as Constraints(immutable=['age']); got {constraints!r:.80}."
        )
    for name, value in (("n", n), ("neighbours", neighbours)):
        if not (is_whole(value) and 1 <= value <= MOST_ALTERNATIVES):
            raise InputError(f"{name} must be a whole number from 1 to {MOST_ALTERNATIVES}; got {value!r:.80}.")
    check_seed(random_state)


def _pool(
    model: Model, *, X: Table, background: Table, goal: Goal, space: Space, constraints: Constraints
) -> tuple[Pool, Float2, Array]:
    """Put rows and background together, and ask the model about both.

    Returns
    -------
    pool : Pool
    own : float64 array of shape (rows, outputs)
    wanted : bool array of shape (rows, background)
        Whether each background row has the outcome that each explained row lacks.
    """
    table = X.stack(background)
    vocabulary = table.vocabulary()
    codes = table.codes(vocabulary)
    numeric = np.array([name not in vocabulary for name in table.names])
    cells = np.repeat(np.arange(len(table))[:, None], table.n_columns, axis=1)
    pool = Pool(
        model=model,
        space=space,
        goal=goal,
        table=table,
        codes=codes,
        n_rows=len(X),
        start=np.zeros(len(X), dtype=np.int64),
        rules=compiled(constraints, table, vocabulary),
        gower=Gower.of(codes[len(X) :], numeric),
    )
    own, theirs = pool.outputs(cells[: len(X)]), pool.outputs(cells[len(X) :])
    if goal.kind != "range":
        pool.start[:] = own.argmax(axis=1)
    if goal.kind == "other":
        wanted = theirs.argmax(axis=1)[None, :] != pool.start[:, None]
    else:
        wanted = np.broadcast_to(goal.reached(theirs, np.zeros(len(theirs), dtype=np.int64)), (len(X), len(theirs)))
    return pool, own, wanted


def _found(pool: Pool, ranking: Ranking, lot: int, n: int, *, already: Array, progress: Progress) -> Found:
    """Search lot after lot until every row has `n` alternatives or has no neighbours left."""
    enough = already.copy()
    d = pool.codes.shape[1]
    row, changes = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    cells, refused = np.empty((0, d), dtype=np.int64), np.zeros(pool.n_rows, dtype=np.int64)
    lots = -(-ranking.order.shape[1] // lot)
    for mine, neighbour in track(rounds(ranking, lot, enough), task="copying", total=lots, progress=progress):
        part = search(pool, mine, neighbour, enough=1 if n == 1 else 2 * n)
        row, cells = np.concatenate([row, part.row]), np.concatenate([cells, part.cells])
        changes, refused = np.concatenate([changes, part.changes]), refused + part.refused
        kept = distinct(row, codes_at(pool, cells))
        row, cells, changes = row[kept], cells[kept], changes[kept]
        enough |= np.bincount(row, minlength=pool.n_rows) >= n
    return Found(row=row, cells=cells, changes=changes, refused=refused)


def _with_fewer(pool: Pool, found: Found, progress: Progress) -> Found:
    """Add what is reached with fewer changes than copies of one neighbour need."""
    fewest = np.full(pool.n_rows, len(pool.rules.unit) + 1)
    np.minimum.at(fewest, found.row, found.changes)
    rows = np.unique(found.row)
    fewer = shortened(pool, rows[fewest[rows] > 1], fewest[rows[fewest[rows] > 1]], progress)
    return Found(
        row=np.concatenate([found.row, fewer.row]),
        cells=np.concatenate([found.cells, fewer.cells]),
        changes=np.concatenate([found.changes, fewer.changes]),
        refused=found.refused + fewer.refused,
    )


def _rechecked(pool: Pool, found: Found) -> tuple[Found, Float2]:
    """Ask the model again about every candidate, and keep those that still are at the goal.

    Raises
    ------
    ModelError
        When one is far from it: the model does not give the same rows the same outputs.
    """
    sound, reached, progress, outputs = pool.judged(found.row, found.cells)
    lost = ~reached & (progress < -BORDER * (1.0 + np.abs(outputs).max(axis=1, initial=0.0)))
    if lost.any():
        raise ModelError(
            f"{pool.model.label} gave other outputs for {int(lost.sum())} candidates when it was asked again, so its "
            "answers cannot be relied on. Fix its seed, or switch off what is random or depends on the other rows."
        )
    kept = Found(row=found.row[sound], cells=found.cells[sound], changes=found.changes[sound], refused=found.refused)
    return kept, outputs[sound]


def _chosen(pool: Pool, found: Found, n: int) -> Int1:
    """Positions of the alternatives to return, row after row, the best of each row first."""
    codes, apart = codes_at(pool, found.cells), distances(pool, found.row, found.cells)
    order = np.argsort(found.row, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(found.row[order])) + 1)
    chosen = [
        part[diverse(pool.gower, codes[part], found.changes[part], apart[part], n)] for part in parts if len(part)
    ]
    return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)


def _reasons(
    pool: Pool, found: Found, *, wanted: Array, ranking: Ranking, already: Array, counts: Int1, n: int
) -> tuple[str, ...]:
    """For each row, why it has fewer alternatives than asked for; empty where it has all."""
    goal = pool.goal.words
    if pool.goal.kind == "other":
        named = [f"a class other than ‘{pool.model.outputs[c]:.60}’" for c in pool.start]
    else:
        named = [goal] * pool.n_rows
    limit = pool.rules.max_changes
    within = "" if limit is None else f" with at most {limit} change{'s' * (limit > 1)}"
    reasons = []
    for r in range(pool.n_rows):
        real = int(wanted[r].sum())
        tried = int(ranking.count[r])
        if already[r]:
            reason = f"the model gives {named[r]} already"
        elif counts[r] >= n:
            reason = ""
        elif counts[r]:
            reason = f"only {counts[r]} of {n} different alternatives were found among {tried} background rows"
        elif not real:
            reason = f"no background row has the outcome {named[r]}, so there is nothing to copy from"
        elif not tried:
            reason = (
                f"the constraints leave nothing to copy from the {real} background rows with the outcome {named[r]}"
            )
        elif found.refused[r]:
            reason = f"your check refused all {found.refused[r]} candidates with the outcome {named[r]}"
        else:
            reason = (
                f"no permitted change towards {tried} of the {real} background rows with it led to {named[r]}{within}"
            )
        reasons.append(reason)
    return tuple(reasons)


def answer(
    pool: Pool,
    row: Int1,
    cells: Int2,
    reasons: tuple[str, ...],
    provenance: Provenance,
    *,
    background: Float2,
    before: Float2,
    after: Float2,
) -> Counterfactuals:
    """Measure the alternatives (`cells`, whose `row` each is) and put them together; `background` has codes."""
    codes, own = codes_at(pool, cells), pool.codes[row]
    nearest = pool.gower.nearest(codes, background)
    unchanged = np.repeat(np.arange(pool.n_rows)[:, None], cells.shape[1], axis=1)
    return Counterfactuals(
        data=pool.table.gather(np.concatenate([unchanged, cells])),
        row=row,
        changed=(codes != own) & ~(np.isnan(codes) & np.isnan(own)),
        before=before,
        after=after,
        distance=distances(pool, row, cells),
        nearest=nearest,
        plausibility=plausibility(nearest, typical_gaps(pool.gower, background, provenance.random_state)),
        reasons=reasons,
        outputs=pool.model.outputs,
        decides=pool.goal.kind != "range",
        output=pool.goal.position if pool.goal.kind == "range" else None,
        space=pool.model.resolve(pool.space),
        provenance=provenance,
    )


def provenance_of(
    pool: Pool, n_background: int, parameters: dict[str, Any], random_state: int, started: float
) -> Provenance:
    """Where the answer comes from; the pool has the background behind the rows."""
    parts = {"rows": np.arange(pool.n_rows), "background": np.arange(pool.n_rows, pool.n_rows + n_background)}
    return Provenance(
        method="counterfactuals",
        reason="asked for by name.",
        model=pool.model.label,
        background=f"{len(parts['background'])} rows",
        parameters=parameters,
        random_state=random_state,
        hashes={name: pool.table.take(part).digest() for name, part in parts.items()},
        versions={"python": platform.python_version(), "numpy": np.__version__},
        seconds=time.perf_counter() - started,
    )
