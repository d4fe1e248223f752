"""DiCE's counterfactuals, put to the model again and measured as ours are."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.typing import Array, Bool1, Int1, Names
from pellucid._base.words import counted
from pellucid.adapters import as_model
from pellucid.explainers.counterfactuals.constraints import Constraints, compiled
from pellucid.explainers.counterfactuals.distances import Gower
from pellucid.explainers.counterfactuals.door import answer, provenance_of
from pellucid.explainers.counterfactuals.goals import goal_of
from pellucid.explainers.counterfactuals.pool import Pool
from pellucid.explainers.counterfactuals.search import codes_at, distances
from pellucid.explainers.counterfactuals.selection import distinct
from pellucid.explanation.counterfactuals import Counterfactuals
from pellucid.table import Table, listed


def counterfactuals_from_dice(
    found: Any,
    model: Any,
    X: Any,
    *,
    background: Any,
    target: Any = None,
    output: str | int | None = None,
    constraints: Constraints | None = None,
) -> Counterfactuals:
    """Take over what DiCE found: asked again of the model, measured, and held to the constraints.

    Alternatives that are not at the goal or break a constraint are left out, and the row's reason counts them.
    DiCE is not needed to read its answer; any object with the same attributes will do.

    Parameters
    ----------
    found : dice_ml.counterfactual_explanations.CounterfactualExplanations
        What ``generate_counterfactuals(X, ...)`` returned for all rows of `X`.
    model, background, target, output
        As in `counterfactuals`.
    X : pandas.DataFrame of shape (rows, features)
        The rows DiCE was asked about.
    constraints : Constraints, optional
        What must hold; that linked columns stand together in a real row is not looked at.

    Raises
    ------
    InputError
        When `found` is no such object, or not about as many rows.
    ColumnError
        When its tables lack a feature.

    Examples
    --------
    >>> import pandas as pd, pellucid
    >>> from types import SimpleNamespace as Stub
    >>> X = pd.DataFrame({"age": [20.0, 50.0], "debt": [1.0, 9.0]})
    >>> dice = Stub(cf_examples_list=[Stub(final_cfs_df=pd.DataFrame({"age": [50.0], "debt": [2.0], "y": [1]}))])
    >>> model = lambda X: X["debt"].to_numpy() - 5
    >>> found = pellucid.counterfactuals_from_dice(dice, model, X.tail(1), background=X, target=(None, 0))
    >>> found.sentence(0)
    'With ‘debt’ at 2 instead of 9, the model would have given −3 instead of 4.'
    """
    started = time.perf_counter()
    if not (constraints is None or isinstance(constraints, Constraints)):
        raise InputError(
            f"constraints must be Constraints(...), such as Constraints(immutable=['age']); got {constraints!r:.80}."
        )
    rows = Table.of(background, what="background")
    if not len(rows):
        raise InputError("background must have at least one row to judge plausibility by; got none.")
    read = as_model(model, reference=rows)
    rows = rows.aligned(read.features or rows.names, what="background")
    table = Table.of(X).aligned(rows.names, owner="the model" if read.features else "background")
    owner, theirs = _alternatives(found, table)
    goal, space = goal_of(read, target, output)
    whole = table.stack(rows).stack(theirs) if len(owner) else table.stack(rows)
    vocabulary = whole.vocabulary()
    codes = whole.codes(vocabulary)
    near = codes[len(table) : len(table) + len(rows)]
    pool = Pool(
        model=read,
        space=space,
        goal=goal,
        table=whole,
        codes=codes,
        n_rows=len(table),
        start=np.zeros(len(table), dtype=np.int64),
        rules=compiled(constraints or Constraints(), whole, vocabulary),
        gower=Gower.of(near, np.array([name not in vocabulary for name in whole.names])),
    )
    cells = np.repeat(np.arange(len(whole))[:, None], whole.n_columns, axis=1)
    own, cells = pool.outputs(cells[: len(table)]), cells[len(table) + len(rows) :]
    if goal.kind != "range":
        pool.start[:] = own.argmax(axis=1)
    accepted, reached, _, outputs = pool.judged(owner, cells)
    obeyed = _obeyed(pool, owner, cells)
    kept = np.flatnonzero(accepted & obeyed)
    kept = kept[distinct(owner[kept], codes_at(pool, cells[kept]))]
    changes = _changed(pool, owner, cells).sum(axis=1)
    kept = kept[np.lexsort((distances(pool, owner[kept], cells[kept]), changes[kept], owner[kept]))]
    parameters = {"target": goal.words, "constraints": repr(constraints or Constraints())}
    return answer(
        pool,
        owner[kept],
        cells[kept],
        _reasons(len(table), owner, reached, accepted & obeyed, goal.words),
        replace(provenance_of(pool, len(rows), parameters, 0, started), method="dice", reason="taken over from DiCE."),
        background=near,
        before=own,
        after=outputs[kept],
    )


def _alternatives(found: Any, X: Table) -> tuple[Int1, Table]:
    """Whose each of DiCE's alternatives is, and all of them in the columns and dtypes of the rows."""
    examples = getattr(found, "cf_examples_list", None)
    if not isinstance(examples, Sequence) or not all(hasattr(one, "final_cfs_df") for one in examples):
        raise InputError(f"expected what DiCE's generate_counterfactuals returns; got a {type(found).__qualname__}.")
    if len(examples) != len(X):
        raise InputError(f"DiCE answered for {counted(len(examples), 'row')}, but X has {len(X)}: pass the same rows.")
    frames = [(row, one.final_cfs_df) for row, one in enumerate(examples) if one.final_cfs_df is not None]
    owner = np.repeat([row for row, _ in frames], [len(frame) for _, frame in frames]).astype(np.int64)
    return owner, Table.of({name: _column(name, frames, X) for name in X.names}) if len(owner) else X.take([])


def _column(name: str, frames: list[tuple[int, Any]], X: Table) -> Any:
    """Cells of a feature in all alternatives, as numbers where the rows have numbers: DiCE may give them as text."""
    lacking = [list(map(str, frame.columns)) for _, frame in frames if name not in frame.columns]
    if lacking:
        raise ColumnError(f"DiCE's alternatives lack the feature {name!r:.80}; they have {listed(lacking[0], 12)}.")
    cells: Names = tuple(cell for _, frame in frames for cell in frame[name].tolist())
    if X.kinds[X.names.index(name)] not in ("number", "bool"):
        return np.array(cells, dtype=object)
    try:
        numbers = np.array(cells).astype(np.float64)
    except ValueError as error:
        raise InputError(f"DiCE's alternatives have no numbers for {name!r:.80}: {error}.") from None
    own = np.asarray(X.take([0]).native[name]).dtype if X.by_name and len(X) else numbers.dtype
    return numbers.astype(own) if own.kind in "iuf" and (own.kind == "f" or (numbers % 1 == 0).all()) else numbers


def _changed(pool: Pool, owner: Int1, cells: Array) -> Array:
    """Which units differ from the row, of shape (alternatives, units)."""
    before, after = pool.codes[owner], codes_at(pool, cells)
    other = (before != after) & ~(np.isnan(before) & np.isnan(after))
    units = np.zeros((len(owner), pool.rules.n_units), dtype=np.bool_)
    for j, unit in enumerate(pool.rules.unit):
        units[:, unit] |= other[:, j]
    return units


def _obeyed(pool: Pool, owner: Int1, cells: Array) -> Bool1:
    """Whether an alternative changes only what it may."""
    before, after = pool.codes[owner], codes_at(pool, cells)
    fine = np.ones(len(owner), dtype=np.bool_)
    for j in range(before.shape[1]):
        same = (before[:, j] == after[:, j]) | (np.isnan(before[:, j]) & np.isnan(after[:, j]))
        fine &= same | pool.rules.permits(j, before[:, j], after[:, j])
    if pool.rules.max_changes is not None:
        fine &= _changed(pool, owner, cells).sum(axis=1) <= pool.rules.max_changes
    return fine


def _reasons(n: int, owner: Int1, reached: Bool1, kept: Bool1, goal: str) -> tuple[str, ...]:
    """For each row what was left out of DiCE's alternatives; empty where nothing was."""
    reasons = []
    for row in range(n):
        mine = owner == row
        missed, broke = int((mine & ~reached).sum()), int((mine & reached & ~kept).sum())
        said = [f"{missed} not at the goal ({goal})"] * bool(missed) + [f"{broke} against the constraints"] * bool(
            broke
        )
        given = counted(int(mine.sum()), "alternative")
        reasons.append(
            "DiCE gave no alternative" if not mine.any() else f"of DiCE's {given} {' and '.join(said)}" if said else ""
        )
    return tuple(reasons)
