"""Rows as a table of counts that can be added, so that a stream gives the numbers of its rows together."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Int1, Names
from pellucid.fairness._inputs import read_numbers, read_vector, read_weights, refuse_mixed
from pellucid.fairness.groups import Grouping, groupings_of, read_texts

TRUTH, PREDICTED, SCORE, WEIGHT = "y_true", "y_pred", "score", "sample_weight"


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupTally:
    """Distinct rows of outcomes and groups, each with its count. Two tallies of other rows can be added.

    The rows stand in an order of their own, so the same rows give the same numbers to the last bit, however they were
    ordered and cut into parts. Without scores and weights a tally is as small as the table of its outcomes; with
    them it holds every distinct score.

    Parameters
    ----------
    sensitive, control : tuple of str
        Names of the columns that make groups, and of those within which groups are compared.
    columns : mapping of (kind, name) to array of shape (distinct rows,)
    counts : int array of shape (distinct rows,)
    """

    sensitive: Names
    control: Names
    columns: Mapping[tuple[str, str], Array]
    counts: Int1

    def __len__(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: "GroupTally") -> "GroupTally":
        if not isinstance(other, GroupTally):
            return NotImplemented
        same = (self.sensitive, self.control) == (other.sensitive, other.control)
        if not same or set(self.columns) != set(other.columns):
            raise InputError(f"only tallies of the same columns can be added: {_known(self)} are not {_known(other)}.")
        joined = {key: np.concatenate([values, other.columns[key]]) for key, values in self.columns.items()}
        counts = np.concatenate([self.counts, other.counts])
        return self._canonical(self.sensitive, self.control, joined, counts)

    def rows(self, name: str) -> Array:
        """One outcome column with a value per row, in the tally's own order."""
        return np.repeat(self.columns["outcome", name], self.counts)

    def optional_rows(self, name: str) -> Array | None:
        """Return the same, or None where it was not given."""
        return self.rows(name) if ("outcome", name) in self.columns else None

    def groupings(self, kind: str) -> tuple[Grouping, ...]:
        """Return each "sensitive" or "control" column alone, and their intersection."""
        names = self.sensitive if kind == "sensitive" else self.control
        return groupings_of(names, [np.repeat(self.columns[kind, name], self.counts).tolist() for name in names])

    @classmethod
    def _canonical(cls, sensitive: Names, control: Names, columns: dict[tuple[str, str], Array], counts: Int1) -> Self:
        codes = np.column_stack([_ranks(values) for values in columns.values()])
        order = np.lexsort(codes.T[::-1])
        sorted_codes = codes[order]
        new = np.concatenate([[True], (sorted_codes[1:] != sorted_codes[:-1]).any(axis=1)])
        first = order[np.flatnonzero(new)]
        return cls(
            sensitive=sensitive,
            control=control,
            columns=MappingProxyType({key: values[first] for key, values in columns.items()}),
            counts=np.add.reduceat(counts[order], np.flatnonzero(new)),
        )


def tally(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    score: Any = None,
    control_features: Any = None,
    sample_weight: Any = None,
) -> GroupTally:
    """Count rows by group and outcome; the parameters are those of `group_metrics`.

    Raises
    ------
    InputError
        When lengths differ or values are missing.

    Examples
    --------
    >>> from pellucid.fairness import GroupMetrics, tally
    >>> parts = [tally([1, 0], [1, 1], sensitive_features=["a", "b"]) for _ in range(20)]
    >>> found = GroupMetrics.of(sum(parts[1:], parts[0]), favorable=1)
    >>> found.by_group["group"]["a"]["true_positive_rate"].value, found.sizes["group"]["a"]
    (1.0, 20)
    """
    truth, predicted = read_vector(y_true, TRUTH), read_vector(y_pred, PREDICTED)
    if len(truth) != len(predicted):
        raise InputError(f"y_true and y_pred must have the same length; got {len(truth)} and {len(predicted)}.")
    refuse_mixed(truth, predicted)
    columns: dict[tuple[str, str], Array] = {("outcome", TRUTH): truth, ("outcome", PREDICTED): predicted}
    if score is not None:
        columns["outcome", SCORE] = read_numbers(score, SCORE, len(truth))
    weights = read_weights(sample_weight, len(truth))
    if weights is not None:
        columns["outcome", WEIGHT] = weights
    names: dict[str, Names] = {"control": ()}
    for kind, given in (("sensitive", sensitive_features), ("control", control_features)):
        if kind == "sensitive" or given is not None:
            names[kind], texts = read_texts(given, len(truth), what=f"{kind}_features")
            for name, text in zip(names[kind], texts, strict=True):
                columns[kind, name] = np.array(text, dtype=object)
    counts = np.ones(len(truth), dtype=np.int64)
    return GroupTally._canonical(names["sensitive"], names["control"], columns, counts)


def _ranks(values: Array) -> Int1:
    """Position of each value among the distinct ones: numbers by size, anything else by its text."""
    if values.dtype.kind in "biuf":
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    items = values.tolist()
    position = {value: rank for rank, value in enumerate(sorted(set(items), key=_sort_key))}
    return np.array([position[value] for value in items], dtype=np.int64)


def _sort_key(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, "" if number else str(value))


def _known(found: GroupTally) -> str:
    return ", ".join(name for _, name in found.columns)
