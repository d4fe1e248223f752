"""`Counterfactuals`: what would have had to be different for the model to say something else."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, number_text, percent
from pellucid._base.typing import Array, Bool2, Float1, Float2, Int1, Names
from pellucid.explanation import _html
from pellucid.explanation._saved import Saved
from pellucid.explanation._shapes import freeze, freeze_names, rank
from pellucid.explanation.provenance import Provenance
from pellucid.ir import Space
from pellucid.table import Table

_WHOLE, _FLAGS = "iu", "b"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Counterfactuals(Saved):
    """For each row up to n alternatives: the row with some cells copied from real rows. Arrays are read-only.

    An alternative says what the model would have given, not what will happen to anybody who changes.

    Parameters
    ----------
    data : Table of rows + alternatives
        The explained rows, then every alternative as a whole row, in the user's own container.
    row : int64 array of shape (alternatives,)
        Which explained row each alternative belongs to, ascending; a row's best comes first.
    changed : bool array of shape (alternatives, features)
    before : float64 array of shape (rows, outputs)
        The model's outputs for the explained rows.
    after : float64 array of shape (alternatives, outputs)
        The model's outputs for the alternatives, as re-checked at the end.
    distance : float64 array of shape (alternatives,)
        Gower's distance from the explained row, from 0 to 1.
    nearest : float64 array of shape (alternatives,)
        Gower's distance to the nearest background row.
    plausibility : float64 array of shape (alternatives,)
        Share of background rows that are at least as far from their own nearest other row: 1 is an
        ordinary place to be, 0 is farther from all real rows than any of them. NaN for one background row.
    reasons : tuple of str
        For each row why it has fewer alternatives than asked for; empty where it has all.
    outputs : tuple of str
    decides : bool
        Whether the goal was a class, which is the output that is largest.
    output : int or None
        The output that had to lie in a range.
    space : Space
        Units of the outputs.
    provenance : Provenance

    Raises
    ------
    InputError
        When shapes do not match or an output is not finite.
    """

    data: Table
    row: Int1
    changed: Bool2
    before: Float2
    after: Float2
    distance: Float1
    nearest: Float1
    plausibility: Float1
    reasons: tuple[str, ...]
    outputs: Names
    decides: bool
    output: int | None
    space: Space
    provenance: Provenance

    def __post_init__(self) -> None:
        freeze_names(self, "outputs")
        m, n, k = len(self.row), rank(self.before, 2, "before", "(rows, outputs)")[0], len(self.outputs)
        freeze(self, "before", (n, k), "(rows, outputs)")
        freeze(self, "after", (m, k), "(alternatives, outputs)")
        for name in ("distance", "nearest", "plausibility"):
            freeze(self, name, (m,), "(alternatives,)", finite=name != "plausibility")
        _freeze_kind(self, "row", (m,), _WHOLE)
        _freeze_kind(self, "changed", (m, len(self.data.names)), _FLAGS)
        object.__setattr__(self, "reasons", tuple(self.reasons))
        if len(self.data) != n + m or len(self.reasons) != n or not all(isinstance(r, str) for r in self.reasons):
            raise InputError(f"data must have {n} rows and {m} alternatives, and reasons one text for each row.")
        if m and not (self.row.min() >= 0 and self.row.max() < n and (np.diff(self.row) >= 0).all()):
            raise InputError("row must ascend and name explained rows.")
        if self.output is not None and not 0 <= self.output < k:
            raise InputError(f"output must be one of the {k} outputs; got {self.output!r:.40}.")

    def __len__(self) -> int:
        return len(self.before)

    @property
    def features(self) -> Names:
        """Names of the features."""
        return self.data.names

    @property
    def counts(self) -> Int1:
        """Number of alternatives of each row."""
        return np.bincount(self.row, minlength=len(self))

    @property
    def alternatives(self) -> Any:
        """All alternatives as whole rows, in the user's own container; `row` says whose they are."""
        rows = np.arange(len(self), len(self.data))
        return self.data.gather(np.repeat(rows[:, None], len(self.features), axis=1)).native  # with fresh row labels

    def changes(self, row: int, k: int = 0) -> dict[str, tuple[Any, Any]]:
        """Return what differs in the `k`-th alternative of a row: each feature with its values before and after."""
        position = self._position(row, k)
        pair = self.data.take([int(self.row[position]), len(self) + position])
        names = [name for name, moved in zip(self.features, self.changed[position], strict=True) if moved]
        return {name: (pair.column(name).tolist()[0], pair.column(name).tolist()[1]) for name in names}

    def sentence(self, row: int, k: int = 0) -> str:
        """Say one alternative in plain words, or why there is none."""
        row = self._row(row)
        if not self.counts[row]:
            return f"No alternative for this row: {self.reasons[row]}."
        position = self._position(row, k)
        parts = [
            "‘{}’ at {} instead of {}".format(_short(name), *reversed(_texts(*values)))
            for name, values in self.changes(row, k).items()
        ]
        listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        return f"With {listed}, the model would have given {self._given(position)}."

    def _given(self, position: int) -> str:
        """What the model gives for an alternative, and gave for the row."""
        after, before = self.after[position], self.before[self.row[position]]
        if not self.decides:
            j = self.output or 0
            name = "" if len(self.outputs) == 1 else f"‘{_short(self.outputs[j])}’ "
            share = self.space is Space.PROBABILITY
            was, is_now = (
                [percent(x[j]) for x in (before, after)] if share else _texts(float(before[j]), float(after[j]))
            )
            return f"{name}{is_now} instead of {was}"
        new, old = int(after.argmax()), int(before.argmax())
        if self.space is not Space.PROBABILITY:
            return f"‘{_short(self.outputs[new])}’ instead of ‘{_short(self.outputs[old])}’"
        return f"‘{_short(self.outputs[new])}’ {percent(after[new])} (it was {percent(before[new])})"

    def to_frame(self) -> Any:
        """Return one line per change, in the user's own frame type.

        Columns are row, alternative, feature, from, to, distance and plausibility; from and to are text unless
        every feature is a number.
        """
        numbers = set(self.data.kinds) <= {"number", "bool"}
        columns: dict[str, list[Any]] = {
            name: [] for name in ("row", "alternative", "feature", "from", "to", "distance", "plausibility")
        }
        for position, (row, k) in enumerate(self._numbered()):
            for feature, (old, new) in self.changes(row, k).items():
                cells = (old, new) if numbers else (None if v is None or v != v else str(v) for v in (old, new))  # noqa: PLR0124 -- NaN
                values = (row, k, feature, *cells, float(self.distance[position]), float(self.plausibility[position]))
                for name, value in zip(columns, values, strict=True):
                    columns[name].append(value)
        return self.data.frame_like(columns)

    def _numbered(self) -> list[tuple[int, int]]:
        """Row and number of every alternative."""
        first = np.searchsorted(self.row, self.row)
        return [(int(row), position - int(first[position])) for position, row in enumerate(self.row)]

    def _row(self, row: int) -> int:
        if isinstance(row, bool) or not isinstance(row, int | np.integer) or not -len(self) <= row < len(self):
            raise InputError(f"there is no row {row!r:.40}; there are {len(self)}, counted from 0.")
        return int(row) % len(self)

    def _position(self, row: int, k: int) -> int:
        row = self._row(row)
        count = int(self.counts[row])
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k < count:
            why = f" ({self.reasons[row]})" if self.reasons[row] else ""
            raise InputError(f"row {row} has {count} alternatives{why}; there is no number {k!r:.40}, counted from 0.")
        return int(np.searchsorted(self.row, row)) + int(k)

    def __repr__(self) -> str:
        answered = int((self.counts > 0).sum())
        head = f"Counterfactuals({answered} of {len(self)} rows have alternatives, {len(self.row)} in all)"
        return "\n  ".join([head, *(f"{r}: {self.sentence(r)}" for r in range(min(len(self), 3)))])

    def _repr_html_(self) -> str:
        shown = self._numbered()[: 2 * _html.ROWS]
        rows = [
            [
                str(row),
                _html.escaped(
                    "; ".join(f"{f}: {' → '.join(_texts(*v))}" for f, v in self.changes(row, k).items()), 300
                ),
                _html.escaped(self._given(position), 160),
                _html.number(float(self.distance[position])),
                _html.number(float(self.plausibility[position])),
            ]
            for position, (row, k) in enumerate(shown)
        ]
        none = np.flatnonzero(self.counts == 0)
        lines = [
            "What the model would have given; no promise about what follows from a change.",
            _html.more(len(self.row) - len(shown), "alternatives"),
            *(f"row {r}: {_html.escaped(self.reasons[r], 300)}" for r in none[: _html.ROWS]),
            _html.more(len(none) - _html.ROWS, "rows without alternatives"),
        ]
        head = ["row", "changes", "the model would have given", "distance", "plausibility"]
        title = f"Counterfactuals: {len(self)} rows, {len(self.row)} alternatives"
        return _html.block(title, lines, [_html.table(head, rows)] if rows else [])


def _freeze_kind(owner: Any, name: str, shape: tuple[int, ...], kinds: str) -> None:
    array: Array = np.array(getattr(owner, name))
    if array.shape != shape or array.dtype.kind not in kinds:
        raise InputError(f"{name} must have shape {shape}; got {array.dtype} of shape {array.shape}.")
    array.flags.writeable = False
    object.__setattr__(owner, name, array)


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:59]}…"


def _texts(old: Any, new: Any) -> tuple[str, str]:
    """Two values in words, numbers with as many digits as it takes to see the difference."""
    if not (_is_number(old) and _is_number(new)):
        return _text(old), _text(new)
    for digits in range(3, 18):
        texts = [_trimmed(number_text(float(value), digits)) for value in (old, new)]
        if texts[0] != texts[1]:
            break
    return texts[0], texts[1]


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    return figure(value) if _is_number(value) else f"‘{_short(str(value))}’"
