"""What a method that also knows pairs of features hands back."""

from typing import Protocol, runtime_checkable

from pellucid._base.errors import InputError
from pellucid._base.typing import Array
from pellucid.explainers.base import Attribution
from pellucid.table import Table

LARGEST_ANSWER = 2**34
"""Bytes that a table of interactions may take."""


@runtime_checkable
class BoundPairs(Protocol):
    """A bound method that has interactions."""

    def interactions(self, X: Table) -> tuple[Array, Attribution]:
        """Return interactions (rows, features, features, outputs), and their sums as Shapley values."""
        ...


def check_size(rows: int, features: int, outputs: int) -> None:
    """Refuse an answer that would not fit, before any work.

    Raises
    ------
    InputError
        When the interactions would take more than `LARGEST_ANSWER` bytes.
    """
    size = 8 * rows * features**2 * outputs
    if size > LARGEST_ANSWER:
        raise InputError(
            f"interactions of {rows} rows with {features} features and {outputs} outputs take {size / 2**30:.0f} GiB; "
            f"{LARGEST_ANSWER // 2**30} GiB is the most. Explain fewer rows at a time."
        )
