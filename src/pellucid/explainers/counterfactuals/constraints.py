"""What a counterfactual may not do, said once and compiled for one table."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid._base.errors import ColumnError, InputError
from pellucid._base.randomness import is_whole
from pellucid._base.typing import Bool1, Bool2, Float1, Float2, Int1, Names
from pellucid.table import Table, listed

Check = Callable[[Any, Any], Any]
"""``check(before, after)``: two tables of equal length in the user's own container; one bool per row."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What a change must obey. Every returned alternative does; where none can, none is returned.

    A constraint is about changes: a value that stays as it is breaks none, and no value is ever changed to
    a missing one.

    Parameters
    ----------
    immutable : sequence of str
        Features that keep their value.
    increase_only, decrease_only : sequence of str
        Number features that may only go up, or only down; a missing one stays missing.
    ranges : mapping of str to (low, high)
        Where the new value of a number feature may lie, ends included; None leaves an end open.
    allowed : mapping of str to collection
        The values a feature may be changed to.
    linked : sequence of sequences of str
        Columns that change together, such as the columns of one one-hot encoding: they are copied from one
        real row or not at all, and count as one change.
    max_changes : int, optional
        Most changes of an alternative.
    check : callable, optional
        ``check(before, after)`` gets two tables of equal length in your own container and returns one bool
        per row: whether the alternative is acceptable.

    Raises
    ------
    InputError
        When the constraints contradict each other or are of the wrong type.

    Examples
    --------
    >>> Constraints(immutable=["age"], ranges={"income": (0, None)}, max_changes=3).immutable
    ('age',)
    """

    immutable: Sequence[str] = ()
    increase_only: Sequence[str] = ()
    decrease_only: Sequence[str] = ()
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    allowed: Mapping[str, Collection[Any]] = field(default_factory=dict)
    linked: Sequence[Sequence[str]] = ()
    max_changes: int | None = None
    check: Check | None = None

    def __post_init__(self) -> None:
        for name in ("immutable", "increase_only", "decrease_only"):
            object.__setattr__(self, name, _names(getattr(self, name), name))
        for name in ("ranges", "allowed"):
            if not isinstance(getattr(self, name), Mapping):
                raise InputError(f"{name} must be a dict with features as keys; got {getattr(self, name)!r:.80}.")
        object.__setattr__(self, "ranges", {key: _range(key, ends) for key, ends in self.ranges.items()})
        object.__setattr__(self, "allowed", {key: _values(key, values) for key, values in self.allowed.items()})
        if isinstance(self.linked, str) or any(isinstance(group, str) for group in self.linked):
            raise InputError("linked must be a list of groups, each a list of columns, such as [['red', 'blue']].")
        object.__setattr__(self, "linked", tuple(_names(group, "linked") for group in self.linked))
        members = [name for group in self.linked for name in group]
        if len(set(members)) < len(members):
            raise InputError(f"a column can be in one linked group, once; got {members!r:.120}.")
        both = sorted(set(self.increase_only) & set(self.decrease_only))
        if both:
            raise InputError(f"{listed(both)} can neither go up nor down then: put it in immutable.")
        if self.max_changes is not None and not (is_whole(self.max_changes) and self.max_changes >= 1):
            raise InputError(
                f"max_changes must be a whole number of at least 1, or None; got {self.max_changes!r:.80}."
            )
        if self.check is not None and not callable(self.check):
            raise InputError(f"check must be a function of (before, after); got {self.check!r:.80}.")


def _names(given: Any, what: str) -> Names:
    names = (given,) if isinstance(given, str) else tuple(given) if hasattr(given, "__iter__") else (None,)
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{what} must be a list of feature names; got {given!r:.80}.")
    return names


def _range(name: str, ends: Any) -> tuple[float, float]:
    try:
        low, high = ends
        low = -np.inf if low is None else float(low)
        high = np.inf if high is None else float(high)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not low <= high:
        raise InputError(f"the range of {name!r:.80} must be (low, high), None for an open end; got {ends!r:.80}.")
    return low, high


def _values(name: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise InputError(f"the allowed values of {name!r:.80} must be a list; got {values!r:.80}.")
    return tuple(values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """Constraints compiled for the columns of one table; cells are its codes (`Table.codes`).

    Parameters
    ----------
    movable : bool array of shape (features,)
    direction : int64 array of shape (features,)
        1 up, -1 down, 0 free.
    low, high : float64 arrays of shape (features,)
    values : mapping of int to float64 array
        For some columns, the codes that may be taken.
    unit : int64 array of shape (features,)
        The unit that each column changes with; units are numbered from 0.
    max_changes : int or None
    check : callable or None
    """

    movable: Bool1
    direction: Int1
    low: Float1
    high: Float1
    values: Mapping[int, Float1]
    unit: Int1
    max_changes: int | None
    check: Check | None

    @property
    def n_units(self) -> int:
        """Number of things that can change."""
        return int(self.unit.max(initial=-1)) + 1

    def permits(self, j: int, before: Float1 | Float2, after: Float1 | Float2) -> Bool2:
        """Whether column `j` may change from one code to another, for arrays that broadcast."""
        fine = np.asarray(~np.isnan(after) & self.movable[j] & (after >= self.low[j]) & (after <= self.high[j]))
        if self.direction[j]:
            # a missing `before` compares as False
            fine = fine & ((after >= before) if self.direction[j] > 0 else (after <= before))
        if j in self.values:
            fine = fine & np.isin(after, self.values[j])
        return np.broadcast_to(fine, np.broadcast_shapes(np.shape(before), np.shape(after)))

    def accepts(self, before: Table, after: Table) -> Bool1:
        """Ask the caller's own check, if there is one."""
        if self.check is None or not len(after):
            return np.ones(len(after), dtype=np.bool_)
        answer = np.asarray(self.check(before.native, after.native))
        if answer.shape != (len(after),) or answer.dtype != np.bool_:
            raise InputError(
                f"check must return one bool for each of the {len(after)} rows it is given; got {answer.dtype} "
                f"of shape {answer.shape}."
            )
        return answer


def compiled(constraints: Constraints, table: Table, vocabulary: Mapping[str, tuple[Any, ...]]) -> Rules:
    """Read constraints for the columns of `table`.

    Raises
    ------
    ColumnError
        When a constraint names a column that is not there.
    InputError
        When an order is asked of a column that is not a number.
    """
    place = {name: j for j, name in enumerate(table.names)}
    _check_names(constraints, table.names)
    ordered = {*constraints.increase_only, *constraints.decrease_only, *constraints.ranges}
    for name in sorted(ordered):
        if name in vocabulary:
            kind = table.kinds[place[name]]
            raise InputError(f"{name!r:.80} is a {kind} column, which has no order: use allowed= instead.")
    d = len(table.names)
    movable, direction = np.ones(d, dtype=np.bool_), np.zeros(d, dtype=np.int64)
    low, high = np.full(d, -np.inf), np.full(d, np.inf)
    movable[[place[name] for name in constraints.immutable]] = False
    direction[[place[name] for name in constraints.increase_only]] = 1
    direction[[place[name] for name in constraints.decrease_only]] = -1
    for name, (least, most) in constraints.ranges.items():
        low[place[name]], high[place[name]] = least or 0.0, most or 0.0
    return Rules(
        movable=movable,
        direction=direction,
        low=low,
        high=high,
        values={place[name]: _codes(name, values, vocabulary) for name, values in constraints.allowed.items()},
        unit=_units(constraints.linked, table.names),
        max_changes=constraints.max_changes,
        check=constraints.check,
    )


def _check_names(constraints: Constraints, names: Names) -> None:
    given = [*constraints.immutable, *constraints.increase_only, *constraints.decrease_only]
    given += [*constraints.ranges, *constraints.allowed, *(name for group in constraints.linked for name in group)]
    unknown = sorted({str(name) for name in given if name not in set(names)})
    if unknown:
        raise ColumnError(f"constraints name {listed(unknown)}, but the features are {listed(names, 12)}.")


def _codes(name: str, values: Collection[Any], vocabulary: Mapping[str, tuple[Any, ...]]) -> Float1:
    """Values as codes; those that no row has cannot be copied, so they are left out."""
    if name in vocabulary:
        code = {value: float(i) for i, value in enumerate(vocabulary[name])}
        return np.array([code[value] for value in values if value in code])
    try:
        return np.array([float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise InputError(f"{name!r:.80} is a number column; its allowed values must be numbers: {error}.") from None


def _units(linked: Sequence[Sequence[str]], names: Names) -> Int1:
    leader = {name: group[0] for group in linked for name in group}
    number: dict[str, int] = {}
    return np.array([number.setdefault(leader.get(name, name), len(number)) for name in names], dtype=np.int64)
