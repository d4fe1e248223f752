"""`find_slices`: parts of the data where a model is worse than elsewhere, beyond what looking at many would explain."""

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.randomness import stream
from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int1, Names
from pellucid.improvement.conditions import Condition, conditions_of
from pellucid.improvement.losses import Errors, read_errors

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 5_000
MOST_LOOKED = 2_000
MOST_FOUND = 10
SHUFFLES = 399
BLOCK = 256
"""Slices whose shuffled means are held at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """A part of the rows where the model is worse than elsewhere.

    Parameters
    ----------
    words : str
        The one or two statements that make the slice.
    features : tuple of str
    n : int
        Its rows among those looked at.
    error, low, high : float
        Mean error inside with its 95 % interval.
    elsewhere : float
        Mean error of the other rows.
    p_value : float
        Chance that shuffled errors show any slice as bad as this, of all that were looked at.
    gain : float
        What the mean error of all rows would fall by if the slice were like the others: no more can be had there.
    sentence : str
    """

    words: str
    features: Names
    n: int
    error: float
    low: float
    high: float
    elsewhere: float
    p_value: float
    gain: float
    sentence: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Slices:
    """Weak slices, the clearest first.

    Parameters
    ----------
    found : tuple of Slice
    looked : int
        Slices that were looked at.
    n : int
        Rows that were looked at.
    error : float
        Mean error of all of them.
    share : bool
        Errors are shares of wrong decisions; else absolute errors.
    """

    found: tuple[Slice, ...]
    looked: int
    n: int
    error: float
    share: bool
    _rows: tuple[Bool1, ...] = field(default=(), repr=False)

    def rows_of(self, position: int) -> Int1:
        """Positions, among the rows looked at, of the rows of one slice."""
        return np.flatnonzero(self._rows[position]).astype(np.int64)

    @property
    def sentences(self) -> Names:
        """What was found, in plain words."""
        if not self.looked:
            return (
                f"There was nothing to look at: no column parts the {self.n:,} rows into parts that are large enough.",
            )
        if not self.found:
            return (
                f"Of {self.looked:,} slices of {self.n:,} rows none is worse than the others beyond what looking at so "
                "many explains.",
            )
        return tuple(each.sentence for each in self.found)

    def to_frame(self) -> "pd.DataFrame":
        """One row per slice."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        names = ("words", "n", "error", "low", "high", "elsewhere", "p_value", "gain")
        return pd.DataFrame({name: [getattr(each, name) for each in self.found] for name in names})


def find_slices(
    model: Any, X: Any, y: Any, *, min_rows: int = 30, level: float = 0.95, random_state: int = 0
) -> Slices:
    """Find parts of the data where a model errs more than elsewhere.

    Looked at are single statements (a category, a quarter of a number's range, a missing value) and pairs of them. The
    statements come from the columns alone. Many are looked at, so each has to beat the worst of them all under
    shuffled errors (Westfall and Young 1993): where nothing is weak, anything is found in one of twenty tables only.
    After each slice the next must be weak in the rows that are left.

    Parameters
    ----------
    model : object
        See `pellucid.explain`.
    X : table of shape (rows, features)
        Rows the model has not seen; of more than 5,000 so many are drawn.
    y : sequence of length rows
        The truth.
    min_rows : int
        Fewest rows of a slice, and of the others.
    level : float
        Confidence over all slices together.
    random_state : int

    Returns
    -------
    Slices

    Raises
    ------
    InputError
        When there are fewer than ``2 * min_rows`` rows, or `y` does not fit the model.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid import find_slices
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X = {"age": rng.normal(size=600), "kind": rng.choice(["a", "b", "c"], 600)}
    >>> y = X["age"] + rng.normal(size=600) * np.where(X["kind"] == "b", 3.0, 0.3)
    >>> found = find_slices(lambda T: np.asarray(T["age"]), X, y)
    >>> found.found[0].words
    '‘kind’ is ‘b’'
    """
    if min_rows < 2 or not 0.5 <= level < 1:
        raise InputError(f"min_rows must be at least 2 and level in [0.5, 1); got {min_rows} and {level}.")
    errors = _sample(read_errors(model, X, y), random_state)
    if len(errors.values) < 2 * min_rows:
        raise InputError(
            f"find_slices needs at least {2 * min_rows} rows for min_rows={min_rows}; got {len(errors.values)}."
        )
    atoms = conditions_of(errors.table, min_rows)
    groups, rows = candidates(atoms, min_rows, len(errors.values))
    overall = float(errors.values.mean())
    empty = Slices(found=(), looked=len(groups), n=len(errors.values), error=overall, share=errors.share)
    if not groups or np.ptp(errors.values) == 0:
        return empty
    scores = excess(rows, errors.values[:, None])[:, 0]
    worst = _worst_of_shuffled(rows, errors.values, random_state)
    chosen = _chosen(rows, errors.values, scores, float(np.quantile(worst, level, method="higher")))
    found = tuple(_slice(groups[i], rows[i], errors, float(scores[i]), worst) for i in chosen)
    return Slices(
        found=found,
        looked=len(groups),
        n=len(errors.values),
        error=overall,
        share=errors.share,
        _rows=tuple(rows[i] for i in chosen),
    )


def _sample(errors: Errors, random_state: int) -> Errors:
    n = len(errors.values)
    if n <= MOST_ROWS:
        return errors
    rows = np.sort(stream(random_state, "improvement.slices.rows").choice(n, size=MOST_ROWS, replace=False))
    return Errors(table=errors.table.take(rows), values=errors.values[rows], share=errors.share)


def candidates(atoms: tuple[Condition, ...], min_rows: int, n_rows: int) -> tuple[list[tuple[Condition, ...]], Bool2]:
    """Return single statements, then pairs about two features, the largest first, with their rows."""
    singles: list[tuple[Condition, ...]] = [(atom,) for atom in atoms]
    pairs = [(a, b, a.rows & b.rows) for a, b in combinations(atoms, 2) if a.feature != b.feature]
    pairs = sorted((pair for pair in pairs if pair[2].sum() >= min_rows), key=lambda pair: -int(pair[2].sum()))
    kept = pairs[: max(0, MOST_LOOKED - len(singles))]
    masks = [atom.rows for atom in atoms] + [rows for _, _, rows in kept]
    return singles + [(a, b) for a, b, _ in kept], np.array(masks, dtype=bool).reshape(len(masks), n_rows)


def excess(rows: Bool2, errors: Float2) -> Float2:
    """Standardised difference of mean errors inside and outside every slice, for every column of errors.

    Under shuffling the variance of all errors is what the difference varies with, so it stands in the denominator.
    """
    n = rows.sum(axis=1, dtype=float)[:, None]
    total, spread = errors.sum(axis=0), errors.std(axis=0)
    inside = rows.astype(float) @ errors
    outside = len(errors) - n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((inside / n - (total - inside) / outside) / (spread * np.sqrt(1 / n + 1 / outside)))


def _worst_of_shuffled(rows: Bool2, errors: Float1, random_state: int) -> Float1:
    """Return the largest excess over all slices when errors are dealt to rows at random, for each of many deals."""
    rng = stream(random_state, "improvement.slices.shuffles")
    shuffled = rng.permuted(np.tile(errors[:, None], (1, SHUFFLES)), axis=0)
    parts = (excess(rows[start : start + BLOCK], shuffled).max(axis=0) for start in range(0, len(rows), BLOCK))
    return np.asarray(np.max(list(parts), axis=0))


def _chosen(rows: Bool2, errors: Float1, scores: Float1, critical: float) -> list[int]:
    """Take the clearest slice, set its rows aside, and go on with what is left."""
    chosen: list[int] = []
    left = np.ones(len(errors), dtype=bool)
    while len(chosen) < MOST_FOUND:
        best = int(np.nanargmax(scores))
        if not scores[best] > critical:
            break
        chosen.append(best)
        left &= ~rows[best]
        enough = (rows & left).sum(axis=1) >= max(2, 0.5 * rows.sum(axis=1).min())
        if not enough.any() or np.ptp(errors[left]) == 0:
            break
        scores = np.where(enough, excess((rows & left)[:, left], errors[left][:, None])[:, 0], -np.inf)
    return chosen


def _slice(group: tuple[Condition, ...], rows: Bool1, errors: Errors, score: float, worst: Float1) -> Slice:
    inside, outside = errors.mean(rows), float(errors.values[~rows].mean())
    words, n = " and ".join(each.words for each in group), int(rows.sum())
    gain = (inside[0] - outside) * n / len(rows)
    unit = " of all decisions" if errors.share else ""
    size = f"{100 * gain:.1f} %" if errors.share else f"{gain:.3g}"
    rest = f"{100 * outside:.1f} %" if errors.share else f"{outside:.3g}"
    return Slice(
        words=words,
        features=tuple(each.feature for each in group),
        n=n,
        error=inside[0],
        low=inside[1],
        high=inside[2],
        elsewhere=outside,
        p_value=float((1 + (worst >= score).sum()) / (1 + len(worst))),
        gain=gain,
        sentence=f"Where {words} (n = {n:,}) the model has {errors.words(inside)}, elsewhere {rest}: at most "
        f"{size}{unit} can be gained there.".replace("has wrong in", "is wrong in"),
    )
